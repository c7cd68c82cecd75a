"""Version: one state of a DVID repository, and what can be made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from numpy.typing import DTypeLike

from pyvolume.caching.cache import BlockCache
from pyvolume.dvid.documents import DIMS
from pyvolume.dvid.instances import Instance, as_missing_key, check_free
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.options import Compression
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.versions import changes, losses
from pyvolume.dvid.versions.graph import Graph, Node, Uuid
from pyvolume.dvid.versions.lookup import find, read_info, resolve, within
from pyvolume.errors import NotFoundError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.locking import NamedLock
from pyvolume.transport.connection import Connection

if TYPE_CHECKING:
    from pyvolume.dvid.labels.accessor import LabelVolume
    from pyvolume.dvid.voxels.accessor import VoxelsAccessor

__all__ = ["Version", "find_version"]


class Version:
    """One version of a repository.

    `Repo.version`, `Repo.versions` and ``volume.version`` return handles of this class. A handle stays with its version
    when the branch gets a newer one. Its properties never change and cost no request; `info` returns what can change,
    with one request. Two handles are equal if they name the same version of the same server.

    ``version["gray"]`` opens a volume for reading and writing, ``"gray" in version`` asks for it, and ``for name in
    version`` gives the names of all volumes.

    Parameters
    ----------
    connection : Connection
        To the server.
    graph : Graph
        The versions of the repository, as they were seen last.
    uuid : Uuid
        The full uuid of this version.
    follows : str
        A name for versions that is looked up again for each operation, such as ``"ab:dev"``: the handle
        follows the branch, and is equal only to handles that follow the same name. Each of its properties is a request.
    """

    def __init__(self, connection: Connection, graph: Graph, uuid: Uuid, *, follows: str = "") -> None:
        self.connection = connection
        self._graph = graph
        self._uuid = uuid
        self._follows = follows

    def __repr__(self) -> str:
        seen = self._graph.node(self._uuid)
        state = "committed" if seen.locked else "open"
        follows = f", follows {self._follows!r}" if self._follows else ""
        return f"<Version {seen.uuid[:8]} on {seen.branch}, {state}{follows}, {self.connection.url}>"

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str]:
        return self.connection.url, f"follows {self._follows}" if self._follows else self._uuid

    @property
    def uuid(self) -> Uuid:
        """The full uuid."""
        return self._known().uuid

    @property
    def created(self) -> datetime:
        """When it was made, by the clock of the server."""
        return self._known().created

    @property
    def parents(self) -> tuple[Version, ...]:
        """The versions that it was made from; none for the first one, several for a merge."""
        return tuple(map(self._other, self._known().parents))

    def info(self) -> Node:
        """Return what the server says of the version now: branch, note, log, whether it is committed; one request."""
        self._look()
        return self._graph.node(self._uuid)

    def children(self) -> tuple[Version, ...]:
        """Return the versions that were made from it, tags included; one request."""
        return tuple(map(self._other, self.info().children))

    def ancestors(self) -> Iterator[Version]:
        """Iterate over all ancestors, the newest first; no request, because they never change."""
        return map(self._other, self._graph.ancestors(self._known().uuid))

    def commit(self, note: str = "", log: Sequence[str] = ()) -> None:
        """Lock the version for ever. Only a committed version can have children.

        Parameters
        ----------
        note : str
            If given, it replaces the note of the version.
        log : sequence of str
            Lines to append to its log.

        Raises
        ------
        LockedError
            If the version is committed already.
        TransportError
            If no answer arrived, and the version was open when looked at afterwards.
        """
        changes.commit(self.connection, self.uuid, note, log)
        self._look()

    def new_version(self, note: str = "") -> Version:
        """Make the next version on the same branch.

        Parameters
        ----------
        note : str
            The note of the new version.

        Raises
        ------
        RefusedError
            If this version is not committed.
        ExistsError
            If the branch has a next version already; `branch` makes one on another branch.
        TransportError
            If no answer arrived, and the new version was not there when looked for afterwards.
        """
        return find_version(self.connection, changes.new_version(self.connection, self.uuid, note))

    def branch(self, name: str, note: str = "") -> Version:
        """Make the first version of a new branch.

        Parameters
        ----------
        name : str
            The name of the branch, new in this repository; without spaces, slashes and ``?#%:~``.
        note : str
            The note of the new version.

        Raises
        ------
        MetadataError
            For a name that could not be looked up.
        ExistsError
            If the repository has a branch of this name.
        RefusedError
            If this version is not committed.
        TransportError
            As for `new_version`.
        """
        return find_version(self.connection, changes.branch(self.connection, self.uuid, name, note))

    def tag(self, name: str, note: str = "") -> Version:
        """Give the version a name that is valid on the whole server.

        DVID stores a tag as a committed child on a branch ``tag-NAME``. The uuid of the child is the name. DVID
        replaces `note` by a text of its own.

        Parameters
        ----------
        name : str
            The tag, without spaces, slashes and ``?#%:~``. No uuid and no other tag on the server may begin with it,
            and it must not begin with another tag. A name of digits and letters up to f may be the beginning of a uuid
            that is made later.
        note : str
            The note of the child, which DVID replaces.

        Raises
        ------
        MetadataError
            For a name that could not be looked up.
        ExistsError
            If the name is taken, or begins another one.
        RefusedError
            If this version is not committed.
        TransportError
            As for `new_version`.
        """
        return find_version(self.connection, changes.tag(self.connection, self.uuid, name, note))

    def merge(self, others: Sequence[Version | str] | Version | str, note: str = "") -> Version:
        """Make a child of several versions that have changed different blocks and keys.

        **Blocks and keys that several parents have written are lost in the child**, although the server calls the merge
        free of conflicts. The child reads 0 in these blocks and misses these keys, also if all parents have written the
        same. The parents keep everything. `lost_blocks` and `lost_keys` of the child find the losses; the child is
        open, so that they can be written again. The child has the spans of a region of all parents.

        The server puts the child on the branch master.

        Parameters
        ----------
        others : sequence of Version or str
            The other parents, from the same repository: handles, or names such as ``":dev"``.
        note : str
            The note of the child.

        Raises
        ------
        RefusedError
            If a parent is not committed; nothing is changed on the server.
        NotFoundError
            If a parent belongs to another repository.
        TransportError
            As for `new_version`.
        """
        own = self.uuid
        action = f"merge {own[:8]}"
        listed = [others] if isinstance(others, Version | str) else arguments.each_of(others, action, "versions")
        uuids = [
            other.uuid if isinstance(other, Version) else resolve(self.connection, within(own, other), near=own)
            for other in listed
        ]
        return find_version(self.connection, changes.merge(self.connection, [own, *uuids], note))

    def set_note(self, note: str) -> None:
        """Replace the note.

        Raises
        ------
        LockedError
            If the version is committed.
        """
        changes.set_note(self.connection, self.uuid, note)

    def add_log(self, lines: Sequence[str]) -> None:
        """Append lines to the log.

        Raises
        ------
        LockedError
            If the version is committed.
        TransportError
            If no answer arrived, and the lines were not there when looked for afterwards.
        """
        changes.add_log(self.connection, self.uuid, lines)

    def volume(
        self,
        name: str,
        mode: Literal["r", "r+"] = "r+",
        *,
        throttle: bool = False,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
    ) -> VoxelsAccessor:
        """Open a volume in this version.

        Parameters
        ----------
        name : str
            The name of the instance.
        mode : "r" or "r+"
            Read only, or read and write.
        throttle, partial_blocks, casting, lock, lock_aligned, cache
            As for `VoxelsAccessor`.

        Returns
        -------
        VoxelsAccessor
            A `LabelVolume` if the instance holds labels, see `labels`.

        Raises
        ------
        NotFoundError, UnsupportedError, StoreError
            As for `VoxelsAccessor`.
        """
        from pyvolume.dvid.voxels.accessor import VoxelsAccessor  # the module of volumes imports this one

        return VoxelsAccessor(
            self.connection,
            self.uuid,
            name,
            throttle=throttle,
            partial_blocks=partial_blocks,
            casting=casting,
            lock=lock,
            lock_aligned=lock_aligned,
            cache=cache,
            mode=mode,
        )

    def labels(
        self,
        name: str,
        mode: Literal["r", "r+"] = "r+",
        *,
        compression: Compression = "auto",
        ingest: bool = False,
        throttle: bool = False,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
    ) -> LabelVolume:
        """Open a volume of labels in this version.

        Parameters
        ----------
        name, mode
            As for `volume`.
        compression, ingest
            As for `LabelVolume`.
        throttle, partial_blocks, casting, lock, lock_aligned, cache
            As for `VoxelsAccessor`.

        Raises
        ------
        UnsupportedError
            If the instance holds no labels.
        NotFoundError, StoreError
            As for `VoxelsAccessor`.
        """
        from pyvolume.dvid.labels.accessor import LabelVolume  # the module of volumes imports this one

        return LabelVolume(
            self.connection,
            self.uuid,
            name,
            throttle=throttle,
            partial_blocks=partial_blocks,
            casting=casting,
            lock=lock,
            lock_aligned=lock_aligned,
            cache=cache,
            compression=compression,
            ingest=ingest,
            mode=mode,
        )

    def __getitem__(self, name: str) -> VoxelsAccessor:
        """Open a volume for reading and writing, see `volume`.

        Raises
        ------
        KeyNotFoundError
            If there is no instance of this name.
        """
        try:
            return self.volume(name)
        except NotFoundError as error:
            raise as_missing_key(error) from None

    def __contains__(self, name: object) -> bool:
        return name in self.volumes()

    def __iter__(self) -> Iterator[str]:
        return iter(self.volumes())

    @property
    def volume_dims(self) -> tuple[str, ...]:
        """The axes of volumes of DVID, which are channel, x, y and z."""
        return DIMS

    def create_described(
        self,
        name: str,
        metadata: VoxelsMetadata,
        block_shape: Sequence[int] | None = None,
        *,
        typename: str | None = None,
        levels: int = 1,
    ) -> VoxelsAccessor:
        """Create the volume that metadata describe, and open it in this version.

        Parameters
        ----------
        name, metadata, block_shape
            As for `Repo.create_described`.
        typename, levels : optional
            See `pyvolume.dvid.voxels.create_new`.

        Raises
        ------
        LockedError
            If this version is committed.
        ExistsError, UnsupportedError, MetadataError, SelectionError, RefusedError, TransportError
            As for `Repo.create_described`.
        """
        from pyvolume.dvid.voxels import creation  # a volume knows its version, and imports this module

        instance = Instance(self.connection, self.uuid, name)
        check_free(instance)
        return creation.create_described(instance, metadata, block_shape, typename, levels)

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
        """Open a volume that agrees with the arguments in this version; create it if there is none.

        Parameters
        ----------
        name, shape, dtype, channels, block_shape, resolution, units, compression, versioned, tags
            As for `Repo.require_volume`.

        Raises
        ------
        LockedError
            If it must be created, and this version is committed.
        ExistsError, UnsupportedError, StoreError
            As for `Repo.require_volume`.
        """
        from pyvolume.dvid.voxels import requiring  # a volume knows its version, and imports this module

        instance = Instance(self.connection, self.uuid, name)
        return requiring.require(
            instance,
            shape,
            dtype,
            exists=name in read_info(self.connection, instance.uuid, f"require {name}").instances,
            channels=channels,
            block_shape=block_shape,
            resolution=resolution,
            units=units,
            compression=compression,
            versioned=versioned,
            tags=tags,
        )

    def volumes(self) -> list[str]:
        """Return the names of the instances with voxels; every version of a repository sees all of them."""
        return read_info(self.connection, self.uuid, "list volumes").volumes

    def roi(self, name: str) -> Roi:
        """Return a region in this version.

        Raises
        ------
        NotFoundError
            If there is no instance of this name.
        UnsupportedError
            If it is of another type.
        """
        return Roi(self.connection, self.uuid, name)

    def keyvalue(self, name: str) -> KeyValue:
        """Return keys and values in this version.

        Raises
        ------
        NotFoundError
            If there is no instance of this name.
        UnsupportedError
            If it is of another type.
        """
        return KeyValue(self.connection, self.uuid, name)

    def lost_blocks(self, name: str) -> dict[Version, list[Box]]:
        """Find the blocks of a volume that this merge has lost, because several of its parents had written them.

        They read as 0 here. DVID does not tell which version has written a block, so the voxels are compared: this
        version with each parent, and each parent with the last common ancestor where that differs. Call it before
        anything is written to this version.

        Parameters
        ----------
        name : str
            The name of the volume.

        Returns
        -------
        dict
            For each parent that has lost something: the boxes of the blocks, from which they can be written again.

        Raises
        ------
        UnsupportedError
            If this version is no merge.
        NotFoundError, StoreError
            As for `volume` and `compare`.
        """
        known = self._known()
        lost = losses.lost_blocks(self._graph, known, lambda uuid: self._other(uuid).volume(name, mode="r"))
        return {self._other(uuid): boxes for uuid, boxes in lost.items()}

    def lost_keys(self, name: str) -> dict[Version, list[str]]:
        """Find the keys of a `KeyValue` that this merge has lost, because several of its parents had written them.

        The keys are listed, and the values of those that are missing here are read.

        Parameters
        ----------
        name : str
            The name of the instance; ``"pyvolume-attrs"`` is the one of attributes.

        Returns
        -------
        dict
            For each parent that has lost something: the keys, sorted.

        Raises
        ------
        UnsupportedError
            If this version is no merge.
        NotFoundError, StoreError
            As for `keyvalue`.
        """
        known = self._known()
        lost = losses.lost_keys(self._graph, known, lambda uuid: self._other(uuid).keyvalue(name))
        return {self._other(uuid): keys for uuid, keys in lost.items()}

    def _known(self) -> Node:
        """Return the version as it was seen last; a handle that follows a branch looks again."""
        if self._follows:
            self._look()
        return self._graph.node(self._uuid)

    def _look(self) -> None:
        if self._follows:
            info, node = find(self.connection, self._follows)
            self._graph, self._uuid = info.graph, node.uuid
        else:
            self._graph = read_info(self.connection, self._uuid).graph

    def _other(self, uuid: Uuid) -> Version:
        return Version(self.connection, self._graph, uuid)


def find_version(connection: Connection, ref: str, *, follow: bool = False) -> Version:
    """Return a version of a server.

    Parameters
    ----------
    connection : Connection
        To the server.
    ref : str
        A name in any form, see `VoxelsAccessor`; it is looked up once.
    follow : bool
        Look it up again for each operation: the handle follows the branch.

    Raises
    ------
    NotFoundError
        If there is no such version.
    AmbiguousError
        If several versions match.
    """
    info, node = find(connection, ref)
    return Version(connection, info.graph, node.uuid, follows=ref if follow else "")
