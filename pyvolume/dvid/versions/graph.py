"""The graph of versions of a DVID repository, as a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyvolume.dvid.documents import moment
from pyvolume.errors import NotFoundError

__all__ = ["Graph", "Node"]

MASTER = "master"
"""How the branch is called whose name is empty in the server's documents."""


@dataclass(frozen=True, slots=True)
class Node:
    """One version, as of when the server was asked.

    Parameters
    ----------
    uuid : str
    parents, children : tuple of str
        Full uuids; a merge has several parents, the one that it was made from first.
    branch : str
    note : str
    log : tuple of str
        Lines; the server puts the time in front of each.
    locked : bool
        Whether it is committed.
    created, updated : datetime
    """

    uuid: str
    parents: tuple[str, ...]
    children: tuple[str, ...]
    branch: str
    note: str
    log: tuple[str, ...]
    locked: bool
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Graph:
    """All versions of a repository, as of when the server was asked.

    Parameters
    ----------
    root : str
        The uuid of the first version.
    nodes : mapping
        The versions by their full uuid, in the order in which they were made.
    """

    root: str
    nodes: Mapping[str, Node]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Graph:
        """Read the server's document about a repository, which has been checked."""
        found = sorted(document["DAG"]["Nodes"].items(), key=lambda item: item[1]["VersionID"])
        names = {node["VersionID"]: uuid for uuid, node in found}
        return cls(document["Root"], {uuid: _node(uuid, node, names) for uuid, node in found})

    def node(self, uuid: str) -> Node:
        """Return the version of exactly that uuid.

        Raises
        ------
        NotFoundError
        """
        if uuid not in self.nodes:
            action = f"find version {uuid!r}"
            raise NotFoundError(f"{action}: the repository {self.root[:8]} has no such version", action=action)
        return self.nodes[uuid]

    @property
    def branches(self) -> dict[str, str]:
        """The uuid at the end of each branch; of the newest, where merges have left several ends."""
        names = dict.fromkeys(node.branch for node in self.nodes.values())
        return {name: self.ends(name)[-1] for name in names}

    def ends(self, branch: str) -> list[str]:
        """Return the uuids at the end of a branch: no version on it stems from them; none for an unknown branch."""
        on_it = [uuid for uuid, node in self.nodes.items() if node.branch == branch]
        before = self._before(set(on_it))
        return [uuid for uuid in on_it if uuid not in before]

    def ancestors(self, uuid: str) -> Iterator[str]:
        """Give the uuids of all versions that `uuid` stems from, each once and after everything that stems from it."""
        before = self._before({self.node(uuid).uuid})
        return (each for each in reversed(list(self.nodes)) if each in before)

    def _before(self, uuids: set[str]) -> set[str]:
        """Return the uuids of all versions that some versions stem from."""
        found: set[str] = set()
        for each in reversed(list(self.nodes)):  # a child is made after its parents
            if each in uuids or each in found:
                found |= set(self.nodes[each].parents)
        return found


def _node(uuid: str, document: Mapping[str, Any], names: Mapping[int, str]) -> Node:
    def named(numbers: list[int] | None) -> tuple[str, ...]:
        # a version whose uuid was given away is gone from the document, but not from its relatives
        return tuple(names[number] for number in dict.fromkeys(numbers or ()) if number in names)

    return Node(
        uuid=uuid,
        parents=named(document["Parents"]),
        children=named(document["Children"]),
        branch=document["Branch"] or MASTER,
        note=document["Note"],
        log=tuple(document["Log"] or ()),
        locked=document["Locked"],
        created=moment(document["Created"]),
        updated=moment(document["Updated"]),
    )
