"""Checkouts: where arrays are read and written: a snapshot, a session on a branch, a part of a session."""

from __future__ import annotations

import contextlib
import functools
import pickle
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Literal, Protocol, SupportsIndex, TypeVar
from uuid import uuid4

import icechunk
from zarr.core.sync import sync
from zarr.storage import WrapperStore

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Lanes
from pyvolume.errors import ConflictError, StoreError, UnsupportedError
from pyvolume.icechunk.changes import Both, Changes, changes_of, numbers
from pyvolume.icechunk.fork import Fork
from pyvolume.icechunk.graph import OURS
from pyvolume.icechunk.locks import Gate
from pyvolume.icechunk.marks import Marks
from pyvolume.icechunk.opening import Opening
from pyvolume.icechunk.refusals import meaning, said
from pyvolume.icechunk.repository import ENGINE, Repository, open_repository
from pyvolume.zarr.attributes import change_attributes
from pyvolume.zarr.client import Client
from pyvolume.zarr.requests import engines

T = TypeVar("T")

ATTEMPTS = 3
"""How often an empty commit begins anew because somebody else was faster."""


class Checkout(Protocol):
    """Where arrays are read, or read and written."""

    @property
    def mode(self) -> Literal["r", "r+"]:
        """Whether it can be written."""

    @property
    def client(self) -> Client:
        """Sends the requests."""

    @property
    def uuid(self) -> str:
        """The id of the snapshot that it shows, or that the writes come on top of."""

    @property
    def repository(self) -> Repository:
        """What it belongs to."""

    def call(self) -> Call:
        """Begin an operation."""

    def url_of(self, path: str) -> str:
        """Return the address of an array or a group."""


class Snapshot:
    """A snapshot, which never changes.

    Parameters
    ----------
    repository : Repository
        What it belongs to.
    uuid : str
        Its id.
    raw : icechunk.Session
        What the library reads with.
    """

    mode: Literal["r", "r+"] = "r"

    def __init__(self, repository: Repository, uuid: str, raw: Any) -> None:
        self.repository = repository
        self.uuid = uuid
        address = repository.opening.address.at(uuid)
        self.client = Client(raw.store, address.url, engine=ENGINE, meaning=meaning, lanes=repository.lanes)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return _reopened, (self.repository.opening, self.uuid)

    def call(self) -> Call:
        """Begin an operation."""
        return self.repository.opening.call()

    def url_of(self, path: str) -> str:
        """Return the url of an array or a group in this snapshot."""
        return self.repository.opening.address.at(self.uuid, path).url


