"""VoxelsAccessor: a volume of DVID, with the names of pydvid."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, SupportsIndex, cast

from numpy.typing import NDArray

from pyvolume.caching.cache import BlockCache
from pyvolume.dvid.documents import InstanceDescription
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.keyvalue.attributes import Attributes
from pyvolume.dvid.options import Compression, Options
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.version import Version, find_version
from pyvolume.dvid.versions.graph import Node, Uuid
from pyvolume.dvid.versions.lookup import read_graph, resolve, within
from pyvolume.dvid.voxels import settings
from pyvolume.dvid.voxels.history import Change, changes_of
from pyvolume.dvid.voxels.metadata import VoxelsMetadata
from pyvolume.dvid.voxels.pictures import Format, Plane, Point, draw, draw_array, oblique_cut, plane_of
from pyvolume.dvid.voxels.scales import Levels, create_scales, find_scales
from pyvolume.dvid.voxels.store import DvidStore, find_described, read_description
from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.scales import Scales
from pyvolume.stores.base import VoxelStore
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.checks import checked_box, joined
from pyvolume.transfer.locking import NamedLock
from pyvolume.transport.connection import Connection
from pyvolume.volume import Volume

__all__ = ["VoxelsAccessor", "get_metadata", "get_ndarray", "post_ndarray"]


class VoxelsAccessor(Volume):
    """A volume of DVID: one instance, in one version.

    An instance that holds labels becomes a `LabelVolume`, which is one of these and does more.

    The version is looked up once, here: the accessor keeps it when a branch gets a newer one.

    Parameters
    ----------
    connection : Connection
        It stays open when the volume is closed, see `owns_connection`.
    uuid : str
        The version: a uuid, a prefix of one, a tag, or a branch as in ``":master"``, ``"ab:dev"``, ``":master~1"``.
    data_name : str
        The name of the instance.
    query_args : mapping, optional
        Words that are sent with each read and write of voxels, such as ``{"scale": "0"}``. Blocks are not merged then,
        because a read may not return what is stored.
    throttle : bool, optional
        Let the server answer that it is busy (one such request at a time, by default). Off if not given.
    retry_timeout, retry_interval, warning_interval : float, optional
        Seconds, see `RetryPolicy`; what is not given is as the connection has it.
    partial_blocks : "merge" or "raise"
        DVID stores whole blocks only. Other writes read the blocks at the border and complete them, or are refused.
    casting : "checked", "safe", "same_kind" or "unsafe"
        Which values may be written, see `Volume`.
    lock, lock_aligned : optional
        Keep writers of other processes out of the blocks that are written, see `Volume`.
    cache : BlockCache, optional
        Keeps the blocks that are read of a committed version, see `Volume`.
    compression, ingest : optional
        Of labels only, see `LabelVolume`.
    mode : "r" or "r+"
        Read only, or read and write.
    owns_connection : bool
        Whether `close` closes the connection too.

    Raises
    ------
    NotFoundError
        If there is no such version or instance.
    UnsupportedError
        If the instance holds no voxels, or no labels although an option for labels is given.
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
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
        compression: Compression = "auto",
        ingest: bool = False,
        mode: Literal["r", "r+"] = "r+",
        owns_connection: bool = False,
    ) -> None:
        if not isinstance(connection, Connection):
            raise TypeError(
                f"VoxelsAccessor: expected a Connection and found {connection!r}; pyvolume.open takes a url"
            )
        given = {"patience": retry_timeout, "interval": retry_interval, "warn_after": warning_interval}
        changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        instance, description = find_described(connection, uuid, data_name)
        self._become(description)
        store = self._new_store(
            instance,
            description,
            Options(compression, ingest=ingest),
            query={} if query_args is None else query_args,
            throttle=bool(throttle),
            owns_connection=owns_connection,
        )
        super().__init__(
            store,
            store.metadata,
            mode=mode,
            retry=dataclasses.replace(connection.retry, **changed),
            partial_blocks=partial_blocks,
            casting=casting,
            lock=lock,
            lock_aligned=lock_aligned,
            cache=cache,
        )

    def _become(self, description: InstanceDescription) -> None:
        """Become a `LabelVolume` if the instance holds labels; only the server knows that."""
        from pyvolume.dvid.labels.accessor import LabelVolume  # late: it is one of these

        if description.holds_labels and not isinstance(self, LabelVolume):
            self.__class__ = LabelVolume

    def _new_store(
        self, instance: Instance, description: InstanceDescription, options: Options, **facts: Any
    ) -> DvidStore:
        """Return the store of an instance."""
        options.check_voxels(f"open {instance.name}", description.typename)
        return DvidStore(instance, description, **facts)

    @property
    def store(self) -> DvidStore:
        """The instance in its version."""
        return cast("DvidStore", self._transfer.store)

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

    def masked(self, roi: Roi | str, *, owns_connection: bool = False) -> VoxelsAccessor:
        """Open the same volume through a region: voxels outside of it read as 0, and are not written.

        The server applies the mask (``?roi=``), as the region is at the time of each request. If a uint8 volume has a
        background other than 0, voxels outside read as the background. A write that does not fill whole blocks
        completes them with what is stored.

        Parameters
        ----------
        roi : Roi or str
            A region in the volume's version, or the name of one.
        owns_connection : bool
            Whether `close` closes the connection too.

        Raises
        ------
        UnsupportedError
            If the region has other blocks than the volume, for which the server would answer wrongly, or belongs to
            another version; or if this volume is masked already.
        NotFoundError
            If there is no such region.
        """
        action = f"mask {self.name}"
        if "roi" in self.store.query:
            raise UnsupportedError(f"{action}: it is masked by {self.store.query['roi']!r} already")
        region = Roi(self.store.connection, self.uuid, roi) if isinstance(roi, str) else roi
        arguments.instance_of(region, Roi, action)
        if (region.connection.url, region.uuid) != (self.store.connection.url, self.uuid):
            raise UnsupportedError(f"{action}: expected a region in version {self.uuid[:8]} and found {region!r}")
        if region.block_shape != self.block_shape:
            raise UnsupportedError(
                f"{action} by {region.name}: expected a region in blocks of {self.block_shape} and found "
                f"{region.block_shape}; create one with create_roi(name, block_shape={self.block_shape})"
            )
        # blocks outside of the region would be read as 0, and it may grow before they are written
        return self._reopened(
            self.uuid, self.store.query | {"roi": region.name}, self.store, owns_connection=owns_connection
        )

    @property
    def scales(self) -> Scales[VoxelStore]:
        """The resolution levels ``gray``, ``gray_1``, ``gray_2`` and so on, as they are now; one request.

        An instance is a level if it has the type of the finest one, and voxels of 2, 4, 8 … times its size, or of its
        size.
        """
        return find_scales(self.store)

    def create_scales(self, levels: Levels = "auto") -> None:
        """Create the coarser resolution levels that are missing; `pyvolume.build_pyramid` fills them.

        Each level halves x, y and z. It has the blocks of this volume.

        Parameters
        ----------
        levels : int, "auto" or sequence of sequences of int
            How many levels the volume will have, with its own; ``"auto"``: until the longest side has at most 256
            voxels; or the factors of all levels, channel first, as ``scales.factors``.

        Raises
        ------
        UnsupportedError
            For other factors, or if this is not the finest level, is masked, or was opened for reading only.
        ExistsError
            If the name of a level is taken.
        LockedError
            If the version is committed.
        StoreError
            If the server could not create them.
        """
        self._check_writable("create levels")
        create_scales(self.store, levels)

    @property
    def attrs(self) -> Attributes:
        """JSON values about the volume in this version, as a mapping."""
        return Attributes(self.store.connection, self.uuid, self.name, writable=self.mode == "r+")

    def _reopened(
        self,
        uuid: str,
        query: Mapping[str, str],
        unmasked: DvidStore | None = None,
        *,
        owns_connection: bool = False,
    ) -> VoxelsAccessor:
        """Open the same instance with the same options; `unmasked` is the one that is masked."""
        instance = Instance(self.store.connection, resolve(self.store.connection, uuid, near=self.uuid), self.name)
        store = self._new_store(
            instance,
            read_description(instance),
            self._options_of_store,
            query=query,
            throttle=self.store.throttle,
            owns_connection=owns_connection,
            unmasked=unmasked,
            place=self.store.place,
        )
        return self._with_store(store, store.metadata)

    @property
    def _options_of_store(self) -> Options:
        return Options()

    def history(self, *, compare: bool = True) -> Iterator[Change]:
        """Iterate over the versions in which the volume changed: this version and its ancestors, the newest first.

        DVID does not record which version wrote a block, and the times of its versions do not count writes. Therefore
        the voxels of each version are compared with the voxels of its parent, see `pyvolume.compare`. This reads the
        whole volume twice for each version; a caller who has seen enough may stop at any time.

        Parameters
        ----------
        compare : bool
            Compare voxels. With False only the bounds are compared, with one small request for each version. **A
            version that only wrote inside the bounds is missing then.** A version in which, and before which, nothing
            was written shows the bounds of a later one.

        Yields
        ------
        Change
            One for each version whose bounds or voxels changed. A merge is compared with the first of its parents.

        Raises
        ------
        StoreError
            If the server could not answer.
        """
        return changes_of(self.store.instance, self.store.description.declared, self.at if compare else None)

    def image(
        self,
        plane: Plane,
        box: Box | None = None,
        *,
        x: SupportsIndex | None = None,
        y: SupportsIndex | None = None,
        z: SupportsIndex | None = None,
        square: bool = False,
        format: Format = "png",  # noqa: A002 - the word of the protocol
        quality: int | None = None,
    ) -> NDArray[Any]:
        """Let the server draw a plane of voxels, which sends fewer bytes than the voxels themselves.

        ``image("xz", y=7)`` returns the same as ``absolute[:, :, 7, :]``, within the bounds. It needs Pillow, the extra
        ``images``.

        Parameters
        ----------
        plane : "xy", "xz" or "yz"
            The two axes of the picture.
        box : Box, optional
            A part of the plane, on its two axes, in absolute coordinates; by default the bounds of the volume.
        x, y, z : int
            The coordinate on the third axis, absolute, of any sign.
        square : bool
            Make pixels square, as large as a voxel is on the finer of the two axes. The coarser axis is stretched by
            the ratio of the resolutions: voxels are repeated if it is a whole number, otherwise pixels are means of the
            voxels that they cover.
        format : "png" or "jpeg"
            How the picture is sent. PNG keeps every voxel. JPEG does not, and is for ``uint8`` of one channel only.
        quality : int, optional
            Of a JPEG, 1 to 100; 80 if not given.

        Returns
        -------
        ndarray
            The axes (c, first, second) of the plane, in Fortran order.

        Raises
        ------
        SelectionError
            For an empty box.
        UnsupportedError
            For a JPEG of anything but uint8; for ``uint64``, of which Pillow keeps 8 of 16 bits for each colour; for
            square pixels of 32 and 64 bits, whose bytes the server would average one by one.
        TooLargeError
            For more than 64 Mi pixels; no request is made.
        AnswerError
            If the response is not the expected picture.
        StoreError
            If the server could not draw it.
        """
        drawing = plane_of(self.store, self.metadata, plane, box, {"x": x, "y": y, "z": z}, square=square)
        return draw_array(self.store, drawing, format, quality, self._transfer.begin())

    def image_file(
        self,
        plane: Plane,
        box: Box | None = None,
        *,
        x: SupportsIndex | None = None,
        y: SupportsIndex | None = None,
        z: SupportsIndex | None = None,
        square: bool = False,
        format: Format = "png",  # noqa: A002 - the word of the protocol
        quality: int | None = None,
    ) -> bytes:
        """Let the server draw a plane of voxels, and return the file; Pillow is not needed.

        The first axis is drawn to the right, the second one downwards. Voxels of 32 and 64 bits look like noise: their
        bytes are the colours.

        Parameters
        ----------
        plane, box, x, y, z, square, format, quality
            As for `image`.

        Returns
        -------
        bytes
            A PNG or JPEG file.

        Raises
        ------
        SelectionError, UnsupportedError, TooLargeError, AnswerError, StoreError
            As for `image`, but files of ``uint64`` are possible.
        """
        drawing = plane_of(self.store, self.metadata, plane, box, {"x": x, "y": y, "z": z}, square=square)
        return draw(self.store, drawing, format, quality, self._transfer.begin())

    def oblique(
        self,
        top_left: Point,
        top_right: Point,
        bottom_left: Point,
        resolution: float | None = None,
        *,
        format: Format = "png",  # noqa: A002 - the word of the protocol
        quality: int | None = None,
    ) -> NDArray[Any]:
        """Let the server draw an oblique cut, with values interpolated between the eight voxels around each pixel.

        Parameters
        ----------
        top_left, top_right, bottom_left : sequence of float
            Corners (x, y, z) in the units of the volume: the coordinate of a voxel times its resolution.
        resolution : float, optional
            Distance of two pixels, in the same units; by default the finest of the volume. It is rounded up on each
            axis, to a whole number of pixels.
        format, quality
            As for `image`.

        Returns
        -------
        ndarray
            The axes (c, from left to right, from top to bottom).

        Raises
        ------
        UnsupportedError
            For anything but uint8 of one channel, of which the server draws something else, and for a volume with
            `query_args`, such as a mask, which the server ignores here.
        SelectionError
            For corners or a resolution that are not finite numbers.
        TooLargeError, AnswerError, StoreError
            As for `image`.
        """
        drawing = oblique_cut(self.store, self.metadata, (top_left, top_right, bottom_left), resolution)
        return draw_array(self.store, drawing, format, quality, self._transfer.begin())

    def oblique_file(
        self,
        top_left: Point,
        top_right: Point,
        bottom_left: Point,
        resolution: float | None = None,
        *,
        format: Format = "png",  # noqa: A002 - the word of the protocol
        quality: int | None = None,
    ) -> bytes:
        """Let the server draw an oblique cut, and return the file; Pillow is not needed.

        Parameters
        ----------
        top_left, top_right, bottom_left, resolution, format, quality
            As for `oblique`.

        Returns
        -------
        bytes
            A PNG or JPEG file.

        Raises
        ------
        UnsupportedError, SelectionError, TooLargeError, AnswerError, StoreError
            As for `oblique`.
        """
        drawing = oblique_cut(self.store, self.metadata, (top_left, top_right, bottom_left), resolution)
        return draw(self.store, drawing, format, quality, self._transfer.begin())

    def set_resolution(self, resolution: float | Sequence[float]) -> None:
        """Set the size of a voxel, **in all versions**: the server keeps one resolution for the instance.

        The units stay those that the volume was created with; no call changes them. The server keeps 32-bit floats.

        Parameters
        ----------
        resolution : float or sequence of float
            One number for all axes behind the channel, or one for each.

        Raises
        ------
        MetadataError
            If they are not as many finite numbers above 0 as there are axes. The server would accept them, and could
            not describe the volume any more.
        LockedError
            If the version is committed; use an open version.
        UnsupportedError
            If the volume was opened for reading only.
        """
        self._check_writable("set the resolution")
        settings.set_resolution(self.store.instance, resolution, self.ndim - 1)
        self.refresh()

    def set_extents(
        self,
        start: Box | Sequence[SupportsIndex],
        stop: Sequence[SupportsIndex] | None = None,
        *,
        force: bool = False,
    ) -> None:
        """Extend the bounds of the volume in this version; voxels are neither made nor deleted.

        DVID extends them to the whole blocks around the box, which other handles see. Writes outside make the bounds
        larger again.

        Parameters
        ----------
        start, stop : sequence of int
            First voxel and the one after the last, channel first, as for `get_ndarray`; with all channels. Or a
            `Box`.
        force : bool
            Let the server have exactly these bounds, smaller ones too. Voxels outside them stay on the server, where
            only absolute coordinates find them. If another process makes the volume larger at this moment, its bounds
            are lost.

        Raises
        ------
        SelectionError
            For an empty box, one that leaves out a part of the shape that the volume was created with, or, unless
            forced, a part of the present bounds.
        LockedError
            If the version is committed.
        UnsupportedError
            If the volume was opened for reading only.
        """
        self._check_writable("set the extents")
        box = checked_box(joined(start, stop), self.metadata)
        settings.check_extents(self.store.instance, box, self.bounds, self.store.description.declared, self.block_shape)
        self.refresh()
        if not force and not box.contains(self.bounds):
            raise SelectionError(
                f"set the extents of {self.name}: {box} leaves out a part of the present {self.bounds}; force=True "
                "allows that"
            )
        if force:
            settings.replace_extents(self.store.instance, box)
            self.refresh()
        else:
            settings.extend(self.store.instance, box, self.block_shape)
            self._transfer.known.grow(box)

    def _check_writable(self, action: str) -> None:
        if self.mode == "r":
            raise UnsupportedError(f"{action} of {self.name}: opened for reading only; open it with mode='r+'")

    @property
    def instance_tags(self) -> dict[str, str]:
        """The tags that were given when the instance was created; no call of the server changes them."""
        return dict(self.store.description.tags)

    @property
    def name(self) -> str:
        """The name of the instance."""
        return self.store.name

    @property
    def typename(self) -> str:
        """The type of the instance, such as ``"uint8blk"``."""
        return self.store.typename

    @property
    def axiskeys(self) -> str:
        """The letters of the axes as pydvid has them, one text; see `dims`."""
        return "".join(self.dims)

    @property
    def block_shape(self) -> tuple[int, ...]:
        """Shape of the blocks that the server stores, one entry per axis behind the channel."""
        return self.store.description.block_shape

    @property
    def voxels_metadata(self) -> VoxelsMetadata:
        """What the volume is, with the names of pydvid; equal to `metadata`."""
        return VoxelsMetadata.renamed(self.metadata)

    @property
    def version_name(self) -> str:
        """The full uuid of the version, see `Versioned`."""
        return self.uuid

    def version_labels(self) -> dict[str, str]:
        """Return uuid, branch and note of each version of the repository as a label, by the full uuid; one request."""
        return {uuid: f"{uuid[:8]} {node.branch} {node.note}".rstrip() for uuid, node in self.lineage().items()}

    def lineage(self) -> Mapping[str, Node]:
        """Return what is known of each version of the repository, by its full uuid, parents first; one request."""
        return read_graph(self.store.connection, self.uuid).nodes

    def neuroglancer_source(self) -> tuple[str, str]:
        """Return the type of a layer of Neuroglancer, and its source."""
        return "image", self.store.address

    def describe(self) -> dict[str, Any]:
        """Return the facts about the volume as values of JSON, see `Volume.describe`; no request."""
        return super().describe() | {"type": self.typename, "version": self.uuid}

    def __repr__(self) -> str:
        blocks = "×".join(map(str, self.block_shape))
        mask = f", masked by {self.store.query['roi']!r}" if "roi" in self.store.query else ""
        return (
            f"<{type(self).__name__} {self.name!r} of version {self.uuid[:8]}: {self.shape} {self.dtype.name} "
            f"{self.axiskeys}, {self.typename} in blocks of {blocks}{mask}, mode {self.mode!r}, {self.store.address}>"
        )


def get_metadata(connection: Connection, uuid: str, data_name: str) -> VoxelsMetadata:
    """Return bounds, dtype, axes, resolution and units of a volume.

    Raises
    ------
    StoreError, UnsupportedError, MetadataError
        As for `VoxelsAccessor`.
    """
    return VoxelsAccessor(connection, uuid, data_name).voxels_metadata


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
