"""Chunks of whole blocks, for libraries that compute chunk by chunk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from pyvolume.model.box import Box

Chunks = tuple[tuple[int, ...], ...]
"""The lengths of the chunks along each axis."""

CHUNK_BYTES = 64 << 20
"""A chunk of this size costs more than a task of dask, and several of them fit into memory."""


def chunk_shape(box: Box, grid: Sequence[int], most: int) -> tuple[int, ...]:
    """Return the shape of chunks of whole blocks.

    Parameters
    ----------
    box : Box
        What is cut.
    grid : sequence of int
        The shape of a block.
    most : int
        Voxels in a chunk; a chunk holds at least one block.

    Examples
    --------
    >>> box = Box((0, 0, 0, 0), (1, 1000, 1000, 100))
    >>> chunk_shape(box, (1, 64, 64, 64), 1 << 24)
    (1, 512, 256, 128)
    """
    whole = box.aligned_to(grid).shape
    shape = tuple(max(1, min(sides)) for sides in zip(grid, whole, strict=True))
    while larger := [each for each in _doubled(shape, whole) if math.prod(each) <= most]:
        shape = larger[0]
    return shape


def _doubled(shape: tuple[int, ...], whole: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Give the shapes that are twice as long along one axis, the shortest side first."""
    for axis in sorted(range(len(shape)), key=shape.__getitem__):
        if shape[axis] < whole[axis]:
            yield (*shape[:axis], min(2 * shape[axis], whole[axis]), *shape[axis + 1 :])


def chunks_of(box: Box, shape: Sequence[int], grid: Sequence[int]) -> Chunks:
    """Cut each axis of a box at whole blocks, at distances of `shape` rounded up to whole blocks.

    Examples
    --------
    >>> chunks_of(Box((0, 10), (1, 300)), (1, 100), (1, 64))
    ((1,), (118, 128, 44))
    """
    found = []
    for axis, (side, cell) in enumerate(zip(shape, grid, strict=True)):
        low, high = box.start[axis], box.stop[axis]
        faces = [low, *box.faces(axis, -(-side // cell) * cell, low // cell * cell), high]
        found.append(tuple(b - a for a, b in itertools.pairwise(faces)))
    return tuple(found)


def merged(chunks: Chunks, box: Box, grid: Sequence[int]) -> Chunks:
    """Move the ends of chunks of a box down to the nearest ends of blocks.

    Examples
    --------
    >>> merged(((1,), (30, 30, 30, 30)), Box((0, 10), (1, 130)), (1, 64))
    ((1,), (54, 66))
    """
    found = []
    for axis, (lengths, cell) in enumerate(zip(chunks, grid, strict=True)):
        low, high = box.start[axis], box.stop[axis]
        faces = (face // cell * cell for face in itertools.accumulate(lengths[:-1], initial=low))
        inside = sorted({face for face in faces if low < face < high})
        found.append(tuple(b - a for a, b in itertools.pairwise([low, *inside, high])))
    return tuple(found)
