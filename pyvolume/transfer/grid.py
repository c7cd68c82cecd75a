"""Boxes on the grid of a store: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pyvolume.indexing.points import Points
from pyvolume.indexing.selection import Scattered, Selection
from pyvolume.model.box import Box
from pyvolume.stores.base import StoreTraits

SKIP_BYTES = 1 << 20
"""A gap between selected voxels is worth a request of its own from here: what it saves costs more than asking."""

Faces = tuple[int, int]


def aligned(box: Box, grid: Sequence[int], traits: StoreTraits, bounds: Box) -> Box:
    """Return the smallest box around `box` that the store can move whole."""
    edges = zip(bounds.start, bounds.stop, traits.growable, strict=True)
    return box.aligned_to(grid, [None if growable else (low, high) for low, high, growable in edges])


def grid_of(*chunks: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the first chunks that hold more than one voxel of a channel, if any do."""
    return next((each for each in chunks if math.prod(each[1:]) > 1), None)


def unit_grid(traits: StoreTraits) -> tuple[int, ...]:
    """Return the grid of what is stored as a unit: a library can merge chunks as this package merges blocks."""
    pairs = zip(traits.chunks, traits.write_grid, strict=True)
    return tuple(chunk if chunk % cell == 0 else cell for chunk, cell in pairs)


def parts_of(box: Box, whole: Box, shape: Sequence[int]) -> Iterator[Box]:
    """Cut a box into parts that lie in boxes of one shape, side by side from the lower corner of `whole` on."""

    def cut_along(part: Box, axis: int) -> Iterator[Box]:
        if axis < 0:
            yield part
            return
        for each in part.split(axis, shape[axis], whole.start[axis]):
            yield from cut_along(each, axis - 1)

    if box.size:
        yield from cut_along(box, box.ndim - 1)


def cut(box: Box, grid: Sequence[int], most: int, most_cells: int | None = None) -> Iterator[Box]:
    """Cut a box on a grid into boxes of about equal size, along the slowest axis first.

    A box holds at most `most` voxels, and parts of at most `most_cells` cells of the grid; or a single cell. In Fortran
    order a cut along the slowest axis leaves contiguous pieces.
    """
    if box.size <= most and (most_cells is None or cells_in(box, grid) <= most_cells):
        yield box
        return
    for axis in reversed(range(box.ndim)):
        length, cell = box.shape[axis], grid[axis]
        origin = box.start[axis] // cell * cell
        if box.stop[axis] - origin <= cell:
            continue
        layers = max(1, most // (box.size // length) // cell)
        if most_cells is not None:
            across = cells_in(box.replaced(axis, origin, origin + cell), grid)
            layers = min(layers, max(1, most_cells // across))
        pieces = -(-(box.stop[axis] - origin) // (layers * cell))
        even = -(-(box.stop[axis] - origin) // pieces)
        for piece in box.split(axis, -(-even // cell) * cell, origin):
            yield from cut(piece, grid, most, most_cells)
        return
    yield box


def cells_in(box: Box, grid: Sequence[int]) -> int:
    """Count the cells of the grid that a box touches."""
    return math.prod(-(-b // cell) - a // cell for a, b, cell in zip(box.start, box.stop, grid, strict=True))


def whole_blocks_in(box: Box, whole: Box, grid: Sequence[int]) -> Box | None:
    """Return the part of `box` that consists of whole blocks; an edge shared with `whole` counts as aligned."""
    start, stop = [], []
    for low, high, outer_low, outer_high, cell in zip(box.start, box.stop, whole.start, whole.stop, grid, strict=True):
        a = low if low == outer_low else -(-low // cell) * cell
        b = high if high == outer_high else high // cell * cell
        if b <= a:
            return None
        start.append(a)
        stop.append(b)
    return Box(start, stop)


def borders(whole: Box, inner: Box) -> Iterator[Box]:
    """Cut what is around `inner` into boxes, the slowest axis first."""
    rest = whole
    for axis in reversed(range(whole.ndim)):
        low, high = inner.start[axis], inner.stop[axis]
        if rest.start[axis] < low:
            yield rest.replaced(axis, rest.start[axis], low)
        if high < rest.stop[axis]:
            yield rest.replaced(axis, high, rest.stop[axis])
        rest = rest.replaced(axis, low, high)


def touched(selection: Selection, whole: Box, grid: Sequence[int], itemsize: int) -> Iterator[Box]:
    """Give boxes on the grid around the selected voxels, without the large gaps between them.

    Parameters
    ----------
    selection : Selection
        The selected voxels.
    whole : Box
        The smallest box on the grid around the selection.
    grid : sequence of int
        The size of a cell, one entry for each axis.
    itemsize : int
        Bytes of a voxel.
    """

    def part(box: Box, axis: int, points: Points | None) -> Iterator[Box]:
        """Cut a box along an axis and those before it, around the points inside."""
        if axis < 0:
            yield box
            return
        where = selection.by_axis[axis]
        scattered = points if isinstance(where, Scattered) else None
        gap = max(1, SKIP_BYTES // (box.size // box.shape[axis] * itemsize))
        for low, high in _runs(where if scattered is None else scattered.along(axis), grid[axis], gap):
            thinner = box.replaced(axis, max(low, box.start[axis]), min(high, box.stop[axis]))
            yield from part(thinner, axis - 1, points if scattered is None else scattered.between(axis, low, high))

    yield from part(whole, whole.ndim - 1, selection.points)


def _runs(where: Any, cell: int, gap: int) -> list[Faces]:
    """Return the cells of one axis that hold selected voxels, joined where the gap between them is smaller."""
    if isinstance(where, int):
        return [(where // cell * cell, where // cell * cell + cell)]
    if isinstance(where, range):
        if abs(where.step) < max(cell, gap):
            ends = sorted((where[0], where[-1]))
            return [(ends[0] // cell * cell, ends[1] // cell * cell + cell)]
        where = np.arange(where.start, where.stop, where.step)
    cells = np.unique(where // cell)
    parted = np.flatnonzero((np.diff(cells) - 1) * cell >= gap)
    first = cells[np.concatenate(([0], parted + 1))] * cell
    last = cells[np.concatenate((parted, [cells.size - 1]))] * cell + cell
    return list(zip(first.tolist(), last.tolist(), strict=True))
