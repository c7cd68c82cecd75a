"""Repositories and their versions: a graph of nodes, with DVID's names."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from mockserver.dvid.model.instances import Instance
from mockserver.dvid.model.labels.indexing import Indexing
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.wire.geometry import parse_integer
from mockserver.http.messages import Panic, Refused

T = TypeVar("T", bound=Instance)

FIRST_MUTATION = 1_000_000_000
MUTATION_STRIDE = 100


def new_uuid() -> str:
    """Return a random version uuid."""
    return secrets.token_hex(16)


def timestamp() -> str:
    """Return the time as Go prints it: RFC 3339 with nanoseconds, without trailing zeros."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    fraction = f".{nanoseconds:09d}".rstrip("0").rstrip(".")
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def log_lines(lines: Iterable[str], now: str) -> list[str]:
    """Return lines of a log: time in seconds, two spaces, text."""
    return [f"{now[:19]}Z  {line}" for line in lines]


@dataclass
class Version:
    """One node of the graph; parents and children by number."""

    uuid: str
    number: int
    created: str
    updated: str
    branch: str = ""
    note: str = ""
    log: list[str] = field(default_factory=list)
    locked: bool = False
    parents: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)


@dataclass
class Repository:
    """A graph of versions, and the instances that all versions share."""

    root: Version
    alias: str
    description: str
    created: str
    updated: str
    log: list[str] = field(default_factory=list)
    versions: dict[int, Version] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    heads: dict[str, Version] = field(default_factory=dict)
    mutations: int = FIRST_MUTATION
    saved_mutations: int = FIRST_MUTATION + MUTATION_STRIDE

    def __post_init__(self) -> None:
        self.versions[self.root.number] = self.root
        self.heads["master"] = self.root

    def instance(self, name: str) -> Instance:
        """Return the instance of this name; it exists in every version of the repository."""
        if name not in self.instances:
            raise Refused("invalid data instance name")
        return self.instances[name]

    def lineage(self, version: Version, instance: Instance) -> Lineage:
        """Return the numbers of the versions whose data may be visible in `version`, nearest first."""
        if not instance.base.versioned:
            version = self.root
        return Lineage({number: node.parents for number, node in list(self.versions.items())}, version.number)

    def branch_for_child(self, parent: Version, branch: str) -> str:
        """Return the branch of a new child: a new branch, or the parent's, on which a parent has one child only."""
        if not parent.locked:
            raise Refused("can't branch an unlocked node")
        if branch in {"", parent.branch}:
            branch = parent.branch
            rivals = [self.versions[number] for number in parent.children]
        else:
            rivals = list(self.versions.values())
        if any(rival.branch == branch for rival in rivals):
            raise Refused("branch already exists with given name")
        return branch

    def add_child(self, child: Version, parent: Version) -> None:
        """Add a child, which becomes the head of its branch."""
        child.parents.append(parent.number)
        parent.children.append(child.number)
        self.versions[child.number] = child
        self.heads[child.branch or "master"] = child
        parent.updated = self.updated = child.created

    def add_merge(self, child: Version, parents: list[Version]) -> None:
        """Add a child of several parents.

        Like on the real server, a refusal leaves an open child below the parents that were checked before.
        """
        self.versions[child.number] = child
        for parent in parents:
            if parent.number not in self.versions:
                raise Refused("server-specific version id is invalid")
            if not parent.locked:
                raise Refused("can't branch an unlocked node")
            child.parents.append(parent.number)
            parent.children.append(child.number)
            parent.updated = child.created
        self.updated = child.created

    def ancestry(self, branch: str) -> list[Version]:
        """Return the versions of a branch and their ancestors, the leaf first; none for an unknown branch."""
        named = "" if branch == "master" else branch
        nodes = [node for node in list(self.versions.values()) if node.branch == named]
        if not nodes:
            return []
        node = nodes[0]
        while below := [self.versions[n] for n in node.children if self.versions[n].branch == named]:
            if len(below) > 1:
                raise Refused(f'branch "{named}" has more than 1 child: {below[1].uuid} and {below[0].uuid}')
            node = below[0]
        found = [node]
        while node.parents:
            *others, last = [self.versions[number] for number in node.parents]
            found += [*others, last]
            node = last
        return found

    def on_branch(self, branch: str, uuid: str) -> Version:
        """Return the version that ``branch`` or ``branch~2`` names; `uuid` is for the error text."""
        name, *back = branch.split("~")
        if len(back) != 1:
            name = branch or "master"
            if name not in self.heads:
                raise Refused(f'branch "{name}" not found in repo "{uuid}"')
            return self.heads[name]
        ancestry = self.ancestry(name)
        try:
            steps = parse_integer(back[0], function="Atoi", bits=64)
        except Refused:
            raise Refused(f'can\'t parse parent "{back[0]}" in branch "{name}"') from None
        if steps < 0:
            raise Panic(f"runtime error: index out of range [{steps}]")
        if steps >= len(ancestry):
            raise Refused(f'parent {steps} is out of range for branch "{name}"')
        return ancestry[steps]

    def count_mutation(self) -> None:
        """Use up one mutation id."""
        self.mutations += 1
        if self.mutations >= self.saved_mutations:
            self.saved_mutations += MUTATION_STRIDE


