"""Plans: which boxes are asked for and which are sent; pure arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyvolume.box import Box
from pyvolume.store import StoreTraits

MERGE_WHOLE_BYTES = 16 << 20
"""An unaligned box is merged as a whole up to here: fewer requests beat fewer bytes."""

MERGE_PIECE_BYTES = 64 << 20
"""What is held in memory of a border that is merged."""


@dataclass(frozen=True, slots=True)
class WritePiece:
    """A block-aligned box to store; `merged` says that voxels of it are read back and kept."""

    box: Box
    merged: bool


def aligned(box: Box, grid: Sequence[int], traits: StoreTraits, bounds: Box) -> Box:
    """Return the smallest box around `box` that the store can move whole."""
    edges = zip(bounds.start, bounds.stop, traits.growable, strict=True)
    return box.aligned_to(grid, [None if growable else (low, high) for low, high, growable in edges])


def read_pieces(box: Box, traits: StoreTraits, bounds: Box, itemsize: int) -> list[Box]:
    """Return the boxes to ask for, so that together they cover `box` once; on the read grid."""
    whole = aligned(box, traits.read_grid, traits, bounds)
    return list(cut(whole, traits.read_grid, traits.max_read_bytes // itemsize))


def write_pieces(box: Box, traits: StoreTraits, bounds: Box, itemsize: int) -> list[WritePiece]:
    """Return what to store, so that together the pieces cover `box` once: whole blocks straight, borders merged."""
    grid = traits.write_grid
    whole = aligned(box, grid, traits, bounds)
    most = traits.max_write_bytes // itemsize
    merged_most = min(most, traits.max_read_bytes // itemsize, MERGE_PIECE_BYTES // itemsize)
    if whole == box:
        return [WritePiece(piece, merged=False) for piece in cut(box, grid, most)]
    inner = _whole_blocks_in(box, whole, grid)
    if inner is None or whole.size * itemsize <= MERGE_WHOLE_BYTES:
        return [WritePiece(piece, merged=True) for piece in cut(whole, grid, merged_most)]
    borders = (piece for border in _borders(whole, inner) for piece in cut(border, grid, merged_most))
    return [WritePiece(piece, merged=False) for piece in cut(inner, grid, most)] + [
        WritePiece(piece, merged=True) for piece in borders
    ]


def cut(box: Box, grid: Sequence[int], most: int) -> Iterator[Box]:
    """Cut a box on a grid into boxes of about equal size, along the slowest axis first.

    A box holds at most `most` voxels, or a single cell of the grid. In Fortran order a cut along the slowest axis
    leaves contiguous pieces.
    """
    if box.size <= most:
        yield box
        return
    for axis in reversed(range(box.ndim)):
        length, cell = box.shape[axis], grid[axis]
        origin = box.start[axis] // cell * cell
        if box.stop[axis] - origin <= cell:
            continue
        fitting = max(1, most // (box.size // length) // cell) * cell
        pieces = -(-(box.stop[axis] - origin) // fitting)
        even = -(-(box.stop[axis] - origin) // pieces)
        for piece in box.split(axis, -(-even // cell) * cell, origin):
            yield from cut(piece, grid, most)
        return
    yield box


def _whole_blocks_in(box: Box, whole: Box, grid: Sequence[int]) -> Box | None:
    """Return the part of `box` that consists of whole blocks; an edge shared with `whole` counts as aligned."""
    faces = []
    for low, high, outer_low, outer_high, cell in zip(box.start, box.stop, whole.start, whole.stop, grid, strict=True):
        a = low if low == outer_low else -(-low // cell) * cell
        b = high if high == outer_high else high // cell * cell
        if b <= a:
            return None
        faces.append((a, b))
    return Box(tuple(a for a, _ in faces), tuple(b for _, b in faces))


def _borders(whole: Box, inner: Box) -> Iterator[Box]:
    """Cut what is around `inner` into boxes, the slowest axis first."""
    rest = whole
    for axis in reversed(range(whole.ndim)):
        low, high = inner.start[axis], inner.stop[axis]
        if rest.start[axis] < low:
            yield rest.replaced(axis, rest.start[axis], low)
        if high < rest.stop[axis]:
            yield rest.replaced(axis, high, rest.stop[axis])
        rest = rest.replaced(axis, low, high)
