"""What is in a repository, as values: its snapshots, its branches and tags, and which of them a name means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pyvolume.errors import AmbiguousError, NotFoundError
from pyvolume.model import arguments
from pyvolume.model.nearest import hint

MAIN = "main"
"""The branch that every repository has."""

OURS = "pyvolume"
"""The entry of a commit's metadata with what pyvolume keeps there."""

ID_LENGTH = 20
"""Characters of the id of a snapshot."""

SHORTEST = 4
"""Characters of an id that are enough to look it up."""


@dataclass(frozen=True, slots=True)
class Node:
    """One version: a snapshot.

    Parameters
    ----------
    uuid : str
        The id of the snapshot.
    parents : tuple of str
        The id of the snapshot before it; none for the first one. Icechunk knows no merges.
    children : tuple of str
        The ids of the snapshots made from it.
    branch : str
        The branch that it was committed to; for a snapshot that another program made, the first one that has it.
    note : str
        The message of its commit.
    log : tuple of str
        Lines that were committed with it.
    created : datetime
        When it was committed, by the clock of the machine that did it.
    metadata : mapping
        The metadata of the commit. A version that `bring_history` brought has an entry ``source`` in
        ``metadata["pyvolume"]``: uuid, parents, branch, note, created and state of the version that it was.
    """

    uuid: str
    parents: tuple[str, ...]
    children: tuple[str, ...]
    branch: str
    note: str
    log: tuple[str, ...]
    created: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def locked(self) -> bool:
        """Whether it is committed, which a snapshot always is."""
        return True

    @property
    def updated(self) -> datetime:
        """The same as `created`, because a snapshot never changes."""
        return self.created

    @property
    def source(self) -> Mapping[str, Any]:
        """What `bring_history` has noted; empty for other versions."""
        return _ours(self.metadata).get("source") or {}


@dataclass(frozen=True, slots=True)
class Graph:
    """All versions of a repository that a branch or a tag leads to.

    Parameters
    ----------
    nodes : mapping
        The versions by the ids of their snapshots, each after its parent.
    branches : mapping
        The id at the end of each branch.
    tags : mapping
        The id of each tag.
    """

    nodes: Mapping[str, Node]
    branches: Mapping[str, str]
    tags: Mapping[str, str]

    @classmethod
    def of(cls, infos: Iterable[Any], branches: Mapping[str, str], tags: Mapping[str, str]) -> Graph:
        """Make the graph of what Icechunk says of each snapshot."""
        by_id = {info.id: info for info in infos}
        children: dict[str, list[str]] = {uuid: [] for uuid in by_id}
        ordered = _in_order(by_id)
        for uuid in ordered:
            if by_id[uuid].parent_id in children:
                children[by_id[uuid].parent_id].append(uuid)
        on_branch = _branches_of(by_id, branches)
        nodes = {
            uuid: _node(
                by_id[uuid], tuple(children[uuid]), on_branch.get(uuid, ""), is_known=by_id[uuid].parent_id in by_id
            )
            for uuid in ordered
        }
        return cls(nodes, dict(sorted(branches.items())), dict(sorted(tags.items())))

    def node(self, uuid: str) -> Node:
        """Return the version of exactly that id.

        Raises
        ------
        NotFoundError
            If no branch and no tag leads to it.
        """
        if uuid not in self.nodes:
            action = f"find version {uuid!r}"
            raise NotFoundError(f"{action}: the repository has no such version", action=action)
        return self.nodes[uuid]

    def ancestors(self, uuid: str) -> Iterator[str]:
        """Give the ids of all snapshots before one, the newest first."""
        parents = self.node(uuid).parents
        while parents:
            yield parents[0]
            parents = self.node(parents[0]).parents

    def find(self, ref: str, action: str) -> str:
        """Return the id of the snapshot that a name means, see `split_ref`.

        Raises
        ------
        NotFoundError
            If nothing has this name; the message suggests a similar one.
        AmbiguousError
            If several have it.
        """
        name, steps, is_branch = split_ref(ref, action)
        found = self._named(name, is_branch=is_branch)
        if not found and not is_branch:
            found = {uuid for uuid in self.nodes if len(name) >= SHORTEST and uuid.startswith(name.upper())}
        if not found:
            known = [*self.branches, *(() if is_branch else self.tags)]
            what = "branch" if is_branch else "branch, tag or snapshot"
            raise NotFoundError(f"{action}: there is no {what} {name!r}; {hint(name, known)}", action=action)
        if len(found) > 1:
            raise AmbiguousError(
                f"{action}: {name!r} can be {' or '.join(sorted(found))}; ':{name}' means the branch",
                action=action,
                candidates=tuple(sorted(found)),
            )
        return self._before(found.pop(), steps, action)

    def _named(self, name: str, *, is_branch: bool) -> set[str]:
        places = [self.branches] if is_branch else [self.branches, self.tags, dict.fromkeys(self.nodes)]
        return {place[name] or name for place in places if name in place}

    def _before(self, uuid: str, steps: int, action: str) -> str:
        found = [uuid, *self.ancestors(uuid)]
        if steps >= len(found):
            raise NotFoundError(f"{action}: there are {len(found) - 1} versions before {uuid}", action=action)
        return found[steps]


def split_ref(ref: str, action: str) -> tuple[str, int, bool]:
    """Understand the name of a version.

    Parameters
    ----------
    ref : str
        A branch, a tag, an id of a snapshot or the beginning of one; ``":dev"`` is a branch; ``"dev~1"`` the version
        before the end of one.
    action : str
        For messages.

    Returns
    -------
    name : str
    steps : int
        How many versions before it.
    is_branch : bool
        Whether it can only be a branch.
    """
    text = arguments.text(ref, action, "a name of a version")
    found = re.fullmatch(r"(:?)([^:~]+?)(?:~(\d+))?", text)
    if found is None:
        raise NotFoundError(
            f"{action}: expected a branch, a tag, a snapshot, or 'main~1', and found {text!r}", action=action
        )
    return found[2], int(found[3] or 0), bool(found[1])


def _ours(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    found = metadata.get(OURS)
    return found if isinstance(found, Mapping) else {}


def _in_order(by_id: Mapping[str, Any]) -> list[str]:
    """Return the ids by time, each after its parent although clocks differ."""
    times: dict[str, tuple[datetime, int]] = {}
    for each in by_id:
        line, uuid = [], each
        while uuid in by_id and uuid not in times:
            line.append(uuid)
            uuid = by_id[uuid].parent_id
        for later in reversed(line):
            own, before = by_id[later].written_at, times.get(by_id[later].parent_id)
            times[later] = (own, 0) if before is None else (max(own, before[0]), before[1] + 1)
    return sorted(times, key=lambda uuid: times[uuid])


def _branches_of(by_id: Mapping[str, Any], branches: Mapping[str, str]) -> dict[str, str]:
    """Return a branch that has each snapshot: main if it does."""
    found: dict[str, str] = {}
    for branch in sorted(branches, key=lambda name: (name != MAIN, name)):
        uuid = branches[branch]
        while uuid in by_id and uuid not in found:
            found[uuid] = branch
            uuid = by_id[uuid].parent_id
    return found


def _node(info: Any, children: tuple[str, ...], branch: str, *, is_known: bool) -> Node:
    ours = _ours(info.metadata)
    return Node(
        uuid=info.id,
        parents=(info.parent_id,) if is_known else (),
        children=children,
        branch=str(ours.get("branch") or branch),
        note=info.message,
        log=tuple(map(str, ours.get("log") or ())),
        created=info.written_at,
        metadata=dict(info.metadata),
    )
