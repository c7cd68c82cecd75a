"""Sparse volumes of bodies, read from their blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.labels.bounds import Bounds
from mockserver.dvid.model.labels.index import Index
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.wire.geometry import Point
from mockserver.dvid.wire.labels import sparse
from mockserver.dvid.wire.labels.frames import show
from mockserver.dvid.wire.labels.native import SIDE
from mockserver.http.messages import Declined, Panic, Refused

Block = NDArray[np.uint64]


@dataclass(frozen=True)
class Body:
    """A body at one scale, within bounds.

    Parameters
    ----------
    labels, lineage : Labels, Lineage
        Where.
    supervoxels : ndarray of uint64
        What belongs to it.
    scale : int
        The scale.
    cells : list of tuple of int
        The blocks that have it, sorted by z, y, x.
    bounds : Bounds
        The bounds in voxels of this scale; none if whole blocks are wanted.
    """

    labels: Labels
    lineage: Lineage
    supervoxels: Block
    scale: int
    cells: list[Point]
    bounds: Bounds

    def stored(self) -> Iterator[tuple[Point, Block | None]]:
        """Yield the place of each block and its labels, None if it is not stored."""
        level = self.labels.level(self.scale)
        for cell in self.cells:
            block = level.block(self.lineage, cell)
            yield cell, None if block is None else block[0]

    def mask(self, block: Block) -> sparse.Mask:
        """Return which voxels of a block belong to the body."""
        return np.isin(block, self.supervoxels)

    def start(self, cell: Point) -> Point:
        """Return the first voxel of a block."""
        return tuple(index * side for index, side in zip(cell, self.labels.block_size, strict=True))

    def runs(self) -> bytes:
        """Return the runs; a run goes on in the next block along x.

        Raises
        ------
        Refused
            If a sub-block has no label; DVID makes no runs of such a block.
        Panic
            Where a real server ends: it cannot make runs of mixed sub-blocks below 0.
        """
        rows: list[tuple[Point, list[sparse.Mask]]] = []
        last: Point | None = None
        for cell, block in self.stored():
            if block is None or not (mask := self.mask(block)).any():
                continue
            self._check(cell, block)
            mask = self._bounded(cell, block, mask)
            if last is None or cell != (last[0] + 1, *last[1:]):
                rows.append((cell, []))
            rows[-1][1].append(mask)
            last = cell
        found = [sparse.runs_of(np.concatenate(masks), self.start(cell)).tobytes() for cell, masks in rows]
        return b"".join(found)

    def _check(self, cell: Point, block: Block) -> None:
        if self.labels.gaps.get(self.lineage, (self.scale, cell)):
            raise Refused(f"Sub-block with 0 labels detected: {show(cell)}\n")
        if min(cell) < 0 and not _uniform(block).all():
            raise Panic("a real server ends when it makes runs of a block below 0 that has several labels")

    def _bounded(self, cell: Point, block: Block, mask: sparse.Mask) -> sparse.Mask:
        """Return the mask within the bounds; DVID keeps the rest of a sub-block of one label behind the last x."""
        if not self.bounds.given:
            return mask
        x, y, z = self.bounds.within(self.start(cell), self.labels.block_size)
        if x.stop <= x.start:
            x = self._first_voxel(cell, block)
        kept = np.zeros_like(mask)
        kept[x, y, z] = mask[x, y, z]
        end = -(-x.stop // SIDE) * SIDE
        if x.start < x.stop < end and not _solid(block):
            single = np.repeat(np.repeat(_uniform(block)[end // SIDE - 1], SIDE, axis=0), SIDE, axis=1)[y, z]
            kept[x.stop : end, y, z] = mask[x.stop : end, y, z] & single
        return kept

    def _first_voxel(self, cell: Point, block: Block) -> slice:
        """Return what DVID takes of a block behind the last x, which it finds where it rounds bounds towards 0."""
        start, last = self.start(cell)[0], self.bounds.high[0]
        if _solid(block) and last is not None and last < start - 1:
            raise Declined(501, "a real server sends runs of negative lengths for these bounds")
        return slice(0, 0 if _solid(block) else 1)


def _solid(block: Block) -> bool:
    return bool((block == block.flat[0]).all())


def _uniform(block: Block) -> NDArray[np.bool_]:
    """Return which sub-blocks have one label only."""
    gx, gy, gz = (side // SIDE for side in block.shape)
    split = block.reshape((SIDE, gx, SIDE, gy, SIDE, gz), order="F")
    same: NDArray[np.bool_] = (split == split[:1, :, :1, :, :1, :]).all(axis=(0, 2, 4))
    return same


def cells_of(index: Index, scale: int, bounds: Bounds) -> list[Point]:
    """Return the blocks of a body at a scale, sorted by z, y, x; the bounds are in blocks."""
    cells = {tuple(at >> scale for at in cell) for cell, counts in index.blocks.items() if any(counts.values())}
    return sorted((cell for cell in cells if bounds.hold(cell)), key=lambda cell: cell[::-1])
