"""Writing voxels of labels: blocks, lower scales, extents, and the counts of the bodies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.blocks import Layer
from mockserver.dvid.model.labels import pyramid
from mockserver.dvid.model.labels.index import Deltas, Index, IndexProblem, counted, modified
from mockserver.dvid.model.labels.indexing import Indexing, Job
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.model.regions import Blocks
from mockserver.dvid.wire.geometry import Box, Point
from mockserver.dvid.wire.labels.frames import Positioned


@dataclass(frozen=True)
class Target:
    """The labels of one version, and the background in which they are counted."""

    labels: Labels
    lineage: Lineage
    indexing: Indexing

    def box_of(self, cell: Point) -> Box:
        """Return the box of a block."""
        sides = self.labels.block_size
        return Box(tuple(index * side for index, side in zip(cell, sides, strict=True)), sides)

    def put(self, scale: int, cell: Point, block: NDArray[np.uint64], *, gaps: bool = False) -> None:
        """Store one block."""
        self.labels.level(scale).store(self.lineage, self.box_of(cell), {cell: block})
        if gaps or self.labels.gaps.get(self.lineage, (scale, cell)):
            self.labels.gaps.put(self.lineage[0], {(scale, cell): gaps})


def write_voxels(target: Target, box: Box, data: bytes, region: Blocks | None, *, mutate: bool) -> None:
    """Store the voxels of a box; blocks outside a region stay.

    Parameters
    ----------
    target : Target
        Where.
    box : Box
        A box of whole blocks.
    data : bytes
        The voxels in wire order.
    region : Blocks, optional
        The blocks that may be written.
    mutate : bool
        True to subtract what the blocks had from the counts of the bodies.
    """
    labels = target.labels
    if labels.is_map:
        labels.grow_in_all(target.lineage, box)
    else:
        labels.grow(target.lineage, box)
    blocks = {cell: block for cell, block in _cut(target, box, data) if region is None or cell in region}
    deltas: Deltas = {}
    for cell, block in blocks.items():
        before = labels.voxels.block(target.lineage, cell) if mutate else None
        if labels.indexed:
            _count(deltas, cell, block, before)
        target.put(0, cell, block)
    if not labels.has_scales:
        return
    target.indexing.do(_counting(target, deltas, _largest(blocks)))
    pyramid.build(target.lineage, labels.pyramid(), blocks)


def write_blocks(target: Target, found: Iterator[Positioned], scale: int, *, downres: bool, index: bool) -> None:
    """Store native blocks.

    Raises
    ------
    Refused
        With DVID's text for a fault in the stream. The blocks before it are stored, but not counted.
    """
    labels = target.labels
    deltas: Deltas = {}
    blocks: Layer = {}
    low, high = labels.extents_in(target.lineage) or (None, None)
    for each in found:
        block = each.block.voxels[np.newaxis]
        target.put(scale, each.cell, block, gaps=each.block.gaps)
        if scale == 0:
            labels.numbers.saw(target.lineage, int(each.block.table.max()))
            box = target.box_of(each.cell)
            low, high = tuple(map(min, low or box.start, box.start)), tuple(map(max, high or box.last, box.last))
            blocks[each.cell] = block
            if labels.indexed and index:
                _count(deltas, each.cell, block, None)
    if index:
        _counting(target, deltas, 0)()  # a server answers when these blocks are counted
    if low is not None and high is not None:
        labels.grow(target.lineage, Box(low, tuple(b - a + 1 for a, b in zip(low, high, strict=True))))
    if downres:
        pyramid.build(target.lineage, labels.pyramid(), blocks)


def ingest(target: Target, found: Iterator[Positioned], scale: int) -> None:
    """Store native blocks and nothing else."""
    for each in found:
        target.put(scale, each.cell, each.block.voxels[np.newaxis], gaps=each.block.gaps)


def _cut(target: Target, box: Box, data: bytes) -> Iterator[tuple[Point, NDArray[np.uint64]]]:
    voxels = np.frombuffer(data, "<u8").reshape((1, *box.shape), order="F")
    for cell in box.cells(target.labels.block_size):
        block = target.box_of(cell)
        part = tuple(slice(a - b, a - b + n) for a, b, n in zip(block.start, box.start, block.shape, strict=True))
        yield cell, np.array(voxels[(slice(None), *part)], order="F")


def _count(deltas: Deltas, cell: Point, block: NDArray[np.uint64], before: NDArray[np.uint64] | None) -> None:
    if before is not None:
        counted(deltas, cell, before, -1)
    counted(deltas, cell, block)


def _largest(blocks: Layer) -> int:
    return max((int(block.max()) for block in blocks.values()), default=0)


def _counting(target: Target, deltas: Deltas, largest: int) -> Job:
    """Return the job that counts what was written."""
    labels, lineage = target.labels, target.lineage

    def job() -> None:
        labels.numbers.saw(lineage, largest)
        labels.numbers.note(lineage, max(deltas, default=0))
        found = {
            label: _counted(target, label, deltas) for label in {labels.counted_in(lineage, each) for each in deltas}
        }
        kept = {label: index for label, index in found.items() if index is not None}
        labels.bodies.put(lineage[0], kept, without=found)
        labels.numbers.saw(lineage, max(kept, default=0))

    return job


def _counted(target: Target, label: int, deltas: Deltas) -> Index | None:
    """Return the index of a body after a write; None if nothing is left of it."""
    before = target.labels.body(target.lineage, label)
    try:
        index = modified(before, label, deltas)
    except IndexProblem:
        return before  # the real server writes it into its log
    return index if index.blocks else None
