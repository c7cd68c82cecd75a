"""Repository: a repository of Icechunk, whose requests follow the rules of calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import icechunk
from zarr.core.sync import sync
from zarr.storage import MemoryStore

from pyvolume.calls.call import Call
from pyvolume.errors import ExistsError, NotFoundError, RefusedError, UnsupportedError
from pyvolume.icechunk.address import Address
from pyvolume.icechunk.changes import Changes, changes_of
from pyvolume.icechunk.graph import ID_LENGTH, MAIN, Graph, split_ref
from pyvolume.icechunk.locks import locked
from pyvolume.icechunk.opening import Opening
from pyvolume.icechunk.refusals import meaning
from pyvolume.icechunk.storage import configuration, creation, lanes_of, storage_of
from pyvolume.zarr.client import Client

T = TypeVar("T")

ENGINE = "icechunk"
"""The library, of which a process made by fork cannot use what its parent has used."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a name means.

    Parameters
    ----------
    uuid : str
        The id of a snapshot.
    branch : str
        The branch that has this name; empty for tags and snapshots.
    """

    uuid: str
    branch: str = ""


class Uncommitted(Protocol):
    """What can have writes that are not committed: a session on a branch."""

    @property
    def is_dirty(self) -> bool: ...

    def commit(self, note: str, call: Call, *, allow_empty: bool) -> str: ...

    def discard(self) -> None: ...

    def told(self) -> str: ...


class Repository:
    """A repository of Icechunk.

    Parameters
    ----------
    opening : Opening
        How it is reached.
    raw : icechunk.Repository
        What the library has opened.
    client : Client
        Sends the requests.

    Attributes
    ----------
    lanes : Lanes or None
        The slots of the requests of all checkouts together.
    sessions : list
        The sessions that were begun with it.
    """

    def __init__(self, opening: Opening, raw: Any, client: Client) -> None:
        self.opening = opening
        self.lanes = client.lanes
        self.sessions: list[Uncommitted] = []
        self._raw = raw
        self._client = client

    @property
    def root(self) -> str:
        """The path or the url of the repository."""
        return self.opening.address.root

    def close(self) -> None:
        """Refuse every further request."""
        self._client.close()

    def ask(self, call: Call, action: str, once: Callable[[Any], Awaitable[T]]) -> T:
        """Return what the library answers.

        Parameters
        ----------
        call : Call
            The operation that the request belongs to.
        action : str
            For messages.
        once : callable
            Begins one attempt; its argument is the repository of the library.
        """
        return _ask(self._client, call, action, lambda: once(self._raw))

    @contextlib.contextmanager
    def locked(self, call: Call, action: str) -> Iterator[None]:
        """Keep other processes from changing branches and tags; in a bucket Icechunk does it."""
        if self.opening.address.is_remote:
            yield
            return
        with locked(Path(self.root), call, action):
            yield

    def changes(self, since: str, until: str, call: Call, action: str) -> Changes:
        """Return what was changed from one snapshot to a later one."""
        diff = {"from_snapshot_id": since, "to_snapshot_id": until}
        return changes_of(self.ask(call, action, lambda raw: raw.diff_async(**diff)))

    def graph(self, call: Call, action: str = "read versions") -> Graph:
        """Return all versions that a branch or a tag leads to."""
        return self.ask(call, action, _graph)

    def find(self, ref: str, call: Call, action: str) -> Found:
        """Return what a name means now, see `pyvolume.icechunk.graph.split_ref`.

        Raises
        ------
        NotFoundError
            If nothing has this name; the message suggests a similar one.
        AmbiguousError
            If several have it.
        """
        name, steps, is_branch = split_ref(ref, action)
        if not steps:
            found = self.ask(call, action, lambda raw: _named(raw, name, is_branch=is_branch))
            if len({each.uuid for each in found}) == 1:
                return found[0]
        return Found(self.graph(call, action).find(ref, action))

    def tip(self, branch: str, call: Call, action: str) -> str | None:
        """Return the id at the end of a branch; None if there is no such branch."""
        found = self.ask(call, action, lambda raw: _named(raw, branch, is_branch=True))
        return found[0].uuid if found else None

    def reading(self, uuid: str, call: Call, action: str) -> Any:
        """Begin a session of the library that reads a snapshot."""
        return self.ask(call, action, lambda raw: raw.readonly_session_async(snapshot_id=uuid))

    def writing(self, branch: str, call: Call, action: str) -> Any:
        """Begin a session of the library that writes to a branch, from its present end on."""
        return self.ask(call, action, lambda raw: raw.writable_session_async(branch))

    def make_branch(self, name: str, uuid: str, call: Call, action: str) -> None:
        """Make a branch that ends at a snapshot.

        Raises
        ------
        ExistsError
            If there is a branch of this name.
        """
        with self.locked(call, action):
            if self.tip(name, call, action) is not None:
                raise ExistsError(f"{action}: the repository has a branch of this name", action=action)
            try:
                self.ask(call, action, lambda raw: raw.create_branch_async(name, uuid))
            except ExistsError:  # also if the answer to the first of two attempts was lost
                if self.tip(name, call, action) != uuid:
                    raise

    def make_tag(self, name: str, uuid: str, call: Call, action: str) -> None:
        """Give a snapshot a name for ever.

        Raises
        ------
        ExistsError
            If there is a tag of this name, or was one.
        """
        with self.locked(call, action):
            tags = self.ask(call, action, lambda raw: raw.list_tags_async())
            if name in tags:
                raise ExistsError(f"{action}: the repository has a tag of this name", action=action)
            try:
                self.ask(call, action, lambda raw: raw.create_tag_async(name, uuid))
            except ExistsError:
                if Found(uuid) not in self.ask(call, action, lambda raw: _named(raw, name, is_branch=False)):
                    raise


def settle(sessions: Sequence[Uncommitted], call: Call, action: str, *, commit: str | None, discard: bool) -> None:
    """Commit what is not committed, or discard it, before it can be reached no more.

    Raises
    ------
    UnsupportedError
        If there is something, and neither was asked for.
    TypeError
        If both were asked for.
    """
    if commit is not None and discard:
        raise TypeError(f"{action}: expected commit= or discard=True and found both")
    dirty = [session for session in sessions if session.is_dirty]
    if dirty and commit is None and not discard:
        raise UnsupportedError(
            f"{action}: {'; '.join(session.told() for session in dirty)}; commit() or close(commit='a note') keeps the "
            "changes, close(discard=True) does not"
        )
    for session in dirty:
        if commit is None:
            session.discard()
        else:
            session.commit(commit, call, allow_empty=False)


def open_repository(opening: Opening, action: str = "open") -> Repository:
    """Open a repository.

    Raises
    ------
    NotFoundError
        If there is no folder, or no repository in it.
    UnsupportedError
        If it has a newer format.
    StoreError
        If the bucket does not answer, or the repository is broken.
    """
    address = opening.address
    if not address.is_remote and not Path(address.root).is_dir():
        action = f"{action} {address.root}"
        raise NotFoundError(f"{action}: there is no folder; pyvolume.create makes a repository", action=action)
    storage, client, call = storage_of(address, opening.options), _client(address), opening.call()
    try:
        raw = _ask(client, call, action, lambda: icechunk.Repository.open_async(storage, config=configuration()))
    except NotFoundError:
        raise
    except RefusedError:
        # the first library asks for the head of an object first, and the answer has no code
        _ask(client, call, action, lambda: icechunk.Repository.exists_async(storage))
        raise
    return Repository(opening, raw, client)


def create_repository(opening: Opening, action: str = "create") -> Repository:
    """Create a repository, in the format that all versions of the library read.

    Raises
    ------
    ExistsError
        If something is there.
    FileNotFoundError
        If there is no folder around it.
    """
    address = opening.address
    if not address.is_remote and not Path(address.root).parent.is_dir():
        raise FileNotFoundError(f"{action}: there is no folder {Path(address.root).parent}")
    storage, client = storage_of(address, opening.options), _client(address)
    raw = _ask(
        client,
        opening.call(),
        action,
        lambda: icechunk.Repository.create_async(storage, config=configuration(), **creation()),
    )
    return Repository(opening, raw, client)


def _client(address: Address) -> Client:
    return Client(MemoryStore(), address.root, engine=ENGINE, meaning=meaning, lanes=lanes_of(address))


def _ask(client: Client, call: Call, action: str, once: Callable[[], Awaitable[T]]) -> T:
    with client.run(call, action):
        # no status means here that nothing is there
        return cast("T", sync(client.read("", once, None)))


async def _named(raw: Any, name: str, *, is_branch: bool) -> list[Found]:
    """Return the snapshots of exactly this name."""
    found = [Found(uuid, name) for uuid in await _looked_up(raw.lookup_branch_async, name)]
    if not is_branch:
        found += [Found(uuid) for uuid in await _looked_up(raw.lookup_tag_async, name)]
    if not found and not is_branch and len(name) == ID_LENGTH and name.isalnum() and name.isupper():
        with contextlib.suppress(icechunk.IcechunkError):  # the list of all snapshots tells more
            found = [Found((await raw.lookup_snapshot_async(name)).id)]
    return found


async def _looked_up(look_up: Callable[[str], Awaitable[str]], name: str) -> list[str]:
    try:
        return [await look_up(name)]
    except icechunk.IcechunkError as error:
        if "ref not found" in str(error) or "invalid ref name" in str(error):
            return []
        raise


async def _graph(raw: Any) -> Graph:
    """Read the snapshots from the ends of all branches and tags on, each once."""
    names = await asyncio.gather(raw.list_branches_async(), raw.list_tags_async())
    branches = {name: await raw.lookup_branch_async(name) for name in sorted(names[0]) if name}
    tags = {name: await raw.lookup_tag_async(name) for name in sorted(names[1]) if name}
    infos: dict[str, Any] = {}
    for end in dict.fromkeys([branches.get(MAIN), *branches.values(), *tags.values()]):
        if end is not None:
            async for info in raw.async_ancestry(snapshot_id=end):
                if info.id in infos:
                    break
                infos[info.id] = info
    return Graph.of(infos.values(), branches, tags)
