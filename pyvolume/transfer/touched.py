"""The boxes that a selection touches, without what lies between its voxels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pyvolume.indexing.points import Points
from pyvolume.indexing.selection import Scattered, Selection
from pyvolume.model.box import Box
from pyvolume.stores.base import SKIP_BYTES
from pyvolume.transfer.groups import Cells, Groups

Faces = tuple[int, int]


@dataclass(frozen=True, eq=False)
class TouchedBoxes:
    """Boxes on the grid around the selected voxels, without what lies between them; made as they are needed.

    Along a step, an index array or a mask, gaps of less than `SKIP_BYTES` are not left out. Index arrays of several
    axes that are broadcast together name points: there are boxes around those of each cell, or of a run of neighbouring
    cells, and a cell without points is in no box.

    Parameters
    ----------
    selection : Selection
        The selected voxels.
    whole : Box
        The smallest box on the grid around the selection.
    cells : Cells
        The grid of the boxes, and the cells that points are grouped by.
    """

    selection: Selection
    whole: Box
    cells: Cells

    def __iter__(self) -> Iterator[Box]:
        points = self.selection.points
        grouped = () if points is None else tuple(points.together.values())
        axes = [axis for axis in range(self.whole.ndim) if not any(axis in each for each in grouped)]
        for box in self._around(self.whole, grouped):
            yield from self._parts(box, axes, points)

    @property
    def largest(self) -> int:
        """How many voxels a box has at most."""
        shape = dict(enumerate(self.whole.shape))
        for axes, groups in self._groups.items():
            shape = {axis: n for axis, n in shape.items() if axis not in axes}
            shape[axes[0]] = groups.largest
        return math.prod(shape.values())

    @cached_property
    def _groups(self) -> dict[tuple[int, ...], Groups]:
        """The points of each of the axes that vary together."""
        points = self.selection.points
        if points is None:
            return {}
        return {
            axes: Groups([points.along(axis) for axis in axes], self.cells.along(axes, self.whole.shape))
            for axes in points.together.values()
        }

    def _around(self, box: Box, grouped: Sequence[tuple[int, ...]]) -> Iterator[Box]:
        """Give a box around each group of points, or around each pair of groups of different axes."""
        if not grouped:
            yield box
            return
        axes = grouped[0]
        for lows, highs in self._groups[axes]:
            thinner = box
            for axis, low, high in zip(axes, lows, highs, strict=True):
                thinner = thinner.replaced(axis, max(low, box.start[axis]), min(high, box.stop[axis]))
            yield from self._around(thinner, grouped[1:])

    def _parts(self, box: Box, axes: Sequence[int], points: Points | None) -> Iterator[Box]:
        """Cut a box along the last of some axes and those before it, around the points inside."""
        if not axes:
            yield box
            return
        axis = axes[-1]
        where = self.selection.by_axis[axis]
        scattered = points if isinstance(where, Scattered) else None
        gap = max(1, SKIP_BYTES // (box.size // box.shape[axis] * self.cells.nbytes))
        for low, high in _runs(where if scattered is None else scattered.along(axis), self.cells.grid[axis], gap):
            thinner = box.replaced(axis, max(low, box.start[axis]), min(high, box.stop[axis]))
            inside = points if scattered is None else scattered.between(axis, low, high)
            yield from self._parts(thinner, axes[:-1], inside)


def _runs(where: Any, cell: int, gap: int) -> Iterator[Faces]:
    """Give the cells of one axis that hold selected voxels, joined where the gap between them is smaller."""
    if isinstance(where, int):
        where = range(where, where + 1)
    if isinstance(where, range):
        ends = sorted((where[0], where[-1]))
        if abs(where.step) < max(cell, gap):
            return iter([(ends[0] // cell * cell, ends[1] // cell * cell + cell)])
        # each voxel lies in a cell of its own
        starts = (at // cell * cell for at in range(ends[0], ends[1] + 1, abs(where.step)))
        return _joined(((start, start + cell) for start in starts), gap)
    cells = np.sort(where // cell)
    cells = cells[np.concatenate(([True], cells[1:] != cells[:-1]))]  # np.unique imports more of numpy
    parted = np.flatnonzero((np.diff(cells) - 1) * cell >= gap)
    first = cells[np.concatenate(([0], parted + 1))] * cell
    last = cells[np.concatenate((parted, [cells.size - 1]))] * cell + cell
    return zip(first.tolist(), last.tolist(), strict=True)


def _joined(ranges: Iterator[Faces], gap: int) -> Iterator[Faces]:
    """Join ranges, at least one, where the gap between them is smaller."""
    low, high = next(ranges)
    for start, stop in ranges:
        if start - high >= gap:
            yield low, high
            low = start
        high = stop
    yield low, high
