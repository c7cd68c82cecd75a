"""What a merge has lost, because several of its parents had written it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from pyvolume.comparing import compare
from pyvolume.dvid.versions.graph import Graph, Node, Uuid
from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model.box import Box
from pyvolume.volume import Volume

T = TypeVar("T")


class Values(Protocol):
    """Keys and values in one version."""

    def __iter__(self) -> Iterator[str]: ...

    def get_many(self, keys: Iterable[str], /) -> dict[str, bytes]: ...


def lost_blocks(graph: Graph, merged: Node, open_in: Callable[[Uuid], Volume]) -> dict[Uuid, list[Box]]:
    """Return the boxes of the blocks that a merge has lost, for each parent that has lost some.

    Parameters
    ----------
    graph : Graph
        The versions of the repository.
    merged : Node
        The merge.
    open_in : callable
        Opens the volume in a version.
    """
    before, here, sides = _opened(graph, merged, open_in)
    everywhere = functools.reduce(Box.union, [volume.bounds for volume in (here, *sides.values())])
    missing = {parent: compare(side, here, everywhere) for parent, side in sides.items()}
    common = set.intersection(*map(set, missing.values()))
    lost = {}
    for parent, difference in missing.items():
        if difference.bounds is not None:
            near = difference.bounds.aligned_to(difference.block_shape).intersection(everywhere)
            changed = common | set(compare(before, sides[parent], near))
            lost[parent] = [box for box in difference if box in changed]
    return {parent: boxes for parent, boxes in lost.items() if boxes}


def lost_keys(graph: Graph, merged: Node, open_in: Callable[[Uuid], Values]) -> dict[Uuid, list[str]]:
    """Return the keys that a merge has lost, as `lost_blocks` does; `open_in` returns the keys and values."""
    origin, here, sides = _opened(graph, merged, open_in)
    kept = set(here)
    missing = {parent: set(side) - kept for parent, side in sides.items()}
    common = set.intersection(*missing.values())
    before = origin.get_many(set.union(*missing.values()))
    lost = {}
    for parent, keys in missing.items():
        now = sides[parent].get_many(keys)
        lost[parent] = sorted(key for key in keys if key in common or now[key] != before.get(key))
    return {parent: keys for parent, keys in lost.items() if keys}


def _opened(graph: Graph, merged: Node, open_in: Callable[[Uuid], T]) -> tuple[T, T, dict[Uuid, T]]:
    """Return what is stored in the last common ancestor of the parents, in the merge, and in each parent."""
    origin = _origin(graph, merged)
    return open_in(origin), open_in(merged.uuid), {parent: open_in(parent) for parent in merged.parents}


def _origin(graph: Graph, merged: Node) -> Uuid:
    """Return the newest common ancestor of the parents of a merge, which may be one of the parents."""
    if len(merged.parents) < 2:
        raise UnsupportedError(
            f"find what version {merged.uuid[:8]} has lost: expected a merge and found {len(merged.parents)} parents"
        )
    lines = [dict.fromkeys((parent, *graph.ancestors(parent))) for parent in merged.parents]
    common = [each for each in lines[0] if all(each in line for line in lines)]
    if not common:
        raise MetadataError(
            f"find what version {merged.uuid[:8]} has lost: its parents have no common ancestor", path="$.DAG.Nodes"
        )
    return common[0]
