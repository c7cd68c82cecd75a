"""Repo: a DVID repository, its versions, and the volumes in it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from numpy.typing import ArrayLike, DTypeLike

from pyvolume.dvid.address import check_name
from pyvolume.dvid.documents import DIMS, LABEL_TYPES
from pyvolume.dvid.instances import Instance, taken
from pyvolume.dvid.keyvalue import mapping
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.labels.accessor import LabelVolume
from pyvolume.dvid.roi import region
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.version import Version
from pyvolume.dvid.versions import changes
from pyvolume.dvid.versions.graph import MASTER, Graph, RepoInfo, Uuid
from pyvolume.dvid.versions.lookup import find, read_info, within
from pyvolume.dvid.voxels import creation, requiring
from pyvolume.dvid.voxels.accessor import VoxelsAccessor
from pyvolume.errors import LockedError, NotFoundError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transport.connection import Connection

__all__ = ["Repo"]


class Repo:
    """A repository: a graph of versions, and instances that all versions share.

    ``repo["gray"]`` opens a volume for reading and writing where `create_volume` would create it: at the end of master,
    or in another open version if that is committed. ``"gray" in repo`` asks for a volume, and ``for name in repo``
    gives the names of all volumes.

    `info` returns everything that the server says of the repository, with one request. There is no method that deletes:
    DVID deletes on the machine of the server only, with ``dvid repos delete UUID`` and ``dvid repo UUID delete NAME``.

    Parameters
    ----------
    connection : Connection
        To the server.
    root_uuid : Uuid
        The full uuid of the first version.
    alias : str
        The name of the repository, as it was seen last.
    """

    def __init__(self, connection: Connection, root_uuid: Uuid, alias: str) -> None:
        self.connection = connection
        self._root_uuid = root_uuid
        self._seen_alias = alias

    def __repr__(self) -> str:
        return f"<Repo {self._seen_alias!r} {self.root_uuid[:8]}, {self.connection.url}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Repo):
            return NotImplemented
        return (self.connection.url, self.root_uuid) == (other.connection.url, other.root_uuid)

    def __hash__(self) -> int:
        return hash((self.connection.url, self.root_uuid))

    @property
    def root_uuid(self) -> Uuid:
        """The full uuid of the first version; it identifies the repository."""
        return self._root_uuid

    @functools.cached_property
    def root(self) -> Version:
        """The first version; one request, the first time."""
        return Version(self.connection, self.info().graph, self.root_uuid)

    def info(self) -> RepoInfo:
        """Return alias, description, times, log, instances and versions; one request."""
        info = read_info(self.connection, self.root_uuid, f"look at repository {self.root_uuid[:8]}")
        self._seen_alias = info.alias
        return info

    def versions(self) -> dict[str, Version]:
        """Return all versions by their full uuid, in the order in which they were made; one request."""
        graph = self.info().graph
        return {node.uuid: Version(self.connection, graph, node.uuid) for node in graph.nodes.values()}

    def branches(self) -> dict[str, Version]:
        """Return the version at the end of each branch; one request.

        Where merges have left a branch with several ends, it is the newest of them.
        """
        graph = self.info().graph
        return {name: Version(self.connection, graph, uuid) for name, uuid in graph.branches.items()}

    def version(self, ref: str = ":master", *, follow: bool = False) -> Version:
        """Return a version of this repository; one request.

        Parameters
        ----------
        ref : str
            A full uuid, a prefix of one, a tag, the end of a branch as ``":dev"``, or ``":dev~1"`` for the version
            before it. It is looked up once.
        follow : bool
            Look it up again for each operation: the handle follows the branch.

        Raises
        ------
        NotFoundError
            If this repository has no such version.
        AmbiguousError
            If several versions of the server match.
        """
        name = within(self.root_uuid, ref)
        info, node = find(self.connection, name, near=self.root_uuid)
        if info.graph.root != self.root_uuid:
            action = f"find version {ref!r}"
            raise NotFoundError(f"{action}: it belongs to another repository than {self.root_uuid[:8]}", action=action)
        return Version(self.connection, info.graph, node.uuid, follows=name if follow else "")

    def __getitem__(self, name: str) -> VoxelsAccessor:
        """Open a volume for reading and writing, see `Version.volume`.

        Raises
        ------
        KeyNotFoundError
            If there is no instance of this name.
        """
        graph = self.info().graph
        return Version(self.connection, graph, self._end(graph))[name]

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self.info().volumes)

    def create_volume(
        self,
        name: str,
        shape: Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
        *,
        data: ArrayLike | None = None,
        channels: int = 1,
        block_shape: Sequence[int] = creation.BLOCK_SHAPE,
        resolution: float | Sequence[float] = 1.0,
        units: str | Sequence[str] = "",
        compression: str | None = None,
        versioned: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> VoxelsAccessor:
        """Create an instance for voxels, and open it in an open version: the end of master, if that is open.

        Parameters
        ----------
        name : str
            The name of the new instance.
        shape : sequence of int, optional
            (x, y, z) in voxels, which the volume keeps; it can only grow. By default the shape of `data`. Without
            both the volume is empty, and grows.
        dtype : dtype-like, optional
            The type of a voxel; by default the type of `data`.
        data : array-like of the axes (x, y, z) or (c, x, y, z), optional
            Written at 0. The volume gets as many channels. If the write fails, the volume stays.
        channels : int
            The number of values in a voxel; DVID has several for uint8 only, namely 4.
        block_shape : sequence of int
            Shape of the blocks on the server (x, y, z).
        resolution, units
            One value for all three axes, or three values.
        compression, versioned, tags : optional
            See `pyvolume.dvid.voxels.create_new`.

        Raises
        ------
        LockedError
            If every version is committed.
        ExistsError
            If the repository has an instance of this name.
        VoxelsMismatchError
            If `data` does not fit `dtype`; no request is made.
        UnsupportedError, MetadataError, SelectionError, RefusedError, TransportError
            As for `pyvolume.dvid.voxels.create_new`.
        """
        voxels = None if data is None else creation.voxels_of(name, data, shape, dtype)
        if voxels is not None:
            (channels, *shape), dtype = voxels.shape, voxels.dtype
        metadata = creation.described(name, shape, dtype, channels=channels, resolution=resolution, units=units)
        volume = creation.create(
            self._new_instance(name),
            metadata,
            block_shape=block_shape,
            compression=compression,
            versioned=versioned,
            tags=tags,
        )
        if voxels is not None and voxels.size:
            volume[...] = voxels
        return volume

    def create_labels(
        self,
        name: str,
        shape: Sequence[int] | None = None,
        *,
        data: ArrayLike | None = None,
        levels: int = 1,
        block_shape: Sequence[int] = creation.BLOCK_SHAPE,
        resolution: float | Sequence[float] = 1.0,
        units: str | Sequence[str] = "",
        versioned: bool = True,
        tags: Mapping[str, str] | None = None,
        typename: str = "labelmap",
    ) -> LabelVolume:
        """Create an instance for labels, and open it as `create_volume` does. Its voxels are uint64.

        Parameters
        ----------
        name, shape : optional
            As for `create_volume`.
        data : array-like of the axes (x, y, z) or (1, x, y, z), optional
            Unsigned integers that are written at 0.
        levels : int
            How many resolution levels the server keeps, the finest one included.
        block_shape, resolution, units, versioned, tags : optional
            As for `create_volume`; sides of blocks are multiples of 16.
        typename : "labelmap", "labelarray" or "labelblk"
            The type of the instance; the older two can do less, see `LabelVolume`.

        Raises
        ------
        LockedError, ExistsError, VoxelsMismatchError, UnsupportedError, MetadataError, SelectionError, RefusedError
            As for `create_volume`.
        """
        arguments.one_of(typename, LABEL_TYPES, f"create {name}", "typename")
        voxels = None if data is None else creation.voxels_of(name, data, shape, "uint64")
        size = shape if voxels is None else voxels.shape[1:]
        channels = 1 if voxels is None else voxels.shape[0]
        metadata = creation.described(name, size, "uint64", channels=channels, resolution=resolution, units=units)
        volume = creation.create(
            self._new_instance(name), metadata, block_shape=block_shape, compression=None, versioned=versioned,
            tags=tags, typename=typename, levels=levels,
        )  # fmt: skip
        if voxels is not None and voxels.size:
            volume[...] = voxels
        return cast("LabelVolume", volume)

    @property
    def volume_dims(self) -> tuple[str, ...]:
        """The axes of volumes of DVID, which are channel, x, y and z."""
        return DIMS

    def create_described(
        self, name: str, metadata: VoxelsMetadata, block_shape: Sequence[int] | None = None
    ) -> VoxelsAccessor:
        """Create the volume that metadata describe, and open it, as `create_volume` does.

        Parameters
        ----------
        name : str
            The name of the new instance.
        metadata : pyvolume.VoxelsMetadata
            Of axes c, x, y and z; the volume keeps the shape.
        block_shape : sequence of int, optional
            As for `create_volume`.

        Raises
        ------
        LockedError, ExistsError, UnsupportedError, MetadataError, SelectionError, RefusedError, TransportError
            As for `create_volume`.
        """
        return creation.create_described(self._new_instance(name), metadata, block_shape)

    def require_volume(
        self,
        name: str,
        shape: Sequence[int] | None,
        dtype: DTypeLike,
        *,
        channels: int = 1,
        block_shape: Sequence[int] | None = None,
        resolution: float | Sequence[float] | None = None,
        units: str | Sequence[str] | None = None,
        compression: str | None = None,
        versioned: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> VoxelsAccessor:
        """Open a volume that agrees with the arguments, as ``repo[name]`` does; create it if there is none.

        Several processes may call it at the same moment: one creates the volume, all open it.

        Parameters
        ----------
        name : str
            The name of the instance.
        shape : sequence of int, or None
            (x, y, z) in voxels, from 0 on. None agrees with any shape.
        dtype : dtype-like
            The type of a voxel.
        channels : int
            The number of values in a voxel.
        block_shape, resolution, units : optional
            As for `create_volume`. What is not given agrees with anything.
        compression, versioned, tags : optional
            Of a volume that is created, see `create_volume`.

        Raises
        ------
        ExistsError
            If the volume has another shape, dtype, number of channels, block shape, resolution or unit.
        UnsupportedError
            If the instance is no volume.
        LockedError
            If it must be created, and every version is committed.
        StoreError
            As for `create_volume`.
        """
        info = self.info()
        exists = arguments.text(name, "require a volume", "a name") in info.instances
        uuid = self._end(info.graph) if exists else self._new_instance(name, info).uuid
        return requiring.require(
            Instance(self.connection, uuid, name),
            shape,
            dtype,
            exists=exists,
            channels=channels,
            block_shape=block_shape,
            resolution=resolution,
            units=units,
            compression=compression,
            versioned=versioned,
            tags=tags,
        )

    def rename(self, alias: str) -> None:
        """Replace the alias; several repositories may have the same one."""
        changes.describe_repo(self.connection, self.root_uuid, {"alias": alias})
        self._seen_alias = alias

    def set_description(self, description: str) -> None:
        """Replace the description."""
        changes.describe_repo(self.connection, self.root_uuid, {"description": description})

    def add_log(self, lines: Sequence[str]) -> None:
        """Append lines to the log of the repository; each version has a log of its own too.

        Raises
        ------
        TransportError
            If no answer arrived, and the lines were not there when looked for afterwards.
        """
        changes.add_repo_log(self.connection, self.root_uuid, lines)

    def create_roi(self, name: str, *, block_shape: Sequence[int] = (64, 64, 64)) -> Roi:
        """Create a region, which is empty, and return it in an open version, as `create_volume` does.

        Parameters
        ----------
        name : str
            The name of the new instance.
        block_shape : sequence of int
            Shape of its blocks in voxels (x, y, z); the volumes that it masks must have the same one.

        Raises
        ------
        LockedError, ExistsError, MetadataError, TransportError
            As for `pyvolume.dvid.roi.create_new`.
        """
        return region.create(self._new_instance(name), block_shape)

    def create_keyvalue(self, name: str, *, versioned: bool = True) -> KeyValue:
        """Create an instance for keys and values, and return it in an open version, as `create_volume` does.

        Parameters
        ----------
        name : str
            The name of the new instance.
        versioned : bool
            Keep the values of each version. Otherwise all versions share them, and committed ones can be written too.

        Raises
        ------
        LockedError, ExistsError, MetadataError, TransportError
            As for `pyvolume.dvid.keyvalue.create_new`.
        """
        return mapping.create(self._new_instance(name), versioned=versioned)

    def _end(self, graph: Graph) -> Uuid:
        """Return the version in which ``repo[name]`` opens a volume."""
        return _open_end(graph) or graph.branches.get(MASTER, self.root_uuid)

    def _new_instance(self, name: str, info: RepoInfo | None = None) -> Instance:
        """Return an instance to create, in an open version: the end of master, if that is open."""
        check_name(name)
        info = info or self.info()
        if name in info.instances:
            raise taken(name)
        uuid = _open_end(info.graph)
        if uuid is not None:
            return Instance(self.connection, uuid, name)
        action = f"create {name}"
        raise LockedError(
            f"{action}: every version of {self.root_uuid[:8]} is committed; make one with version().new_version()",
            action=action,
            version=self.root_uuid,
        )


def _open_end(graph: Graph) -> Uuid | None:
    """Return the end of master if it is open, or else the end of another branch that is; None if there is none."""
    ends = graph.branches
    ordered = (*(ends[branch] for branch in (MASTER,) if branch in ends), *ends.values())
    return next((uuid for uuid in ordered if not graph.node(uuid).locked), None)
