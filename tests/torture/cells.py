"""Cells: boxes that do not fit the blocks of a volume, and share none of their voxels."""

from __future__ import annotations

from pyvolume import Box

BLOCK = 32
SHAPE = (192, 128, 64)
SIDE = 20
"""Voxels of a cell along each axis: most blocks hold parts of eight cells."""

SLAB = 64
"""Voxels along x that belong to the threads of one process, where they share no block with another process."""

CHILD_SLAB = 32
"""Voxels along x behind them that belong to its children."""


def own_cells(process: int) -> list[Box]:
    """Return the cells in the slab of one process; the last one is for its children."""
    start = process * (SLAB + CHILD_SLAB)
    return [*_cells(start, SLAB), _cells(start + SLAB, CHILD_SLAB)[0]]


def all_cells() -> list[Box]:
    """Return cells in the whole volume."""
    return _cells(0, SHAPE[0])


def _cells(start: int, length: int) -> list[Box]:
    return [
        Box((0, x, y, z), (1, x + SIDE, y + SIDE, z + SIDE))
        for x in range(start, start + length - SIDE + 1, SIDE)
        for y in range(0, SHAPE[1] - SIDE + 1, SIDE)
        for z in range(0, SHAPE[2] - SIDE + 1, SIDE)
    ]
