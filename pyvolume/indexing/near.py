"""Points in order of the cubes in which they lie: those near a box are found without a look at all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 64
"""Side of a cube in voxels, where their number fits into 64 bits."""

MOST_CUBES = 1 << 62


class Near:
    """Points sorted by the cube that holds them.

    Parameters
    ----------
    columns : sequence of ndarray
        The coordinates on each axis, 1-D and of one length, at least one point.
    """

    def __init__(self, columns: Sequence[NDArray[np.intp]]) -> None:
        lows, highs = ([int(edge(values)) for values in columns] for edge in (np.min, np.max))
        self._side = SIDE
        while math.prod(self._cubes(lows, highs)) >= MOST_CUBES:
            self._side *= 2
        self._first = [low // self._side for low in lows]
        self._counts = self._cubes(lows, highs)
        self._steps = [math.prod(self._counts[axis + 1 :]) for axis in range(len(columns))]
        numbers: NDArray[Any] = np.zeros(columns[0].size, np.int64)
        for values, first, step in zip(columns, self._first, self._steps, strict=True):
            numbers += (values // self._side - first) * step
        self._order = np.argsort(numbers, kind="stable")
        self._numbers = numbers[self._order]

    def _cubes(self, lows: Sequence[int], highs: Sequence[int]) -> list[int]:
        """Return how many cubes lie along each axis."""
        return [high // self._side - low // self._side + 1 for low, high in zip(lows, highs, strict=True)]

    def of(self, low: Sequence[int], high: Sequence[int]) -> NDArray[np.intp]:
        """Return the positions of all points in a box, and of some around it, in their own order."""
        sides = zip(low, high, self._first, self._counts, strict=True)
        spans = [
            (max(a // self._side - first, 0), min((b - 1) // self._side - first, count - 1))
            for a, b, first, count in sides
        ]
        if any(last < first for first, last in spans):
            return self._order[:0]
        if math.prod(last - first + 1 for first, last in spans[:-1]) > self._order.size:
            return np.arange(self._order.size)
        along = [np.arange(a, b + 1) * step for (a, b), step in zip(spans[:-1], self._steps, strict=False)]
        lines = np.zeros(1, np.int64)
        for each in along:
            lines = np.add.outer(lines, each).ravel()
        begins = np.searchsorted(self._numbers, lines + spans[-1][0], "left").tolist()
        ends = np.searchsorted(self._numbers, lines + spans[-1][1], "right").tolist()
        found = [self._order[begin:end] for begin, end in zip(begins, ends, strict=True) if begin < end]
        return np.sort(np.concatenate(found)) if found else self._order[:0]