class Session:
    """Writes to a branch that nobody else sees before they are committed.

    Parameters
    ----------
    repository : Repository
        What it belongs to.
    branch : str
        What is written to.
    raw : icechunk.Session
        What the library writes with.
    note : str
        The note of a commit that gives none.

    Attributes
    ----------
    uuid : str
        The id of the snapshot that the writes come on top of: the one at the end of the branch when the session began,
        or the last commit of the session.
    marks : Marks
        What is noted of the writes at the next commit.
    """

    mode: Literal["r", "r+"] = "r+"

    uuid: str

    def __init__(self, repository: Repository, branch: str, raw: Any, note: str = "") -> None:
        self.repository = repository
        self.branch = branch
        self.note = note
        self.log: list[str] = []
        self.base: str = raw.snapshot_id
        self.uuid = self.base
        self._raw = raw
        self._name = uuid4().hex
        self._is_overtaken = False
        self.marks = Marks()
        self._gate = Gate()
        self._store = _Switched(raw.store)
        address = repository.opening.address.at(branch)
        self.client: Client = _GatedClient(self._gate, self._store, address.url, repository.lanes)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        raise UnsupportedError(
            f"pickle: a session on {self.branch} belongs to this process; volume.fork() makes a volume that can be "
            "sent to others, and volume.merge(...) takes their writes back"
        )

    def call(self) -> Call:
        """Begin an operation."""
        return self.repository.opening.call()

    def url_of(self, path: str) -> str:
        """Return the address of an array or a group in this session, which is not the url of anything else."""
        return f"{self.place_of(path)}?base={self.base}&session={self._name}"

    def place_of(self, path: str) -> str:
        """Return the url at which what is committed is found."""
        return self.repository.opening.address.at(self.branch, path).url

    @property
    def is_dirty(self) -> bool:
        """Whether something is not committed; False in a process made by fork, which can commit nothing."""
        return engines.is_usable(ENGINE) and bool(self._raw.has_uncommitted_changes)

    def changed_chunks(self) -> dict[str, list[tuple[int, ...]]]:
        """Return the numbers of the chunks that are not committed, by the path of the array."""
        return numbers(self._raw.status().updated_chunks)

    def delete(self, path: str, call: Call, action: str) -> None:
        """Delete an array or a group."""
        with self.client.run(call, action):
            sync(self.client.change(path, lambda: self._store.delete_dir(path)))

    def told(self) -> str:
        """Say what is not committed."""
        counts = [f"{len(numbers)} chunks of {path}" for path, numbers in self.changed_chunks().items()]
        return f"{', '.join(counts) or 'attributes or arrays'} on {self.branch} are not committed"

    def discard(self) -> None:
        """Forget what is not committed. After a conflict, what follows comes on top of the commit of the others."""
        call = self.call()
        with self._gate.alone(call):
            self._raw.discard_changes()
            self.marks.forget()
            if self._is_overtaken:
                self._begin_anew(call, f"discard the session on {self.branch}")

    def commit(
        self, note: str, call: Call, *, metadata: Mapping[str, Any] | None = None, allow_empty: bool = True
    ) -> str:
        """Make everything that was written visible at the end of the branch, and return the id of the new snapshot.

        What others have committed since is kept, where they wrote other chunks. The session goes on after the commit.

        Parameters
        ----------
        note : str
            The message; without one that of the session.
        call : Call
            The operation.
        metadata : mapping, optional
            More to keep with the commit.
        allow_empty : bool
            Also commit if nothing was written.

        Raises
        ------
        ConflictError
            If somebody else has changed the same chunks or attributes; everything stays as it is.
        NotFoundError
            If the branch has gone.
        StoreError, OSError
            If the repository could not be changed; everything stays as it is.
        """
        action = f"commit to {self.branch}"
        with self._gate.alone(call), self.repository.locked(call, action):
            if not self._raw.has_uncommitted_changes:
                if not allow_empty:
                    return self.uuid
                return self._commit_nothing(note, call, metadata or {}, action)
            if self.marks:
                self._note_marks(call, action)
            return self._commit(note, call, metadata or {}, action)

    def _note_marks(self, call: Call, action: str) -> None:
        """Note what was written in the attributes of the images, after what others have noted."""
        self._last(lambda: self._raw.rebase_async(icechunk.ConflictDetector()), call, action)
        self.uuid = str(self._raw.snapshot_id)
        self.marks.note(self.client, call)

    def _commit_nothing(self, note: str, call: Call, metadata: Mapping[str, Any], action: str) -> str:
        """Commit an attribute of the root, which the library needs for a commit."""
        for left in reversed(range(ATTEMPTS)):
            self._begin_anew(call, action)
            note_in_root(self.client, call, {"commit": uuid4().hex})
            try:
                return self._commit(note, call, metadata, action)
            except ConflictError:
                if not left:
                    raise
                self._raw.discard_changes()
        raise AssertionError("unreachable")

    def _commit(self, note: str, call: Call, metadata: Mapping[str, Any], action: str) -> str:
        mark = uuid4().hex
        kept = {OURS: {**metadata, "branch": self.branch, "log": list(self.log), "commit": mark}}
        made: list[str] = []

        async def once() -> str:
            if made:
                return made[0]
            made.append(await self._raw.commit_async(note or self.note, kept, rebase_with=icechunk.ConflictDetector()))
            return made[0]

        try:
            self._last(once, call, action)
        except BaseException as error:
            if not made and isinstance(error, (StoreError, OSError)):
                made += self._landed(mark)
            if made:
                self._goes_on(made[0])
            if not made or not isinstance(error, (StoreError, OSError)):
                raise
        else:
            self._goes_on(made[0])
        return made[0]

    def _last(self, once: Callable[[], Awaitable[object]], call: Call, action: str) -> None:
        """Commit or rebase; an attempt that has begun is waited for, also after Ctrl-C."""
        client = self.client
        assert isinstance(client, _GatedClient)
        try:
            with client.run(call, action):
                sync(client.lasting(once))
        except icechunk.RebaseFailedError as error:
            found = self._conflict(error, action)
        except icechunk.ConflictError as error:
            found = ConflictError(
                f"{action}: somebody else is committing all the time ({said(str(error))})", action=action
            )
        else:
            return
        # not in the handlers: tblib, by which distributed pickles errors, pickles their context, and that cannot be
        raise found

    def _conflict(self, error: Any, action: str) -> ConflictError:
        """Tell what somebody else has changed too."""
        self.uuid = self._raw.snapshot_id  # as far as the writes of others did not matter
        self._is_overtaken = True
        chunks, others = dict[str, Any](), list[str]()
        for each in error.conflicts:
            if each.conflicted_chunks:
                chunks[each.path] = each.conflicted_chunks
            else:
                others.append(each.path)
        found = Both(numbers(chunks), tuple(others))
        return ConflictError(
            f"{action}: {error.snapshot} was committed since and changed {found} too; read what it says, discard the "
            "session, and write again",
            action=action,
            chunks=found.chunks,
            version=str(error.snapshot),
        )

    def _landed(self, mark: str) -> list[str]:
        """Look for a commit whose answer was lost."""
        with contextlib.suppress(StoreError, OSError):
            nodes = self.repository.graph(self.call()).nodes.values()
            return [node.uuid for node in nodes if (node.metadata.get(OURS) or {}).get("commit") == mark]
        return []

    def _goes_on(self, uuid: str) -> None:
        """Show what was committed, and write on top of it."""
        self.uuid, self.note, self.log = uuid, "", []
        # after a commit in a bucket somebody else can have been faster: then their changes are seen too
        self._begin_anew(self.call(), f"begin a session on {self.branch}")

    def _begin_anew(self, call: Call, action: str) -> None:
        raw = self.repository.writing(self.branch, call, action)
        self._raw, self.uuid = raw, str(raw.snapshot_id)
        self._store.switch(raw.store)
        self._is_overtaken = False

    def fork(self) -> Fork:
        """Return a part of this session, which can be sent to another process, and whose writes `merge` takes back.

        Raises
        ------
        UnsupportedError
            If something is not committed, or credentials would be sent.
        """
        if self.is_dirty:
            raise UnsupportedError(f"fork the session on {self.branch}: commit or discard what is written first")
        if self.repository.opening.has_credentials:
            raise UnsupportedError(
                f"fork the session on {self.branch}: credentials= are not sent to other processes; put them into the "
                "environment"
            )
        with self._gate.alone(self.call()):
            forked = self._raw.fork()
            # the library warns at a commit after a fork whose writes were not merged, and they need not be there
            self._raw._allow_changes = False  # noqa: SLF001
        return Fork(self.repository.opening, pickle.dumps(forked), self.url_of(""))

    def merge(self, fork: Fork) -> None:
        """Take over what was written with a part of this session.

        Raises
        ------
        UnsupportedError
            If it is a part of another session.
        ConflictError
            If a chunk, or attributes, that it has changed were changed since by this session or another part of it;
            nothing is taken over.
        """
        if fork.origin != self.url_of(""):
            raise UnsupportedError(f"merge into the session on {self.branch}: the fork is one of another session")
        call = self.call()
        action = f"merge into the session on {self.branch}"
        with self._gate.alone(call):
            self._check_apart(fork, call, action)
            self.repository.ask(call, action, lambda _: self._raw.merge_async(fork.raw))
            self.marks.take_over(fork.marks)

    def _check_apart(self, fork: Fork, call: Call, action: str) -> None:
        """Refuse a part that has changed what was changed here after it was made: the library takes the last one."""
        changes = [changes_of(self._raw.status())] if self._raw.has_uncommitted_changes else []
        if fork.uuid != self.uuid:
            changes.append(self.repository.changes(fork.uuid, self.uuid, call, action))
        theirs = changes_of(fork.raw.status()) if changes else Changes()
        for own in changes:
            if found := own.both(theirs):
                raise ConflictError(
                    f"{action}: the fork and what was written since it was made have both changed {found}; commit or "
                    "discard what is there, fork again, and let each fork write chunks of its own",
                    action=action,
                    chunks=found.chunks,
                )


