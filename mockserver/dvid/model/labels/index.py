"""The index of a body: how many voxels of which supervoxel each block has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.wire.geometry import Point

Counts = Mapping[int, int]
"""Voxels of each supervoxel."""

Deltas = dict[int, dict[Point, int]]
"""By how many voxels each supervoxel grows in each block."""


class IndexProblem(Exception):  # noqa: N818 - the real server writes it into its log
    """Raised for a change of an index that does not fit it."""


@dataclass(frozen=True)
class Changed:
    """Who changed a body last, and by which mutation."""

    mutation: int = 0
    user: str = ""
    app: str = ""
    time: str = ""


@dataclass(frozen=True)
class Index:
    """The blocks of a body; an index is replaced, never changed."""

    blocks: Mapping[Point, Counts] = field(default_factory=dict)
    changed: Changed = Changed()

    @property
    def supervoxels(self) -> dict[int, int]:
        """The voxels of each supervoxel, in ascending order of the supervoxels."""
        total: Counter[int] = Counter()
        for counts in self.blocks.values():
            total.update(counts)
        return dict(sorted(total.items()))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return sum(sum(counts.values()) for counts in self.blocks.values())

    def of_supervoxel(self, supervoxel: int) -> Index:
        """Return the part of one supervoxel."""
        found = {
            cell: {supervoxel: counts[supervoxel]} for cell, counts in self.blocks.items() if counts.get(supervoxel)
        }
        return replace(self, blocks=found)

    def plus(self, other: Index, changed: Changed) -> Index:
        """Return the index of this body with another one."""
        blocks = {cell: dict(counts) for cell, counts in self.blocks.items()}
        for cell, counts in other.blocks.items():
            blocks[cell] = blocks.get(cell, {}) | dict(counts)
        return Index(blocks, changed)

    def cleft(self, supervoxels: Iterable[int], changed: Changed) -> tuple[Index, Index]:
        """Return the index without some supervoxels, and the index of these."""
        chosen = set(supervoxels)
        parts = [
            {cell: {sv: count for sv, count in counts.items() if (sv in chosen) == inside}
             for cell, counts in self.blocks.items()}
            for inside in (False, True)
        ]  # fmt: skip
        rest, away = (Index({cell: counts for cell, counts in part.items() if counts}, changed) for part in parts)
        return rest, away


def modified(index: Index | None, label: int, deltas: Deltas) -> Index:
    """Return the index of a body after voxels changed.

    Like DVID, it ignores supervoxels that the index does not have; a new index has the one of its label.

    Raises
    ------
    IndexProblem
        If a block lost more voxels than it had.
    """
    index = index or Index()
    blocks = {cell: dict(counts) for cell, counts in index.blocks.items()}
    for supervoxel in {sv for counts in blocks.values() for sv in counts} or {label}:
        for cell, delta in deltas.get(supervoxel, {}).items():
            is_new = cell not in blocks
            counts = blocks.setdefault(cell, {})
            size = counts.pop(supervoxel, 0) + delta
            if size < 0:
                raise IndexProblem(f"{-delta} voxels of supervoxel {supervoxel} are too many for block {cell}")
            if size or is_new:  # a new block may have no voxels of it
                counts[supervoxel] = size
    return replace(index, blocks={cell: counts for cell, counts in blocks.items() if counts})


def counted(deltas: Deltas, cell: Point, block: NDArray[np.uint64], sign: int = 1) -> None:
    """Add the voxels of a block to `deltas`, or subtract them; 0 is no supervoxel."""
    for label, count in zip(*np.unique(block, return_counts=True), strict=True):
        if label:
            by_cell = deltas.setdefault(int(label), {})
            by_cell[cell] = by_cell.get(cell, 0) + sign * int(count)
