"""Version: one state of a DVID repository, and what can be made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyvolume.dvid.documents import TYPENAMES
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.versions import changes
from pyvolume.dvid.versions.graph import Graph, Node
from pyvolume.dvid.versions.lookup import resolve, within
from pyvolume.dvid.versions.losses import lost_blocks, lost_keys
from pyvolume.transport.connection import Connection

if TYPE_CHECKING:
    from pyvolume.dvid.voxels.accessor import VoxelsAccessor

__all__ = ["Version", "find_version"]


class Version:
    """One version of a repository.

    `Repo.version`, `Repo.versions` and ``volume.version`` give such handles. A handle stays with its version, whatever
    happens to the branch; what may change (`children`, `note`, `log`, `locked`) is asked for anew each time, and repr
    tells what was seen last. Two handles are equal if they name the same version of the same server.

    Parameters
    ----------
    connection : Connection
    node : Node
        The version as it was seen last.
    follows : str
        A name for versions that is looked up anew for each operation, such as ``"ab:dev"``: the handle moves along with
        the branch, and equals only those that follow the same name.
    """

    def __init__(self, connection: Connection, node: Node, *, follows: str = "") -> None:
        self.connection = connection
        self._uuid = node.uuid
        self._seen = node
        self._follows = follows

    def __repr__(self) -> str:
        seen = self._seen
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
    def uuid(self) -> str:
        """The full uuid."""
        if self._follows:
            self._uuid = resolve(self.connection, self._follows)
        return self._uuid

    @property
    def branch_name(self) -> str:
        """The branch that it is on, ``"master"`` for the one without a name."""
        return self._look()[1].branch

    @property
    def note(self) -> str:
        """What somebody wrote about it, as a rule when committing it."""
        return self._look()[1].note

    @property
    def log(self) -> tuple[str, ...]:
        """The lines of its log; the server puts the time in front of each."""
        return self._look()[1].log

    @property
    def locked(self) -> bool:
        """Whether it is committed: then nobody can write to it any more."""
        return self._look()[1].locked

    @property
    def created(self) -> datetime:
        """When it was made, by the clock of the server."""
        return self._look()[1].created

    @property
    def parents(self) -> tuple[Version, ...]:
        """The versions that it was made from: none for the first one, several for a merge."""
        graph, node = self._look()
        return tuple(self._beside(graph, uuid) for uuid in node.parents)

    @property
    def children(self) -> tuple[Version, ...]:
        """The versions that were made from it, tags among them."""
        graph, node = self._look()
        return tuple(self._beside(graph, uuid) for uuid in node.children)

    def ancestors(self) -> Iterator[Version]:
        """Give every version that this one stems from, the newest first; one request."""
        graph, node = self._look()
        for uuid in graph.ancestors(node.uuid):
            yield self._beside(graph, uuid)

    def commit(self, note: str = "", log: Sequence[str] = ()) -> None:
        """Lock the version for good. Only then can it have children.

        Parameters
        ----------
        note : str
            Replaces the note of the version, if given.
        log : sequence of str
            Appended to its log.

        Raises
        ------
        LockedError
            If it is committed already.
        TransportError
            If no answer arrived, and the version was open when looked at afterwards.
        """
        changes.commit(self.connection, self.uuid, note, log)
        self._look()

    def new_version(self, note: str = "") -> Version:
        """Make the next version on the same branch.

        Raises
        ------
        RefusedError
            If this one is not committed.
        ExistsError
            If there is a next one; `branch` makes one on a branch of its own.
        TransportError
            If no answer arrived, and no such version was there when looked for afterwards.
        """
        return find_version(self.connection, changes.new_version(self.connection, self.uuid, note))

    def branch(self, name: str, note: str = "") -> Version:
        """Make the first version of a new branch.

        Parameters
        ----------
        name : str
            Not in use in this repository; no spaces, slashes or any of ``?#%:~``.
        note : str

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
        """Give the version a name, which any server-wide lookup then understands.

        DVID keeps a tag as a committed child on a branch ``tag-NAME``, whose uuid is the name; it replaces `note` by a
        text of its own.

        Parameters
        ----------
        name : str
            No spaces, slashes or any of ``?#%:~``. No uuid and no other tag on the server may begin with it, nor it
            with another tag; a name of digits and letters up to f may collide with a uuid that is made later.
        note : str

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
        """Make a child of this version and others, which have changed different blocks and keys.

        **What several sides have written is lost in the child**, although the server calls the merge free of conflicts:
        such blocks read as 0 there, such keys are missing, also where all sides have written the same. The parents
        keep everything. `lost_blocks` and `lost_keys` of the child tell, and the child is open, so what is lost can be
        written again. Of a region the child has the spans of all sides.

        The server puts the child on the branch master.

        Parameters
        ----------
        others : sequence of Version or str
            Of the same repository, as handles or in any form, such as ``":dev"``.
        note : str

        Raises
        ------
        RefusedError
            If a parent is not committed; nothing is asked of the server then.
        NotFoundError
            If a parent is of another repository.
        TransportError
            As for `new_version`.
        """
        listed = [others] if isinstance(others, Version | str) else list(others)
        own = self.uuid
        uuids = [
            other.uuid if isinstance(other, Version) else resolve(self.connection, within(own, other))
            for other in listed
        ]
        return find_version(self.connection, changes.merge(self.connection, [own, *uuids], note))

    def write_note(self, note: str) -> None:
        """Replace the note.

        Raises
        ------
        LockedError
            If the version is committed.
        """
        changes.write_note(self.connection, self.uuid, note)

    def write_log(self, lines: Sequence[str]) -> None:
        """Append lines to the log.

        Raises
        ------
        LockedError
            If the version is committed.
        TransportError
            If no answer arrived, and the lines were not there when looked for afterwards.
        """
        changes.write_log(self.connection, self.uuid, lines)

    def volume(self, name: str, **options: Any) -> VoxelsAccessor:
        """Open a volume in this version.

        Parameters
        ----------
        name : str
            Of the instance.
        **options
            `mode`, `throttle`, `partial_blocks` and `casting`, see `VoxelsAccessor`.

        Raises
        ------
        NotFoundError, UnsupportedError, StoreError
            As for `VoxelsAccessor`.
        """
        from pyvolume.dvid.voxels.accessor import VoxelsAccessor  # it imports this module

        return VoxelsAccessor(self.connection, self.uuid, name, **options)

    def volumes(self) -> list[str]:
        """Return the names of the instances with voxels; every version of a repository sees all of them."""
        instances = changes.read_repo(self.connection, self.uuid, "list volumes")["DataInstances"]
        return sorted(name for name, each in instances.items() if each["Base"]["TypeName"] in TYPENAMES.values())

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

    # methods that are written beside their subject
    lost_blocks = lost_blocks
    lost_keys = lost_keys

    def _look(self) -> tuple[Graph, Node]:
        graph = changes.read_graph(self.connection, self.uuid)
        self._seen = graph.node(self._uuid)
        return graph, self._seen

    def _beside(self, graph: Graph, uuid: str) -> Version:
        return Version(self.connection, graph.node(uuid))


def find_version(connection: Connection, ref: str, *, follow: bool = False) -> Version:
    """Return a version of a server.

    Parameters
    ----------
    connection : Connection
    ref : str
        In any form, see `VoxelsAccessor`; it is looked up once.
    follow : bool
        Look it up anew for each operation, on purpose: the handle moves along with the branch.

    Raises
    ------
    NotFoundError
        If there is no such version.
    AmbiguousError
        If several are called so.
    """
    uuid = resolve(connection, ref)
    return Version(connection, changes.read_graph(connection, uuid).node(uuid), follows=ref if follow else "")
