"""Voxels in blocks: a sparse layer of blocks for each version."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.wire.geometry import Box, Point
from mockserver.dvid.wire.octets import as_bytes

Block = NDArray[Any]
Layer = dict[Point, Block]
See = Callable[[Point, Block], Block]

# Volumes with other than three axes accept any box; these are the blocks in which they are kept.
PIECES = {1: (65536,), 2: (256, 256), 4: (32, 32, 8, 4), 5: (16, 16, 8, 4, 4)}


class Voxels:
    """The voxels of one instance in all its versions.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of one value, little-endian.
    channels : int
        Values per voxel.
    grid : tuple of int
        Shape of the blocks, without the channels.

    Notes
    -----
    A block in a layer is replaced, never changed: a reader sees a block before or after a write, never half of it.
    """

    def __init__(self, dtype: np.dtype[Any], channels: int, grid: Point) -> None:
        self.dtype = dtype
        self.channels = channels
        self.grid = grid
        self._layers: dict[int, Layer] = {}
        self._writing = threading.Lock()

    @property
    def voxel_bytes(self) -> int:
        """Bytes of one voxel on the wire."""
        return self.dtype.itemsize * self.channels

    def block(self, lineage: Lineage, cell: Point) -> Block | None:
        """Return the block that a version sees at a grid cell, its own or the nearest ancestor's."""
        return lineage.first(
            (version, layer[cell]) for version in lineage if cell in (layer := self._layers.get(version, {}))
        )

    def stored_cells(self, lineage: Lineage, box: Box) -> Iterator[Point]:
        """Yield the grid cells in `box` where a version may see a stored block, the first axis fastest."""
        ranges = box.cell_ranges(self.grid)
        layers = [self._layers[version] for version in lineage if version in self._layers]
        if math.prod(map(len, ranges)) <= sum(map(len, layers)):
            yield from box.cells(self.grid)
            return
        stored = {cell for layer in layers for cell in list(layer)}
        yield from sorted(
            (cell for cell in stored if all(at in among for at, among in zip(cell, ranges, strict=True))),
            key=lambda cell: cell[::-1],
        )

    def array(self, lineage: Lineage, box: Box, see: See | None = None) -> NDArray[Any]:
        """Return a copy of the voxels in `box`, channel first, Fortran order, zeros where nothing is stored.

        `see` may replace a stored block.
        """
        out = np.zeros((self.channels, *box.shape), self.dtype, order="F")
        for cell in () if box.misses(self.grid) else box.cells(self.grid):
            block = self.block(lineage, cell)
            if block is not None:
                inside, outside = _overlap(box, cell, self.grid)
                out[outside] = (see(cell, block) if see else block)[inside]
        return out

    def read(self, lineage: Lineage, box: Box, see: See | None = None) -> Iterator[memoryview]:
        """Yield the bytes of `box` in wire order, a few MiB at a time."""
        misses = box.misses(self.grid)
        for slab in box.slabs(self.voxel_bytes, self.grid):
            yield (
                memoryview(bytes(self.voxel_bytes * slab.size)) if misses else as_bytes(self.array(lineage, slab, see))
            )

    def stage(self, box: Box, fill: Callable[[memoryview], None]) -> Layer:
        """Read the voxels of `box` from `fill`, in wire order, and return them as blocks; nothing is stored yet."""
        staged: Layer = {}
        misses = box.misses(self.grid)
        for slab in box.slabs(self.voxel_bytes, self.grid):
            values = np.empty((self.channels, *slab.shape), self.dtype, order="F")
            fill(as_bytes(values))
            if misses:
                continue
            for cell in slab.cells(self.grid):
                if cell not in staged:
                    staged[cell] = np.zeros((self.channels, *self.grid), self.dtype, order="F")
                inside, outside = _overlap(slab, cell, self.grid)
                staged[cell][inside] = values[outside]
        return staged

    def store(self, lineage: Lineage, box: Box, staged: Layer) -> None:
        """Put staged blocks into the layer of the first version of `lineage`."""
        with self._writing:
            layer = self._layers.setdefault(lineage[0], {})
            for cell, block in staged.items():
                inside, _ = _overlap(box, cell, self.grid)
                before = None if _whole(inside, self.grid) else self.block(lineage, cell)
                if before is None:
                    layer[cell] = block
                    continue
                merged = before.copy(order="F")
                merged[inside] = block[inside]
                layer[cell] = merged


def _overlap(box: Box, cell: Point, grid: Point) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the part that `box` and a grid cell share: as slices of the block, and as slices of the box."""
    inside, outside = [slice(None)], [slice(None)]
    for start, count, index, side in zip(box.start, box.shape, cell, grid, strict=True):
        low, high = max(start, index * side), min(start + count, (index + 1) * side)
        inside.append(slice(low - index * side, high - index * side))
        outside.append(slice(low - start, high - start))
    return tuple(inside), tuple(outside)


def _whole(inside: tuple[slice, ...], grid: Point) -> bool:
    return all(part.start == 0 and part.stop == side for part, side in zip(inside[1:], grid, strict=True))
