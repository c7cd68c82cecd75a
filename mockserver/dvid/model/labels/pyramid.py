"""Lower scales of labels, by the server's rule."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.blocks import Layer, Voxels
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.wire.geometry import Box, Point
from mockserver.http.messages import Panic

Block = NDArray[np.uint64]
Octants = dict[int, Block]


def halve(block: Block) -> Block:
    """Return a block of half the size: the most frequent label but 0 of 2 x 2 x 2 voxels, of several the smallest."""
    x, y, z = (side // 2 for side in block.shape[-3:])
    votes = np.sort(
        block.reshape((2, x, 2, y, 2, z), order="F").transpose(1, 3, 5, 0, 2, 4).reshape(x, y, z, 8), axis=-1
    )
    run = np.zeros((x, y, z, 8), np.uint8)  # how often a label has come up to a place
    run[..., 0] = votes[..., 0] > 0
    for place in range(1, 8):
        again = votes[..., place] == votes[..., place - 1]
        run[..., place] = (run[..., place - 1] * again + 1) * (votes[..., place] > 0)
    best = run.argmax(axis=-1)  # of several the first, which is the smallest
    return np.asfortranarray(np.take_along_axis(votes, best[..., np.newaxis], axis=-1)[..., 0])


def build(lineage: Lineage, levels: list[Voxels], changed: Layer) -> None:
    """Make the blocks of each further level above changed blocks of the first one, and store them.

    Raises
    ------
    Panic
        For blocks at negative places that DVID takes for an octant below the first.
    """
    for finer, coarser in itertools.pairwise(levels):
        changed = {cell: _coarse(lineage, coarser, cell, octants) for cell, octants in _octants(changed).items()}
        for cell, block in changed.items():
            start = tuple(index * side for index, side in zip(cell, finer.grid, strict=True))
            coarser.store(lineage, Box(start, finer.grid), {cell: block})


def _octants(changed: Layer) -> dict[Point, Octants]:
    found: dict[Point, Octants] = {}
    for cell, block in changed.items():
        # DVID computes with the remainder of Go, which is negative below 0
        octant = sum(int(math.fmod(index, 2)) << axis for axis, index in enumerate(cell))
        if octant < 0:
            raise Panic(f"runtime error: index out of range [{octant}]")
        found.setdefault(tuple(index >> 1 for index in cell), {})[octant] = block
    return found


def _coarse(lineage: Lineage, coarser: Voxels, cell: Point, octants: Octants) -> Block:
    """Return a block after some of its octants changed."""
    shape = (1, *coarser.grid)
    values = {_solid(octants[octant]) if octant in octants else 0 for octant in range(8)}
    if len(values) == 1 and None not in values:  # also if octants are missing: what they had is lost
        return np.full(shape, values.pop(), np.uint64, order="F")
    before = coarser.block(lineage, cell) if len(octants) < 8 else None
    result = np.zeros(shape, np.uint64, order="F") if before is None else before.copy(order="F")
    for octant, block in octants.items():
        half = halve(block[0])
        low = (side * (octant >> axis & 1) for axis, side in enumerate(half.shape))
        x, y, z = (slice(a, a + side) for a, side in zip(low, half.shape, strict=True))
        result[0, x, y, z] = half
    return result


def _solid(block: Block) -> int | None:
    first = block.flat[0]
    return int(first) if (block == first).all() else None
