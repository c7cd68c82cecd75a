"""What the server says of a repository, as values: its versions, their graph, its instances."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyvolume.dvid.documents import VOXEL_TYPES, moment
from pyvolume.errors import NotFoundError

__all__ = ["CommittedUuid", "GivenUuid", "Graph", "Node", "RepoInfo", "Uuid"]

MASTER = "master"
"""The name of the branch for which the server's documents have an empty name."""


class Uuid(str):
    """The full uuid of a version.

    pyvolume returns uuids as this kind of text. Wherever it takes a name for a version, such as ``"ab12"`` or
    ``":master"``, it asks the server which version that is; for a `Uuid` no request is needed.
    """

    __slots__ = ()


class GivenUuid(Uuid):
    """A full uuid that a user has written, and nobody has looked up: whether the version is committed is not known."""

    __slots__ = ()


class CommittedUuid(Uuid):
    """The full uuid of a version that the server has called committed; it stays so."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One version, as it was when the server answered.

    Parameters
    ----------
    uuid : Uuid
        The full uuid.
    parents : tuple of Uuid
        The versions that it was made from: none for the first version. A merge has several, its main parent first.
    children : tuple of Uuid
        The versions that were made from it. Tags are children too.
    branch : str
        Its branch, ``"master"`` for the one without a name.
    note : str
        A text about it, which is usually written when it is committed.
    log : tuple of str
        Lines, each with the time in front.
    locked : bool
        Whether it is committed: then nobody can write to it any more.
    created, updated : datetime
        When it was made and when its document changed last, by the clock of the server. Writing voxels is no change of
        the document.
    """

    uuid: Uuid
    parents: tuple[Uuid, ...]
    children: tuple[Uuid, ...]
    branch: str
    note: str
    log: tuple[str, ...]
    locked: bool
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Graph:
    """All versions of a repository, as they were when the server answered.

    Parameters
    ----------
    root : Uuid
        The uuid of the first version.
    nodes : mapping
        The versions by their full uuid, in the order in which they were made.
    """

    root: Uuid
    nodes: Mapping[str, Node]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Graph:
        """Read the server's document about a repository, which has been checked."""
        found = sorted(document["DAG"]["Nodes"].items(), key=lambda item: item[1]["VersionID"])
        uuids = {uuid: (CommittedUuid if node["Locked"] else Uuid)(uuid) for uuid, node in found}
        names = {node["VersionID"]: uuids[uuid] for uuid, node in found}
        return cls(Uuid(document["Root"]), {uuid: _node(uuids[uuid], node, names) for uuid, node in found})

    def node(self, uuid: str) -> Node:
        """Return the version of exactly that uuid.

        Raises
        ------
        NotFoundError
            If the repository has no such version.
        """
        if uuid not in self.nodes:
            action = f"find version {uuid!r}"
            raise NotFoundError(f"{action}: the repository {self.root[:8]} has no such version", action=action)
        return self.nodes[uuid]

    @property
    def branches(self) -> dict[str, Uuid]:
        """The uuid at the end of each branch; of the newest, where merges have left several ends."""
        return {node.branch: node.uuid for node in self.nodes.values()}  # the newest is the last

    def ends(self, branch: str) -> list[Uuid]:
        """Return the versions of a branch from which no other version of the branch was made; none if it is unknown."""
        on_it = [node.uuid for node in self.nodes.values() if node.branch == branch]
        before = self._before(set(on_it))
        return [uuid for uuid in on_it if uuid not in before]

    def ancestors(self, uuid: str) -> Iterator[Uuid]:
        """Give the uuids of all ancestors of a version, each once, and each after all of its descendants."""
        before = self._before({self.node(uuid).uuid})
        return (node.uuid for node in reversed(list(self.nodes.values())) if node.uuid in before)

    def _before(self, uuids: set[str]) -> set[str]:
        """Return the uuids of all ancestors of some versions."""
        found: set[str] = set()
        for each in reversed(list(self.nodes)):  # a child is made after its parents
            if each in uuids or each in found:
                found |= set(self.nodes[each].parents)
        return found


@dataclass(frozen=True, slots=True)
class RepoInfo:
    """A repository, as it was when the server answered.

    Parameters
    ----------
    alias : str
        Its name; several repositories may have the same one.
    description : str
        A text about it.
    created, updated : datetime
        When it was made and when its document changed last, by the clock of the server. Writing voxels is no change of
        the document.
    log : tuple of str
        Lines, such as one for each instance, each with the time in front.
    instances : mapping
        The type of each instance, such as ``"uint8blk"``, by its name, sorted.
    graph : Graph
        Its versions.
    """

    alias: str
    description: str
    created: datetime
    updated: datetime
    log: tuple[str, ...]
    instances: Mapping[str, str]
    graph: Graph

    @property
    def volumes(self) -> list[str]:
        """The names of the instances with voxels, sorted."""
        return [name for name, typename in self.instances.items() if typename in VOXEL_TYPES]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> RepoInfo:
        """Read the server's document about a repository, which has been checked."""
        return cls(
            alias=document["Alias"],
            description=document["Description"],
            created=moment(document["Created"], "$.Created"),
            updated=moment(document["Updated"], "$.Updated"),
            log=tuple(document["Log"] or ()),
            instances={name: each["Base"]["TypeName"] for name, each in sorted(document["DataInstances"].items())},
            graph=Graph.of(document),
        )


def _node(uuid: Uuid, document: Mapping[str, Any], names: Mapping[int, Uuid]) -> Node:
    def named(numbers: list[int] | None) -> tuple[Uuid, ...]:
        # a version whose uuid a later version took is not in the document, but its relatives still name it
        return tuple(names[number] for number in dict.fromkeys(numbers or ()) if number in names)

    return Node(
        uuid=uuid,
        parents=named(document["Parents"]),
        children=named(document["Children"]),
        branch=document["Branch"] or MASTER,
        note=document["Note"],
        log=tuple(document["Log"] or ()),
        locked=document["Locked"],
        created=moment(document["Created"], f"$.DAG.Nodes.{uuid}.Created"),
        updated=moment(document["Updated"], f"$.DAG.Nodes.{uuid}.Updated"),
    )
