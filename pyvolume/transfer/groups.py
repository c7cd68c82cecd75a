"""Groups of points: the cells of a grid that hold points, and those of them that one request fetches together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyvolume.stores.base import SKIP_BYTES

CELL_BYTES = 256 << 10
"""The least size of a cell where the store has no blocks."""

LISTED = 1024
"""Groups that become Python numbers at once."""

Corners = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True)
class Cells:
    """How points are grouped, with an entry for each axis.

    Parameters
    ----------
    shape : sequence of int
        Of a cell, a multiple of the grid.
    grid : sequence of int
        Faces of what is fetched lie on it.
    nbytes : int
        Bytes of a voxel, with all that lies behind it along other axes.
    most : int
        Bytes that one request fetches at most of several cells.
    """

    shape: Sequence[int]
    grid: Sequence[int]
    nbytes: int
    most: int

    def along(self, axes: Sequence[int], whole: Sequence[int]) -> Cells:
        """Return the cells along some axes; what is fetched has the lengths of `whole` along the others."""
        behind = math.prod(n for axis, n in enumerate(whole) if axis not in axes)
        shape = _cubes(self.shape, whole, self.nbytes)
        return Cells(
            [shape[axis] for axis in axes], [self.grid[axis] for axis in axes], self.nbytes * behind, self.most
        )


class Groups:
    """Boxes around points, one for each cell or each run of neighbouring cells that hold points.

    What is fetched of a cell is the smallest box around its points: the server has to find the same blocks for it, and
    sends less. A cell without points is in no box.

    Parameters
    ----------
    columns : sequence of ndarray
        The coordinates of the points on each axis, 1-D and of one length, at least one point.
    cells : Cells
        How they are grouped.
    """

    def __init__(self, columns: Sequence[NDArray[np.intp]], cells: Cells) -> None:
        place = np.stack([values // side for values, side in zip(columns, cells.shape, strict=True)])
        order = np.lexsort(place)
        place = place[:, order]
        firsts = np.flatnonzero(np.concatenate(([True], (place[:, 1:] != place[:, :-1]).any(axis=0))))
        lows = [
            np.minimum.reduceat(values[order], firsts) // n * n for values, n in zip(columns, cells.grid, strict=True)
        ]
        highs = [
            -(-(np.maximum.reduceat(values[order], firsts) + 1) // n) * n
            for values, n in zip(columns, cells.grid, strict=True)
        ]
        first = place[:, firsts]
        found = _Runs(first, first + 1, np.stack(lows), np.stack(highs))
        for axis in range(len(columns)):
            found = found.joined(axis, cells)
        order = np.lexsort(found.low)
        self._low, self._high = found.low[:, order], found.high[:, order]

    @property
    def largest(self) -> int:
        """How many voxels the largest box has along these axes."""
        return int(np.prod((self._high - self._low).astype(float), axis=0).max())

    def __len__(self) -> int:
        return len(self._low.T)

    def __iter__(self) -> Iterator[Corners]:
        for at in range(0, len(self), LISTED):
            part = slice(at, at + LISTED)
            yield from zip(self._low[:, part].T.tolist(), self._high[:, part].T.tolist(), strict=True)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of cells: the first cell of each and the one behind the last, and the box around its points."""

    first: NDArray[np.intp]
    last: NDArray[np.intp]
    low: NDArray[np.intp]
    high: NDArray[np.intp]

    def joined(self, axis: int, cells: Cells) -> _Runs:
        """Join neighbours along an axis, with the same faces otherwise, where one request costs less than several."""
        others = [at for at in range(len(self.first)) if at != axis]
        faces = np.concatenate([self.first[others], self.last[others]])
        runs = self._taken(np.lexsort(np.concatenate([self.first[axis : axis + 1], faces])))
        faces = np.concatenate([runs.first[others], runs.last[others]])
        follows = (faces[:, 1:] == faces[:, :-1]).all(axis=0) & (runs.first[axis, 1:] == runs.last[axis, :-1])
        begins = np.concatenate(([True], ~follows))
        if begins.all():
            return self
        sides = np.array(cells.shape, float)[:, np.newaxis]
        layer = np.prod(((runs.last - runs.first) * sides)[others], axis=0) * sides[axis] * cells.nbytes
        # neighbours have layers of one size
        position = np.arange(begins.size) - np.maximum.accumulate(np.where(begins, np.arange(begins.size), 0))
        begins |= position % np.maximum(1, cells.most // layer).astype(np.intp) == 0
        firsts = np.flatnonzero(begins)
        counts = np.diff(np.append(firsts, begins.size))
        apart = np.add.reduceat(runs.sizes, firsts) + (counts - 1.0) * SKIP_BYTES / cells.nbytes
        return runs.together(begins | np.repeat(runs.together(begins).sizes > apart, counts))

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Voxels in the box of each."""
        found: NDArray[np.float64] = np.prod((self.high - self.low).astype(float), axis=0)
        return found

    def together(self, begins: NDArray[np.bool_]) -> _Runs:
        """Put each run to those before it, unless one begins there."""
        at = np.flatnonzero(begins)
        return _Runs(
            np.minimum.reduceat(self.first, at, axis=1),
            np.maximum.reduceat(self.last, at, axis=1),
            np.minimum.reduceat(self.low, at, axis=1),
            np.maximum.reduceat(self.high, at, axis=1),
        )

    def _taken(self, order: NDArray[np.intp]) -> _Runs:
        return _Runs(self.first[:, order], self.last[:, order], self.low[:, order], self.high[:, order])


def _cubes(blocks: Sequence[int], whole: Sequence[int], itemsize: int) -> Sequence[int]:
    """Return the shape of blocks, channel first; where there are none, that of cubes of `CELL_BYTES` in a box."""
    if any(side > 1 for side in blocks[1:]):
        return blocks
    sides, nbytes = list(blocks), itemsize * blocks[0]
    while nbytes < CELL_BYTES:
        longer = [axis for axis in range(1, len(sides)) if sides[axis] < whole[axis]]
        if not longer:
            break
        sides[min(longer, key=sides.__getitem__)] *= 2
        nbytes *= 2
    return sides
