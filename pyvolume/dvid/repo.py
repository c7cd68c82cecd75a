"""Repo: a DVID repository, its versions, and the volumes in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from numpy.typing import DTypeLike

from pyvolume.dvid import keyvalue, roi
from pyvolume.dvid.documents import moment
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.version import Version, find_version
from pyvolume.dvid.versions import changes
from pyvolume.dvid.versions.graph import Graph
from pyvolume.dvid.versions.lookup import within
from pyvolume.dvid.voxels import settings
from pyvolume.dvid.voxels.accessor import VoxelsAccessor, create_new
from pyvolume.errors import LockedError, MetadataError, NotFoundError, UnsupportedError
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transport.connection import Connection

__all__ = ["Repo"]


class Repo:
    """A repository: a graph of versions, and instances that all of them share.

    What a handle is asked, it asks the server: each property is one request.

    Parameters
    ----------
    connection : Connection
    document : mapping
        What the server said of it last, checked.
    """

    def __init__(self, connection: Connection, document: Mapping[str, Any]) -> None:
        self.connection = connection
        self.uuid: str = document["Root"]
        self._seen_alias: str = document["Alias"]

    def __repr__(self) -> str:
        return f"<Repo {self._seen_alias!r} {self.uuid[:8]}, {self.connection.url}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Repo):
            return NotImplemented
        return (self.connection.url, self.uuid) == (other.connection.url, other.uuid)

    def __hash__(self) -> int:
        return hash((self.connection.url, self.uuid))

    @property
    def alias(self) -> str:
        """The name that it was given."""
        return str(self._read()["Alias"])

    @property
    def description(self) -> str:
        """What it is said to be."""
        return str(self._read()["Description"])

    @property
    def created(self) -> datetime:
        """When it was made, by the clock of the server."""
        return moment(self._read()["Created"])

    @property
    def updated(self) -> datetime:
        """When its documents changed last; writing voxels does not count."""
        return moment(self._read()["Updated"])

    @property
    def log(self) -> tuple[str, ...]:
        """The lines of its log, such as one for each instance; the time stands in front of each."""
        return tuple(self._read()["Log"] or ())

    @property
    def instances(self) -> dict[str, str]:
        """The type of each instance, by its name."""
        return {name: each["Base"]["TypeName"] for name, each in sorted(self._read()["DataInstances"].items())}

    @property
    def dag(self) -> Graph:
        """The graph of versions, as a value."""
        return Graph.of(self._read())

    @property
    def versions(self) -> dict[str, Version]:
        """All versions by their full uuid, in the order in which they were made."""
        return {uuid: Version(self.connection, node) for uuid, node in self.dag.nodes.items()}

    @property
    def branches(self) -> dict[str, Version]:
        """The version at the end of each branch; the newest where merges have left several ends."""
        dag = self.dag
        return {name: Version(self.connection, dag.node(uuid)) for name, uuid in dag.branches.items()}

    @property
    def root(self) -> Version:
        """The first version."""
        return Version(self.connection, self.dag.node(self.uuid))

    def version(self, ref: str = ":master", *, follow: bool = False) -> Version:
        """Return a version of this repository.

        Parameters
        ----------
        ref : str
            A full uuid, a prefix of one, a tag, the end of a branch as ``":dev"``, or ``":dev~1"`` for the version
            before it. It is looked up once.
        follow : bool
            Look it up anew for each operation, on purpose: the handle moves along with the branch.

        Raises
        ------
        NotFoundError
            If this repository has no such version.
        AmbiguousError
            If several are called so, on the whole server.
        """
        version = find_version(self.connection, within(self.uuid, ref), follow=follow)
        if version.uuid not in self.dag.nodes:
            action = f"find version {ref!r}"
            raise NotFoundError(f"{action}: it belongs to another repository than {self.uuid[:8]}", action=action)
        return version

    def create_volume(
        self,
        name: str,
        shape: Sequence[int] | None,
        dtype: DTypeLike,
        *,
        channels: int = 1,
        block_shape: Sequence[int] = (64, 64, 64),
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
        shape : sequence of int, or None
            (x, y, z) in voxels, declared as the extents of the volume; None for one that grows from nothing.
        dtype : dtype-like
        channels : int
            Of each voxel; uint8 × 4 is the only one with several.
        block_shape : sequence of int
            Of the blocks on the server (x, y, z).
        resolution, units
            One for all three axes, or three.
        compression, versioned, tags : optional
            See `pyvolume.dvid.voxels.create_new`.

        Raises
        ------
        LockedError
            If every version is committed.
        ExistsError
            If the repository has an instance of this name.
        UnsupportedError, MetadataError, SelectionError, RefusedError, TransportError
            As for `pyvolume.dvid.voxels.create_new`.
        """
        lengths = (0, 0, 0) if shape is None else tuple(shape)
        if len(lengths) != 3:
            raise MetadataError(f"create {name}: shape is (x, y, z), without the channels, not {lengths}")
        metadata = VoxelsMetadata.create_default_metadata((channels, *lengths), dtype, "cxyz", resolution, units)
        uuid = self._open_version(f"create {name}")
        options: dict[str, Any] = {"compression": compression, "versioned": versioned, "tags": tags}
        create_new(self.connection, uuid, name, metadata, block_shape=block_shape, **options)
        return VoxelsAccessor(self.connection, uuid, name)

    def delete(self, name: str | None = None) -> NoReturn:
        """Refuse: DVID deletes instances and repositories on the machine of the server only, not over HTTP.

        Parameters
        ----------
        name : str, optional
            Of an instance; the repository itself if not given.

        Raises
        ------
        UnsupportedError
            It tells the command.
        """
        command = f"dvid repos delete {self.uuid}" if name is None else f"dvid repo {self.uuid} delete {name}"
        raise UnsupportedError(
            f"delete {name or f'repository {self.uuid[:8]}'}: DVID has no HTTP call for it; on the machine of the "
            f"server run '{command}'"
        )

    def rename(self, alias: str) -> None:
        """Replace the alias; several repositories may have the same."""
        settings.describe_repo(self.connection, self.uuid, {"alias": alias})
        self._seen_alias = alias

    def describe(self, description: str) -> None:
        """Replace the description."""
        settings.describe_repo(self.connection, self.uuid, {"description": description})

    def write_log(self, lines: Sequence[str]) -> None:
        """Append lines to the log of the repository; each version has a log of its own too.

        Raises
        ------
        TransportError
            If no answer arrived, and the lines were not there when looked for afterwards.
        """
        settings.write_repo_log(self.connection, self.uuid, lines)

    def create_roi(self, name: str, *, block_shape: Sequence[int] = (64, 64, 64)) -> Roi:
        """Create a region, which is empty, and return it in an open version, as `create_volume` does.

        Parameters
        ----------
        name : str
        block_shape : sequence of int
            In voxels (x, y, z): that of the volumes that it is to mask.

        Raises
        ------
        LockedError, ExistsError, MetadataError, TransportError
            As for `pyvolume.dvid.roi.create_new`.
        """
        uuid = self._open_version(f"create {name}")
        roi.create_new(self.connection, uuid, name, block_shape=block_shape)
        return Roi(self.connection, uuid, name)

    def create_keyvalue(self, name: str, *, versioned: bool = True) -> KeyValue:
        """Create an instance for keys and values, and return it in an open version, as `create_volume` does.

        Parameters
        ----------
        name : str
        versioned : bool
            Keep the values of each version. Otherwise all versions share them, and committed ones can be written too.

        Raises
        ------
        LockedError, ExistsError, MetadataError, TransportError
            As for `pyvolume.dvid.keyvalue.create_new`.
        """
        uuid = self._open_version(f"create {name}")
        keyvalue.create_new(self.connection, uuid, name, versioned=versioned)
        return KeyValue(self.connection, uuid, name)

    def _open_version(self, action: str) -> str:
        dag = self.dag
        ends = dag.branches
        master = [ends["master"]] if "master" in ends else []
        for uuid in (*master, *ends.values()):
            if not dag.node(uuid).locked:
                return uuid
        raise LockedError(
            f"{action}: every version of {self.uuid[:8]} is committed; make one with version().new_version()",
            action=action,
            version=self.uuid,
        )

    def _read(self) -> dict[str, Any]:
        return changes.read_repo(self.connection, self.uuid, f"look at repository {self.uuid[:8]}")