class Repositories:
    """All repositories of a server, and every version by its uuid."""

    def __init__(self) -> None:
        self.changing = threading.RLock()
        self.indexing = Indexing(self.changing)
        self.by_root: dict[str, Repository] = {}
        self._owners: dict[str, tuple[Repository, Version]] = {}
        self._next_number = 1

    def new_version(self, uuid: str, now: str, *, branch: str = "", note: str = "") -> Version:
        """Create a version with the next number, without a repository."""
        number = self._next_number
        self._next_number += 1
        return Version(uuid, number, now, now, branch, note)

    def own(self, repository: Repository, version: Version) -> None:
        """Register a version, so that it is found by its uuid."""
        self._owners[version.uuid] = (repository, version)

    def knows(self, uuid: str) -> bool:
        """Return whether a version with exactly this uuid exists."""
        return uuid in self._owners

    def of(self, uuid: str) -> tuple[Repository, Version]:
        """Return the version with exactly this uuid, and its repository."""
        return self._owners[uuid]

    def at(self, uuid: str, name: str, kind: type[T]) -> tuple[T, Lineage]:
        """Return an instance of a type, and the lineage of a version."""
        repository, version = self.of(uuid)
        instance = repository.instance(name)
        if not isinstance(instance, kind):
            raise TypeError(f"{name!r}: expected a {kind.__name__}, found a {type(instance).__name__}")
        return instance, repository.lineage(version, instance)

    def find(self, text: str) -> tuple[Repository, Version]:
        """Return the version that a url names: ``3f``, ``3f:dev``, ``:master~1``, a tag."""
        prefix, *branch = text.split(":")
        if len(branch) > 1:
            raise Refused(f'bad UUID specification "{text}"')
        if branch and not prefix:
            repository = self._only_repository()
            return repository, repository.on_branch(branch[0], "")
        matches = [uuid for uuid in list(self._owners) if uuid.startswith(prefix)]
        if len(matches) > 1:
            raise Refused(f"more than one UUID matches {prefix}")
        if not matches:
            raise Refused(f"could not find UUID with partial match to {prefix}")
        repository, version = self._owners[matches[0]]
        if branch and branch[0]:
            version = repository.on_branch(branch[0], version.uuid)
        return repository, version

    def _only_repository(self) -> Repository:
        if len(self.by_root) > 1:
            raise Refused("UUID must be specified if more than one repo exists")
        for repository in self.by_root.values():
            return repository
        raise Panic("runtime error: invalid memory address or nil pointer dereference")
