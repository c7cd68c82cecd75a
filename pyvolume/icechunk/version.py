"""Version: one state of a repository, and what can be made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pyvolume.calls.call import Call
from pyvolume.errors import ExistsError, KeyNotFoundError, LockedError, MetadataError, NotFoundError, RefusedError
from pyvolume.icechunk.checkout import Session, Snapshot, read_at, write_to
from pyvolume.icechunk.graph import Node
from pyvolume.icechunk.repository import Repository
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.zarr.nodes import kinds_in, open_any

if TYPE_CHECKING:
    from pyvolume.icechunk.accessor import IcechunkVolume


class Version:
    """One version of a repository: a snapshot, or an open one, a session whose writes come on top of a snapshot.

    ``repo.version``, ``repo.versions`` and ``volume.version`` return handles of this class. A handle stays with its
    snapshot when the branch gets a newer one. That of an open version becomes one of the new snapshot by `commit`. What
    an open version has and nobody commits is lost when the process ends.

    ``version["gray"]`` opens a volume, ``"gray" in version`` asks for it, and ``for name in version`` gives the names
    of all volumes.

    Parameters
    ----------
    repository : Repository
        What it belongs to.
    uuid : str
        The id of the snapshot.
    session : Session, optional
        Of an open version.
    """

    def __init__(self, repository: Repository, uuid: str, session: Session | None = None) -> None:
        self.repository = repository
        self._uuid = uuid
        self._session = session

    def __repr__(self) -> str:
        state = f"open on {self._session.branch}" if self._session else "committed"
        return f"<Version {self._uuid}, {state}, {self.repository.opening.address.url}>"

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str, int]:
        return self.repository.opening.address.root, self._uuid, id(self._session) if self._session else 0

    @property
    def uuid(self) -> str:
        """The id of the snapshot; of an open version, that of the one before it."""
        return self._uuid

    @property
    def is_open(self) -> bool:
        """Whether it is written to, and not committed."""
        return self._session is not None

    @property
    def created(self) -> datetime:
        """When the snapshot was made; one request, or more."""
        return self.info().created

    @property
    def parents(self) -> tuple[Version, ...]:
        """The version that it was made from; none for the first one."""
        return (
            (Version(self.repository, self._uuid),) if self._session else tuple(map(self._other, self.info().parents))
        )

    def info(self) -> Node:
        """Return branch, note, log, time and metadata of the snapshot; all snapshots are read."""
        return self.repository.graph(self._call(), f"look at version {self._uuid}").node(self._uuid)

    def children(self) -> tuple[Version, ...]:
        """Return the versions that were made from it; all snapshots are read."""
        return tuple(map(self._other, self.info().children))

    def ancestors(self) -> Iterator[Version]:
        """Iterate over all versions before it, the newest first; all snapshots are read."""
        graph = self.repository.graph(self._call())
        own = [self._uuid] if self._session else []
        return map(self._other, [*own, *graph.ancestors(self._uuid)])

    def commit(self, note: str = "", log: Sequence[str] = ()) -> None:
        """Make the writes of an open version visible, as a new snapshot at the end of its branch.

        Afterwards the handle is one of this snapshot. The volumes of the version stay open for more writes, which come
        on top of it.

        Parameters
        ----------
        note : str
            The note of the snapshot; without it that with which the version was made.
        log : sequence of str
            Lines to keep with it.

        Raises
        ------
        LockedError
            If the version is committed already.
        ConflictError
            If somebody else has committed the same chunks since; everything stays as it is.
        StoreError, OSError
            If the repository could not be changed.
        """
        session = self._open(f"commit {self._uuid}")
        session.log += _lines(log, "commit")
        self._uuid, self._session = session.commit(note, self._call()), None

    def discard(self) -> None:
        """Forget what an open version has written since its last commit.

        Raises
        ------
        LockedError
            If the version is committed already.
        """
        self._open(f"discard {self._uuid}").discard()

    def set_note(self, note: str) -> None:
        """Set the note that an open version will be committed with.

        Raises
        ------
        LockedError
            If the version is committed already.
        """
        self._open(f"set the note of {self._uuid}").note = arguments.text(note, "set a note", "a text")

    def add_log(self, lines: Sequence[str]) -> None:
        """Append lines to the log that an open version will be committed with.

        Raises
        ------
        LockedError
            If the version is committed already.
        """
        self._open(f"add to the log of {self._uuid}").log += _lines(lines, "add to a log")

    def new_version(self, note: str = "") -> Version:
        """Open the next version of the branch that ends here. Nothing is stored before it is committed.

        Parameters
        ----------
        note : str
            The note that it will be committed with.

        Raises
        ------
        RefusedError
            If this version is open and has changes.
        ExistsError
            If no branch ends here: it has a next version already; `branch` makes one on another branch.
        """
        action = f"make a new version of {self._uuid}"
        self._check_committed(action)
        call = self._call()
        graph = self.repository.graph(call, action)
        own = graph.node(self._uuid).branch
        ends = [name for name, uuid in graph.branches.items() if uuid == self._uuid]
        if not ends:
            raise ExistsError(
                f"{action}: the version has a child on its branch already; branch(name) makes one on another branch",
                action=action,
                url=self.repository.root,
            )
        session = write_to(self.repository, own if own in ends else ends[0], call, note, action)
        if session.uuid != self._uuid:
            raise ExistsError(f"{action}: somebody else has just made one", action=action, url=self.repository.root)
        return Version(self.repository, self._uuid, session)

    def branch(self, name: str, note: str = "") -> Version:
        """Make a branch that goes on from here, and open its first version.

        Parameters
        ----------
        name : str
            The name of the branch, new in this repository; without spaces, slashes and ``?#%:~``.
        note : str
            The note that the version will be committed with.

        Raises
        ------
        MetadataError
            For a name that could not be looked up.
        ExistsError
            If the repository has a branch of this name.
        RefusedError
            If this version is open and has changes.
        """
        action = f"make the branch {name!r} at {self._uuid}"
        self._check_committed(action)
        check_word(action, name)
        call = self._call()
        self.repository.make_branch(name, self._uuid, call, action)
        return Version(self.repository, self._uuid, write_to(self.repository, name, call, note, action))

    def tag(self, name: str, note: str = "") -> Version:  # noqa: ARG002 - as on DVID
        """Give the version a name, which stays with it for ever.

        Parameters
        ----------
        name : str
            The name, new in this repository; without spaces, slashes and ``?#%:~``. It is never free again.
        note : str
            Icechunk keeps no note of a tag.

        Raises
        ------
        MetadataError
            For a name that could not be looked up.
        ExistsError
            If the repository has, or had, a tag of this name.
        RefusedError
            If this version is open and has changes.
        """
        action = f"tag {self._uuid} as {name!r}"
        self._check_committed(action)
        check_word(action, name)
        self.repository.make_tag(name, self._uuid, self._call(), action)
        return Version(self.repository, self._uuid)

    def volume(self, name: str, mode: Literal["r", "r+"] | None = None, **options: Any) -> IcechunkVolume:
        """Open a volume in this version.

        Parameters
        ----------
        name : str
            Its path.
        mode : "r" or "r+", optional
            By default an open version is written, and a committed one is only read. ``"r"`` reads what is committed.
        **options
            Of `pyvolume.Volume`.

        Raises
        ------
        LockedError
            For ``"r+"`` of a committed version.
        NotFoundError, UnsupportedError, MetadataError, StoreError
            As for `pyvolume.open`.
        """
        from pyvolume.icechunk.accessor import volume_in  # a volume knows its version, and imports this module

        action = f"open {name}"
        path = arguments.text(name, action, "a path")
        wanted = mode or ("r+" if self._session else "r")
        arguments.one_of(wanted, ("r", "r+"), action, "mode")
        checkout = self._open(action) if wanted == "r+" else self._snapshot()
        return volume_in(checkout, path.strip("/"), **options)

    def __getitem__(self, name: str) -> IcechunkVolume:
        """Open a volume, see `volume`.

        Raises
        ------
        KeyNotFoundError
            If there is no volume of this name.
        """
        try:
            return self.volume(name)
        except NotFoundError as error:
            raise KeyNotFoundError(str(error), action=error.action) from None

    def __contains__(self, name: object) -> bool:
        return name in self.volumes()

    def __iter__(self) -> Iterator[str]:
        return iter(self.volumes())

    def volumes(self) -> list[str]:
        """Return the paths of the arrays, images and groups at the root of the version."""
        return list(self.kinds())

    def kinds(self) -> dict[str, str]:
        """Return what is at the root of the version, and what it is."""
        checkout, call = self._session or self._snapshot(), self._call()
        try:
            root = open_any(checkout.client, "", "r", call)
        except NotFoundError:  # nothing was ever written
            return {}
        return kinds_in(checkout.client, root, call)

    @property
    def volume_dims(self) -> tuple[str, ...]:
        """The axes of volumes that are created; one of time may follow."""
        return ("c", "x", "y", "z")

    def create_described(
        self, name: str, metadata: VoxelsMetadata, block_shape: Sequence[int] | None = None
    ) -> IcechunkVolume:
        """Create the volume that metadata describe in an open version, and open it for writing.

        Parameters
        ----------
        name : str
            Its path.
        metadata : pyvolume.VoxelsMetadata
            What it will be.
        block_shape : sequence of int, optional
            Shape of the chunks along the axes behind the channel.

        Raises
        ------
        LockedError
            If this version is committed.
        ExistsError, UnsupportedError, MetadataError, StoreError
            As for `pyvolume.create`.
        """
        from pyvolume.icechunk import creation  # it opens what it has created

        chunks = None if block_shape is None else (1, *block_shape)
        return creation.create_in(self._open(f"create {name}"), name.strip("/"), metadata, chunks=chunks)

    @property
    def session(self) -> Session | None:
        """The session of an open version."""
        return self._session

    def _open(self, action: str) -> Session:
        if self._session is None:
            raise LockedError(
                f"{action}: the version is committed already; new_version() or branch(name) opens the next one",
                action=action,
                version=self._uuid,
            )
        return self._session

    def _check_committed(self, action: str) -> None:
        if self._session is not None and self._session.is_dirty:
            raise RefusedError(f"{action}: the version is open and has changes; commit it first", action=action)

    def _snapshot(self) -> Snapshot:
        return read_at(self.repository, self._uuid, self._call(), f"open version {self._uuid}")

    def _call(self) -> Call:
        return self.repository.opening.call()

    def _other(self, uuid: str) -> Version:
        return Version(self.repository, uuid)


def check_word(action: str, name: str) -> None:
    """Refuse a name that could not be looked up."""
    arguments.text(name, action, "a name")
    if name in {".", ".."} or not re.fullmatch(r"[^\s/\\?#%:~]+", name):
        raise MetadataError(f"{action}: expected a name without spaces, slashes and ?#%:~, and found {name!r}")


def _lines(lines: Sequence[str], action: str) -> list[str]:
    return [lines] if isinstance(lines, str) else list(arguments.each_of(lines, action, "lines of text"))
