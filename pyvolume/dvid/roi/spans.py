"""Spans: a set of blocks as rows of (z, y, x0, x1), as DVID stores regions; arithmetic only.

Functions take and return normal spans, which `normalised` makes: sorted, disjoint, joined where they touch, as int64.
`x1` is the last block, not the one behind it. Blocks and voxels have the order (x, y, z).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.errors import MetadataError
from pyvolume.model.arguments import array_of
from pyvolume.model.box import Box

Numbers = NDArray[np.int64]

COLUMNS = "z, y, x0, x1"
"""The columns of a table of spans."""

Partial = Literal["raise", "include", "exclude"]

# Two block coordinates of 32 bits make one sortable number of 64 bits:
#     number = high * ROW + low + HALF        |  high: 32 bits  |  low + HALF: 32 bits, never below 0  |
#     (z, y) = (1, -1), (1, 0), (2, -5)  ->   1.5 ROW - 1,  1.5 ROW,  2.5 ROW - 5: the same order
HALF, ROW = 1 << 31, 1 << 32


def whole_numbers(action: str, values: ArrayLike, columns: str) -> Numbers:
    """Return a table of integers with these columns; an empty list is an empty table.

    Raises
    ------
    MetadataError
        For another shape, or numbers that are not whole.
    """
    table = array_of(values)
    count = columns.count(",") + 1
    if table.size == 0 and table.ndim < 3:
        return np.empty((0, count), np.int64)
    if table.ndim != 2 or table.shape[1] != count or table.dtype.kind not in "iu":
        raise MetadataError(
            f"{action}: expected rows of whole numbers ({columns}) and found {table.dtype} of shape {table.shape}"
        )
    if table.dtype.kind == "u" and table.max() > np.iinfo(np.int64).max:
        raise MetadataError(f"{action}: expected numbers of at most 64 bits with their sign and found {table.max()}")
    return table.astype(np.int64)


def normalised(action: str, values: ArrayLike) -> Numbers:
    """Sort spans, and join those that overlap or touch.

    Raises
    ------
    MetadataError
        For a span that ends before it begins, or lies beyond 32-bit coordinates. The server would store some of these,
        and empty the region for others.
    """
    table = whole_numbers(action, values, COLUMNS)
    for row in table[table[:, 3] < table[:, 2]][:1].tolist():
        raise MetadataError(f"{action}: a span (z, y, x0, x1) ends before it begins: {row}")
    for row in table[((table < -HALF) | (table >= HALF)).any(axis=1)][:1].tolist():
        raise MetadataError(f"{action}: coordinates of DVID are 32-bit integers, a span goes beyond: {row}")
    table = table[np.lexsort((table[:, 2], table[:, 1], table[:, 0]))]
    if not len(table):
        return table
    # spans (x0, x1) of two rows (z, y), sorted:   (0, 5) (2, 3) (6, 7) (9, 9) | (4, 4)
    # furthest x1 so far in the row, `reach`:        5      5      7      9    |   4
    # new, because x0 > reach before + 1:           yes     no     no    yes   |  yes  ->  (0, 7) (9, 9) | (4, 4)
    rows = _row_keys(table)
    begins_row = np.append(True, rows[1:] != rows[:-1])
    number = np.cumsum(begins_row) - 1
    # number * ROW keeps the maximum from crossing into the next row: rows are further apart than any two x
    reach = np.maximum.accumulate(number * ROW + table[:, 3])
    is_new = begins_row | np.append(True, (number * ROW + table[:, 2])[1:] > reach[:-1] + 1)
    first = np.flatnonzero(is_new)
    joined = table[first]
    joined[:, 3] = np.maximum.reduceat(table[:, 3], first)
    return joined


def of_blocks(action: str, values: ArrayLike) -> Numbers:
    """Return the spans of blocks (x, y, z), in any order and any number of times.

    Raises
    ------
    MetadataError
        As for `normalised`.
    """
    x, y, z = whole_numbers(action, values, "x, y, z").T
    return normalised(action, np.stack([z, y, x, x], axis=1))


def of_mask(
    action: str, mask: NDArray[Any], start: Sequence[int], block_shape: Sequence[int], partial: Partial
) -> Numbers:
    """Return the spans of the blocks that a mask of voxels (x, y, z) covers.

    Raises
    ------
    MetadataError
        If it covers some blocks in part, and `partial` does not say what to do with them.
    """
    if not mask.size:
        return normalised(action, [])
    first = [low // side for low, side in zip(start, block_shape, strict=True)]
    covered: NDArray[Any] = mask != 0
    for axis, (low, side) in enumerate(zip(start, block_shape, strict=True)):
        edges = np.append(0, np.arange(side - low % side, mask.shape[axis], side))
        covered = np.add.reduceat(covered, edges, axis=axis, dtype=np.int64)
    full = covered == np.prod(block_shape)
    touched = covered > 0
    in_part = np.argwhere(touched & ~full)
    if len(in_part) and partial == "raise":
        block = (in_part[0] + first).tolist()
        raise MetadataError(
            f"{action}: a region holds whole blocks of {tuple(block_shape)}; the mask covers {len(in_part)} of them in "
            f"part, such as the block (x, y, z) = {tuple(block)}; say partial='include' or 'exclude'"
        )
    return of_blocks(action, np.argwhere(full if partial == "exclude" else touched) + first)


def blocks_of(spans: Numbers) -> Numbers:
    """Return the blocks, one row (x, y, z) for each, in the order of the spans."""
    counts = spans[:, 3] - spans[:, 2] + 1
    z, y, x0 = np.repeat(spans[:, :3], counts, axis=0).T
    # spans (4, 6) (9, 10):   x0                    4  4  4  9  9
    #                         number of the block   0  1  2  3  4
    #                         blocks before         0  0  0  3  3    x = x0 + number - before: 4 5 6 9 10
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([x0 + np.arange(len(x0)) - before, y, z], axis=1)


def count(spans: Numbers) -> int:
    """Return the number of blocks."""
    return int((spans[:, 3] - spans[:, 2] + 1).sum())


def contain(spans: Numbers, blocks: Numbers) -> NDArray[np.bool_]:
    """Tell for each block, a row (x, y, z), whether it is in the spans."""
    inside: NDArray[np.bool_] = np.all((blocks >= -HALF) & (blocks < HALF), axis=1)
    if not len(spans):
        return np.zeros(len(blocks), np.bool_)
    # spans as sorted numbers (row, x0):   (0, 2)   (0, 7)   (1, 0)          a block (row, x) = (0, 8)
    # searchsorted finds the last span that does not begin behind the block:   ^ (0, 7)
    # the block is in it if the row is the same and x <= x1
    x, y, z = np.where(inside[:, None], blocks, 0).T
    rows, number = np.unique(_row_keys(spans), return_inverse=True)
    wanted = _row_keys(np.stack([z, y], axis=1))
    row = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    span = np.searchsorted(number * ROW + spans[:, 2] + HALF, row * ROW + x + HALF, side="right") - 1
    is_there: NDArray[np.bool_] = (rows[row] == wanted) & (number[span] == row) & (x <= spans[span, 3]) & (span >= 0)
    return inside & is_there


def fill_mask(spans: Numbers, start: Sequence[int], block_shape: Sequence[int], out: NDArray[Any]) -> None:
    """Set `out`, voxels (x, y, z) that begin at `start`, to 1 in the blocks and to 0 elsewhere."""
    axes = [np.arange(low, low + size) // side for low, size, side in zip(start, out.shape, block_shape, strict=True)]
    low, high = np.array([axis[0] for axis in axes]), np.array([axis[-1] for axis in axes])
    z, y, x0, x1 = spans.T
    near = (z >= low[2]) & (z <= high[2]) & (y >= low[1]) & (y <= high[1]) & (x1 >= low[0]) & (x0 <= high[0])
    z, y, x0, x1 = (spans[near] - low[[2, 1, 0, 0]]).T
    # spans (1, 2) and (5, 5) of a row:   x            0  1  2  3  4  5  6
    #                                     begin, end   0  1  0 -1  0  1 -1
    #                                     sum so far   0  1  1  0  0  1  0   which is the mask
    # normal spans of one row do not touch, therefore no begin falls on an end
    blocks = np.zeros(high - low + (2, 1, 1), np.int8)
    blocks[np.maximum(x0, 0), y, z] = 1
    blocks[np.minimum(x1 + 1, blocks.shape[0] - 1), y, z] -= 1
    blocks = np.cumsum(blocks, axis=0, dtype=np.int8)
    out[...] = blocks[np.ix_(*(axis - axis[0] for axis in axes))]


def bounding_box(spans: Numbers, block_shape: Sequence[int]) -> Box:
    """Return the smallest box of whole blocks around the spans, in voxels, channel axis first."""
    if not len(spans):
        return Box((0, 0, 0, 0), (1, 0, 0, 0))
    low = spans[:, [2, 1, 0]].min(axis=0) * block_shape
    high = (spans[:, [3, 1, 0]].max(axis=0) + 1) * block_shape
    return Box((0, *low.tolist()), (1, *high.tolist()))


def cells(spans: Numbers, side: int) -> tuple[Numbers, Numbers]:
    """Return the cubes of `side` blocks on a side that hold blocks, and how many of them.

    Returns
    -------
    ndarray, ndarray
        Cubes (x, y, z), in units of cubes, sorted by z, y, x; their numbers of blocks.
    """
    # a span (x0, x1) = (3, 9) and cubes of 4 blocks:   cube       0       1       2
    #                                                    blocks   3..3    4..7    8..9
    #                                                    held       1       4       2
    first, last = spans[:, 2] // side, spans[:, 3] // side
    pieces = np.repeat(spans, last - first + 1, axis=0)
    cube = blocks_of(np.stack([spans[:, 0], spans[:, 1], first, last], axis=1))[:, 0]
    held = np.minimum(pieces[:, 3], cube * side + side - 1) - np.maximum(pieces[:, 2], cube * side) + 1
    where, which = np.unique(
        np.stack([pieces[:, 0] // side, pieces[:, 1] // side, cube], axis=1), axis=0, return_inverse=True
    )
    counts = np.zeros(len(where), np.int64)
    np.add.at(counts, which.reshape(-1), held)
    return where[:, ::-1], counts


def _row_keys(table: Numbers) -> Numbers:
    """Return one number for each row (z, y), with the same order as the rows, see `ROW`."""
    keys: Numbers = table[:, 0] * ROW + table[:, 1] + HALF
    return keys
