"""DataStoreVolume: a volume of the HPC DataStore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pyvolume.caching.cache import BlockCache
from pyvolume.errors import NotFoundError, UnsupportedError
from pyvolume.hpc.address import KEYWORDS, number_of
from pyvolume.hpc.client import read_info
from pyvolume.hpc.documents import DatasetInfo, View
from pyvolume.hpc.store import MIXED, Choices, DataStoreStore
from pyvolume.hpc.versions import make_version
from pyvolume.model import arguments
from pyvolume.model.box import BoxLike
from pyvolume.transfer.casting import Casting, castable
from pyvolume.transfer.checks import checked_box
from pyvolume.transfer.engine import check_options
from pyvolume.transfer.locking import NamedLock
from pyvolume.transport.connection import Connection
from pyvolume.volume import Volume


class DataStoreVolume(Volume):
    """A volume of the HPC DataStore: one resolution level of a dataset, in one version.

    Its axes are c, x, y, z, t and a: channel, width, height, depth, time and angle. The axis of time or of angles is
    missing if one time point or angle is chosen. Time points are addressed by position. Their ids are the labels of the
    axis, and `Dataset.timepoint` finds the position of an id.

    The version is resolved once, when the volume is opened.

    Parameters
    ----------
    connection : Connection
        It stays open when the volume is closed, see `owns_connection`.
    uuid : str
        The dataset.
    version : int or str
        A number; ``"latest"``; ``"new"``, which makes a version without blocks; or ``"mixedLatest"``, which shows the
        newest version of each block, and is read-only.
    level : int or sequence of int
        A resolution level, by its index or by its factors along x, y and z.
    timepoint, angle : int, optional
        The id of the only one to show. The volume then has no axis for it.
    channel : int, optional
        The id of the only channel to show. The channel axis then has length 1.
    missing : "fill" or "raise"
        What a read gives for blocks that are not stored in the version. A new version has none.
    fill_value : float
        The value of their voxels.
    complete_from : "older" or "fill"
        A write that does not fill a block completes it. If the version does not have the block, the voxels around the
        written ones come from the nearest older version that has it, or they are the fill value. With ``"fill"`` the
        block hides older voxels in ``"mixedLatest"``.
    verify : bool
        Read back what was written, and compare.
    partial_blocks : "merge" or "raise"
        The server stores whole blocks only. Other writes complete blocks, or are refused.
    casting, lock, lock_aligned, cache
        See `pyvolume.Volume`. A cache is not used: every version of a DataStore can be written.
    mode : "r" or "r+"
        Read only, or read and write.
    owns_connection : bool
        Whether `close` closes the connection too.

    Raises
    ------
    NotFoundError
        If there is no such dataset, version, level, time point, channel or angle.
    VoxelsMismatchError
        If the dtype of the dataset does not hold the fill value.
    UnsupportedError
        For ``"new"`` in mode "r", and for ``"mixedLatest"`` in mode "r+"; no request is made.
    MetadataError
        If the server's documents contradict themselves.
    StoreError
        If the server could not answer.
    """

    def __init__(
        self,
        connection: Connection,
        uuid: str,
        *,
        version: int | str = "latest",
        level: int | Sequence[int] = 0,
        timepoint: int | None = None,
        channel: int | None = None,
        angle: int | None = None,
        missing: Literal["fill", "raise"] = "fill",
        fill_value: float = 0,
        complete_from: Literal["older", "fill"] = "older",
        verify: bool = False,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
        mode: Literal["r", "r+"] = "r+",
        owns_connection: bool = False,
    ) -> None:
        arguments.instance_of(connection, Connection, "DataStoreVolume")
        check_options(mode, partial_blocks, casting, lock, cache)  # before "new" makes a version
        arguments.one_of(missing, ("fill", "raise"), "volume", "missing")
        arguments.one_of(complete_from, ("older", "fill"), "volume", "complete_from")
        version = _checked_version(version, mode)
        ids = {"timepoint": timepoint, "channel": channel, "angle": angle}
        view = View(**{name: arguments.integer(n, "open", name) for name, n in ids.items() if n is not None})
        info = read_info(connection, uuid)
        choices = Choices(missing, castable(fill_value, info.dtype, "checked").item(), complete_from, verify)
        index = info.level_index(level)
        info.check_view(view)
        info, number = _resolved(connection, info, index, version)
        store = DataStoreStore(
            connection, info, version=number, level=index, view=view, choices=choices, mode=mode,
            owns_connection=owns_connection,
        )  # fmt: skip
        super().__init__(
            store,
            info.metadata(index, view),
            mode=mode,
            retry=connection.retry,
            partial_blocks=partial_blocks,
            casting=casting,
            lock=lock,
            lock_aligned=lock_aligned,
            cache=cache,
        )

    @property
    def store(self) -> DataStoreStore:
        """The level in its version."""
        return cast("DataStoreStore", self._transfer.store)

    @property
    def name(self) -> str:
        """The uuid of the dataset."""
        return self.store.info.uuid

    @property
    def version(self) -> int | str:
        """The number of the version, or ``"mixedLatest"``."""
        return self.store.version

    @property
    def version_name(self) -> str:
        """The version as text."""
        return str(self.version)

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`; no request.

        The versions are those that were there when the volume was opened.
        """
        info = self.store.info
        return super().describe() | {
            "label": info.label,
            "version": self.version,
            "versions": list(info.versions),
            "levels": [list(level.factors) for level in info.levels],
            "timepoints": list(info.timepoints),
        }

    def version_labels(self) -> Mapping[str, str]:
        """Return the versions of the dataset; one request."""
        numbers = read_info(self.store.connection, self.store.info.uuid).versions
        return {str(number): f"version {number}" for number in numbers}

    def at(self, ref: int | str) -> DataStoreVolume:
        """Open the same level and view in another version, with the same options, on the same connection.

        Parameters
        ----------
        ref : int or str
            As `version` of the class; a number may be text.

        Raises
        ------
        NotFoundError, UnsupportedError, StoreError
            As for the class.
        """
        store = self.store
        version = _checked_version(number_of(ref), self.mode)
        info = read_info(store.connection, store.info.uuid)
        info, number = _resolved(store.connection, info, store.level, version)
        other = DataStoreStore(
            store.connection, info, version=number, level=store.level, view=store.view, choices=store.choices,
            mode=store.mode, prefixes=store.prefixes,
        )  # fmt: skip
        return self._with_store(other, info.metadata(store.level, store.view))

    def exists(self, box: BoxLike | None = None) -> NDArray[np.bool_]:
        """Say for each block whether it is stored in this version.

        The server has no request for it: the blocks are read.

        Parameters
        ----------
        box : Box or pair of corners, optional
            In absolute voxel coordinates; by default the bounds.

        Returns
        -------
        ndarray of bool
            One entry for each block that the box touches; with the axes of the volume.

        Raises
        ------
        SelectionError
            For a box outside the volume.
        StoreError
            If the server could not answer.
        """
        return self._transfer.stored(self.bounds if box is None else checked_box(box, self.metadata))


def _checked_version(version: int | str, mode: str) -> int | str:
    """Refuse a version that the mode does not allow, before any request."""
    if isinstance(version, str):
        arguments.one_of(version, KEYWORDS, "open", "version")
    else:
        version = arguments.integer(version, "open", "version", 0)
    if version == "new" and mode == "r":
        raise UnsupportedError("open: version 'new' makes a version, which mode 'r' does not allow; use mode='r+'")
    if version == MIXED and mode == "r+":
        raise UnsupportedError(f"open: version {MIXED!r} shows several versions and is read-only; use mode='r'")
    return version


def _resolved(
    connection: Connection, info: DatasetInfo, level: int, version: int | str
) -> tuple[DatasetInfo, int | str]:
    """Return the number of a version; ``"new"`` makes one."""
    if version == "new":
        return make_version(connection, info, level)
    if version == "latest":
        if not info.versions:
            raise NotFoundError(f"open {info.uuid}: the dataset has no version", action=f"open {info.uuid}")
        return info, info.versions[-1]
    if version != MIXED and version not in info.versions:
        raise NotFoundError(
            f"open {info.uuid}: no version {version}; there are {', '.join(map(str, info.versions))}",
            action=f"open {info.uuid}",
        )
    return info, version
