"""Boxes on the grid of a store: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pyvolume.model.box import Box
from pyvolume.stores.base import StoreTraits


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
    layers = _layers(box, grid, most, most_cells)
    if layers is None:
        yield box
        return
    for piece in box.split(*layers):
        yield from cut(piece, grid, most, most_cells)


def kinds(box: Box, grid: Sequence[int], most: int, most_cells: int | None = None) -> Iterator[tuple[Box, int]]:
    """Give one box of each size that `cut` makes, and how many of it there are: pieces between two others are alike."""
    layers = _layers(box, grid, most, most_cells)
    if layers is None:
        yield box, 1
        return
    axis, faces = layers[0], box.faces(*layers)
    low, high = box.start[axis], box.stop[axis]
    alike = [(low, faces[0], 1), (faces[-1], high, 1)] if faces else [(low, high, 1)]
    if len(faces) > 1:
        alike.insert(1, (faces[0], faces[1], len(faces) - 1))
    for first, last, number in alike:
        for piece, times in kinds(box.replaced(axis, first, last), grid, most, most_cells):
            yield piece, times * number


def _layers(box: Box, grid: Sequence[int], most: int, most_cells: int | None) -> tuple[int, int, int] | None:
    """Return along which axis to cut a box, at which distances and from where on; None for a box that stays whole."""
    if box.size <= most and (most_cells is None or cells_in(box, grid) <= most_cells):
        return None
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
        return axis, -(-even // cell) * cell, origin
    return None


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
