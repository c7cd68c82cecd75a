"""Voxels of DVID, under the names that pydvid gave them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, SupportsIndex, cast

from numpy.typing import NDArray

from pyvolume.dvid.address import segment
from pyvolume.dvid.client import get_document
from pyvolume.dvid.documents import instance_info, voxels_metadata
from pyvolume.dvid.keyvalue.attributes import Attributes
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.version import Version, find_version
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.dvid.versions.lookup import resolve, within
from pyvolume.dvid.voxels import settings
from pyvolume.dvid.voxels.history import history
from pyvolume.dvid.voxels.images import arb, image, isotropic
from pyvolume.dvid.voxels.store import DvidStore
from pyvolume.errors import UnsupportedError
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transfer.casting import Casting
from pyvolume.transport.connection import Connection
from pyvolume.volume import Volume

__all__ = ["VoxelsAccessor", "get_metadata", "get_ndarray", "post_ndarray"]


class VoxelsAccessor(Volume):
    """A volume of DVID: one instance, in one version.

    The version is looked up once, here: the accessor stays with it when a branch moves on.

    Parameters
    ----------
    connection : Connection
        It stays open when the volume is closed, see `owns_connection`.
    uuid : str
        The version: a uuid, a prefix of one, a tag, or a branch as in ``":master"``, ``"ab:dev"``, ``":master~1"``.
    data_name : str
        Of the instance.
    query_args : mapping, optional
        Sent along with each read and write of voxels, such as ``{"roi": "name"}``. Blocks are not merged then,
        because what is read may not be what is stored.
    throttle : bool, optional
        Let the server answer that it is busy (one such request at a time, by default). Off if not given.
    retry_timeout, retry_interval, warning_interval : float, optional
        Seconds, see `RetryPolicy`; what is not given is as the connection has it.
    partial_blocks : "merge" or "raise"
        DVID stores whole blocks only. Other writes read the blocks at the border and complete them, or are refused.
    casting : "checked", "safe", "same_kind" or "unsafe"
        Which values may be written, see `Volume`.
    mode : "r" or "r+"
        Read only, or read and write.
    owns_connection : bool
        Whether `close` closes the connection too.

    Raises
    ------
    NotFoundError
        If there is no such version or instance.
    UnsupportedError
        If the instance holds no voxels.
    MetadataError
        If the server's documents contradict themselves.
    StoreError
        If the server could not answer.
    """

    def __init__(  # noqa: PLR0917 - the signature of pydvid
        self,
        connection: Connection,
        uuid: str,
        data_name: str,
        query_args: Mapping[str, str] | None = None,
        throttle: bool | None = None,
        retry_timeout: float | None = None,
        retry_interval: float | None = None,
        warning_interval: float | None = None,
        *,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        mode: Literal["r", "r+"] = "r+",
        owns_connection: bool = False,
    ) -> None:
        if not isinstance(connection, Connection):
            raise TypeError(
                f"VoxelsAccessor: expected a Connection and found {connection!r}; pyvolume.open takes a url"
            )
        given = {"patience": retry_timeout, "interval": retry_interval, "warn_after": warning_interval}
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        version = resolve(connection, uuid)
        path = f"/api/node/{segment(version)}/{segment(data_name)}"
        info = get_document(connection, f"open {data_name}", f"{path}/info", "dvid-info-1")
        kind = instance_info(info, data_name)
        document = get_document(connection, f"open {data_name}", f"{path}/metadata", "dvid-metadata-1")
        super().__init__(
            DvidStore(
                connection,
                version,
                data_name,
                kind,
                document,
                query=query_args or {},
                throttle=bool(throttle),
                owns_connection=owns_connection,
            ),
            voxels_metadata(document, data_name),
            mode=mode,
            retry=dataclasses.replace(connection.retry, **changed),
            partial_blocks=partial_blocks,
            casting=casting,
        )

    @property
    def store(self) -> DvidStore:
        """The instance in its version."""
        return cast("DvidStore", self.transfer.store)

    @property
    def uuid(self) -> Uuid:
        """The full uuid of the version."""
        return self.store.uuid

    @property
    def version(self) -> Version:
        """The version, which can be committed, branched and compared; a request."""
        return find_version(self.store.connection, self.uuid)

    def at(self, ref: Version | str) -> VoxelsAccessor:
        """Open the same instance in another version, with the same options, on the same connection.

        A connection that `pyvolume.open` has made is closed with the volume that was opened, not with this one.

        Parameters
        ----------
        ref : Version or str
            A handle, or any form; ``":dev"`` is a branch of the volume's own repository.

        Raises
        ------
        NotFoundError
            If there is no such version, or the instance is not of its repository.
        StoreError
            If the server could not answer.
        """
        plain = self.store.unmasked or self.store
        other = self._reopened(ref.uuid if isinstance(ref, Version) else within(self.uuid, ref), plain.query)
        return other if plain is self.store else other.masked(self.store.query["roi"])

    def masked(self, roi: Roi | str) -> VoxelsAccessor:
        """Open the same volume through a region: voxels outside of it read as 0, and are not written.

        The server applies the mask (``?roi=``), as the region is at that time. With a background other than 0 its uint8
        volumes give that outside. A write that does not fill whole blocks completes them with what is stored.

        Parameters
        ----------
        roi : Roi or str
            A region in the volume's version, or the name of one.

        Raises
        ------
        UnsupportedError
            If its blocks are not those of the volume, for which the server would answer wrongly, or it is of another
            version; or if this volume is masked already.
        NotFoundError
            If there is no such region.
        """
        action = f"mask {self.data_name}"
        if "roi" in self.store.query:
            raise UnsupportedError(f"{action}: it is masked by {self.store.query['roi']!r} already")
        region = Roi(self.store.connection, self.uuid, roi) if isinstance(roi, str) else roi
        if (region.connection.url, region.uuid) != (self.store.connection.url, self.uuid):
            raise UnsupportedError(f"{action}: expected a region in version {self.uuid[:8]} and found {region!r}")
        if region.block_shape != self.block_shape:
            raise UnsupportedError(
                f"{action} by {region.name}: expected a region in blocks of {self.block_shape} and found "
                f"{region.block_shape}; create one with create_roi(name, block_shape={self.block_shape})"
            )
        # blocks outside of the region would be read as 0, and it may grow before they are written
        return self._reopened(self.uuid, self.store.query | {"roi": region.name}, unmasked=self.store)

    @property
    def attrs(self) -> Attributes:
        """What is noted down about the volume in this version: a mapping of JSON values."""
        return Attributes(self.store.connection, self.uuid, self.data_name, writable=self.mode == "r+")

    def _reopened(self, uuid: str, query: Mapping[str, str], unmasked: DvidStore | None = None) -> VoxelsAccessor:
        """Open the same instance with the same options; blocks are completed from `unmasked`."""
        other = VoxelsAccessor(self.store.connection, uuid, self.data_name, query, self.store.throttle)
        other.store.unmasked = unmasked
        other.transfer = dataclasses.replace(self.transfer, store=other.store, metadata=other.metadata)
        return other

    # methods that are written beside their subject
    history = history
    image = image
    isotropic = isotropic
    arb = arb
    set_resolution = settings.set_resolution
    set_extents = settings.set_extents

    @property
    def tags(self) -> dict[str, str]:
        """The tags that the instance was created with; a request. No call of the server changes them."""
        return settings.read_tags(self.store.connection, self.uuid, self.data_name)

    @property
    def data_name(self) -> str:
        """The name of the instance."""
        return self.store.name

    @property
    def typename(self) -> str:
        """The type of the instance, such as ``"uint8blk"``."""
        return self.store.info.typename

    @property
    def axiskeys(self) -> str:
        """The names of the axes as pydvid has them, one text; see `dims`."""
        return self.metadata.axiskeys

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Shape of the blocks that the server stores, one entry per axis behind the channel."""
        return self.store.blocks

    @property
    def voxels_metadata(self) -> VoxelsMetadata:
        """What the volume is; the same as `metadata`."""
        return self.metadata

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`; no request."""
        return super().describe() | {"type": self.typename, "version": self.uuid}

    def __repr__(self) -> str:
        blocks = "×".join(map(str, self.block_shape))
        mask = f", masked by {self.store.query['roi']!r}" if "roi" in self.store.query else ""
        return (
            f"<{type(self).__name__} {self.data_name!r} of version {self.uuid[:8]}: {self.shape} {self.dtype.name} "
            f"{self.axiskeys}, {self.typename} in blocks of {blocks}{mask}, mode {self.mode!r}, {self.store.address}>"
        )


def get_metadata(connection: Connection, uuid: str, data_name: str) -> VoxelsMetadata:
    """Return what a volume is.

    Raises
    ------
    StoreError, UnsupportedError, MetadataError
        As for `VoxelsAccessor`.
    """
    return VoxelsAccessor(connection, uuid, data_name).metadata


def get_ndarray(
    connection: Connection,
    uuid: str,
    data_name: str,
    start: Sequence[SupportsIndex],
    stop: Sequence[SupportsIndex],
) -> NDArray[Any]:
    """Read a box of a volume, see `Volume.get_ndarray`."""
    return VoxelsAccessor(connection, uuid, data_name).get_ndarray(start, stop)


def post_ndarray(  # noqa: PLR0917 - the signature of pydvid
    connection: Connection,
    uuid: str,
    data_name: str,
    start: Sequence[SupportsIndex],
    stop: Sequence[SupportsIndex],
    array: NDArray[Any],
) -> None:
    """Write a box of a volume, see `Volume.post_ndarray`."""
    VoxelsAccessor(connection, uuid, data_name).post_ndarray(start, stop, array)