class _Switched(WrapperStore[Any]):
    """The store of the present session of the library: each commit ends one and begins another."""

    def switch(self, store: Any) -> None:
        """Ask another store from now on."""
        self._store = store


class _GatedClient(Client):
    """A client whose requests wait while a commit is made."""

    def __init__(self, gate: Gate, raw: Any, address: str, lanes: Lanes | None) -> None:
        super().__init__(raw, address, engine=ENGINE, meaning=meaning, lanes=lanes)
        self._gate = gate

    @contextlib.contextmanager
    def run(self, call: Call, action: str) -> Iterator[None]:
        with self._gate.shared(call), super().run(call, action):
            yield

    def do(self, call: Call, action: str, work: Callable[[], T]) -> T:
        """Do something, see `Client.do`; a commit waits for it."""
        with self._gate.shared(call):
            return super().do(call, action, work)

    async def lasting(self, once: Callable[[], Awaitable[T]]) -> T:
        """Await something that is not left once it has begun."""
        run = self._present_run()
        return await run.attempts(once, functools.partial(self._translated, run.action, ""), lasting=True)


def read_at(repository: Repository, uuid: str, call: Call, action: str = "open") -> Snapshot:
    """Check out a snapshot."""
    return Snapshot(repository, uuid, repository.reading(uuid, call, action))


def write_to(repository: Repository, branch: str, call: Call, note: str = "", action: str = "open") -> Session:
    """Begin a session on a branch.

    Raises
    ------
    NotFoundError
        If there is no such branch.
    """
    session = Session(repository, branch, repository.writing(branch, call, action), note)
    repository.sessions.append(session)
    return session


def note_in_root(client: Client, call: Call, facts: Mapping[str, Any]) -> None:
    """Write facts into what pyvolume keeps at the root of the hierarchy."""
    change_attributes(client, "", call, lambda found: found | {OURS: found.get(OURS, {}) | facts})


def _reopened(opening: Opening, uuid: str) -> Snapshot:
    return read_at(open_repository(opening), uuid, opening.call())
