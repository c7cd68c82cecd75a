"""ZarrVolume: a volume in zarr, with what zarr offers besides voxels."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Literal, SupportsIndex, cast

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike
from pyvolume.transfer.checks import check_inside, checked_box
from pyvolume.volume import Volume
from pyvolume.zarr.address import Address
from pyvolume.zarr.attributes import Attributes, change_attributes, read_attributes
from pyvolume.zarr.ngff.collections import is_label_image
from pyvolume.zarr.nodes import OURS, metadata_of, open_node
from pyvolume.zarr.opening import Opening
from pyvolume.zarr.store import ZarrStore


class ZarrVolume(Volume):
    """A volume in zarr: an array alone, or a level of an image of OME-Zarr.

    Its axes are c, x, y, z, and then others such as t, whatever their order on disk. A chunk that is not stored holds
    the fill value of the array. Two processes that write into the same chunk need a `lock`, see `pyvolume.Volume`.
    """

    @property
    def store(self) -> ZarrStore:
        """The array."""
        return cast("ZarrStore", self._transfer.store)

    @property
    def name(self) -> str:
        """The last part of the path of the image, or of an array without one."""
        node = self.store.node
        return node.holder.rpartition("/")[2] or self.store.client.address.rstrip("/").rpartition("/")[2]

    @property
    def holds_labels(self) -> bool:
        """Whether the image says that it is one of labels."""
        return is_label_image(self.store.node.attributes)

    @property
    def attrs(self) -> MutableMapping[str, Any]:
        """The attributes of the image or the array, as in zarr; those of the format are left out."""
        store = self.store
        return Attributes(store.client, store.node.holder, self._transfer.begin, is_writable=self.mode == "r+")

    @property
    def source(self) -> Mapping[str, Any]:
        """Where the voxels were copied from, as the command ``pyvolume cp`` notes it; empty if nothing is noted.

        ``address``, ``version``, ``box``, ``time`` (UTC) and ``sha256``, as `checksum` gives it.
        """
        return dict(self._attributes().get(OURS, {}).get("source", {}))

    def note_source(self, source: Mapping[str, Any]) -> None:
        """Keep where the voxels come from.

        Parameters
        ----------
        source : mapping
            Values of JSON.

        Raises
        ------
        UnsupportedError
            If the volume was opened with mode "r".
        StoreError
            If it could not be stored.
        """
        self._transfer.check_writable("note the source")
        store = self.store
        noted = {"source": dict(source)}
        change_attributes(
            store.client,
            store.node.holder,
            self._transfer.begin(),
            lambda found: {**found, OURS: {**found.get(OURS, {}), **noted}},
        )

    @property
    def stale(self) -> list[Box]:
        """Where level 0 has changed since the coarser levels were made from it, in voxels of this level.

        Level 0 lists what is stale in any coarser level, another level what is stale in itself.
        ``pyvolume.build_pyramid(volume, box=...)`` renews the coarser levels in a box of level 0. What other programs
        write is not noted.
        """
        return self.store.stale(self._attributes() if self.store.node.has_levels else {})

    def _attributes(self) -> dict[str, Any]:
        """Return the attributes of the image or the array as they are stored now, with those of the format."""
        return read_attributes(self.store.client, self.store.node.holder, self._transfer.begin())

    def scale(self, level: SupportsIndex) -> Volume:
        """Open another resolution level of the image, see `Volume.scale`; a level that is stale is logged, once."""
        other = super().scale(level)
        if isinstance(other, ZarrVolume) and other is not self:
            boxes = other.store.stale(other.store.node.attributes)  # they were read a moment ago
            if boxes:
                self.store.warn_once(
                    f"open level {other.store.node.level} of {self.name}: level 0 has changed since it was made, in "
                    f"{boxes[0]} of its voxels{' and elsewhere' if len(boxes) > 1 else ''}; "
                    "pyvolume.build_pyramid(volume, box=...) renews a box of volume.stale"
                )
        return other

    def exists(self, box: BoxLike | None = None) -> NDArray[np.bool_]:
        """Say for each chunk whether it is stored; the voxels of others are the fill value.

        Parameters
        ----------
        box : Box or pair of corners, optional
            In absolute voxel coordinates; by default the bounds.

        Returns
        -------
        ndarray of bool
            One entry for each chunk that the box touches (for each shard, where chunks are in shards); with the axes of
            the volume. zarr does not store a chunk whose voxels are all the fill value.

        Raises
        ------
        SelectionError
            For a box outside the volume.
        StoreError
            If the store could not answer.
        """
        covered = self.bounds if box is None else checked_box(box, self.metadata)
        check_inside(covered, self.metadata, self.store.traits, growing=False)
        if not covered.size:
            return np.zeros((0,) * self.ndim, bool)
        return self.store.chunks_stored(covered, self._transfer.begin())

    def resize(self, shape: Sequence[SupportsIndex]) -> None:
        """Change the lengths of the axes; of an image, of all levels. Voxels beyond a shorter axis are deleted.

        Parameters
        ----------
        shape : sequence of int
            The upper corner of the bounds, channel first. The number of channels and the lower corner stay.

        Raises
        ------
        SelectionError
            For another number of axes or of channels, or a corner that is not above the lower one.
        UnsupportedError
            If the volume was opened with mode "r", or is not the finest level.
        StoreError
            If the store could not be changed.
        """
        action = f"resize {self.name}"
        self._transfer.check_writable(action)
        stop = tuple(arguments.integer(n, action, "a length") for n in arguments.each_of(shape, action, "a shape"))
        start = self.bounds.start
        if len(stop) != self.ndim or any(high <= low for low, high in zip(start, stop, strict=False)):
            raise SelectionError(f"{action}: expected {self.ndim} lengths above {start} and found {stop}")
        if stop[0] != self.shape[0]:
            raise SelectionError(f"{action}: expected {self.shape[0]} channels and found {stop[0]}")
        if self.store.node.level:
            raise UnsupportedError(f"{action}: expected level 0 of the image, whose other levels follow")
        self.store.resize(tuple(high - low for low, high in zip(start, stop, strict=True)), self._transfer.begin())
        self.refresh()

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`."""
        return super().describe() | self.store.facts()


def open_volume(
    address: Address,
    mode: Literal["r", "r+"] = "r",
    *,
    retry: RetryPolicy | None = None,
    place: dict[str, Any] | None = None,
    **options: Any,
) -> ZarrVolume:
    """Open the volume at an address.

    Parameters
    ----------
    address : Address
        Of an array, or of an image or group with one volume.
    mode : "r" or "r+"
        Read only, or read and write.
    retry : RetryPolicy, optional
        How long requests are repeated.
    place : dict, optional
        Options of `open_client`.
    **options
        Of `pyvolume.Volume`.

    Raises
    ------
    NotFoundError, UnsupportedError, MetadataError, StoreError
        As for `open_node`.
    """
    opening = Opening(address, mode, retry or RetryPolicy(), place or {})
    with contextlib.ExitStack() as stack:
        client = opening.client()
        stack.callback(client.close)
        node = open_node(client, address.path, mode, opening.call(), address.level)
        store = ZarrStore(client, node, opening.with_endpoint(client), owns_client=True)
        volume = ZarrVolume(store, metadata_of(node), mode=mode, retry=opening.retry, **options)
        stack.pop_all()
    return volume
