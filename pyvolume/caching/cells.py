"""The blocks that a box touches, and the boxes that fetch missing ones: pure arithmetic."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

from pyvolume.model.box import Box
from pyvolume.stores.base import SKIP_BYTES


def cells_of(box: Box, grid: Sequence[int], edges: Sequence[tuple[int, int] | None]) -> Iterator[Box]:
    """Give the cells of a grid that a box touches, the first axis varies fastest.

    Parameters
    ----------
    box : Box
        Inside the edges.
    grid : sequence of int
        The shape of a cell.
    edges : sequence of (int, int) or None
        For an axis that cannot grow its first voxel and the one after the last: cells end there.
    """
    along: list[list[tuple[int, int]]] = []
    for low, high, side, edge in zip(box.start, box.stop, grid, edges, strict=True):
        faces = [(at, at + side) for at in range(low // side * side, high, side)]
        along.append(faces if edge is None else [(max(a, edge[0]), min(b, edge[1])) for a, b in faces])
    for sides in itertools.product(*reversed(along)):
        yield Box([low for low, _ in reversed(sides)], [high for _, high in reversed(sides)])


def joined(cells: Sequence[Box], itemsize: int) -> list[Box]:
    """Return few boxes that hold all cells: one more is made only where it saves `SKIP_BYTES`.

    Parameters
    ----------
    cells : sequence of Box
        At least one; they do not overlap.
    itemsize : int
        Bytes of a voxel.
    """
    whole = functools.reduce(Box.union, cells)
    if sum(cell.size for cell in cells) == whole.size:
        return [whole]
    found: list[Box] = []
    for box in _neighbours_joined(cells):
        together = found[-1].union(box) if found else box
        if found and (together.size - found[-1].size - box.size) * itemsize < SKIP_BYTES:
            found[-1] = together
        else:
            found.append(box)
    return found


def _neighbours_joined(cells: Sequence[Box]) -> list[Box]:
    """Join boxes that lie side by side and have the same faces otherwise, along one axis after the other."""
    boxes = list(cells)
    for axis in range(boxes[0].ndim):
        boxes.sort(key=lambda box, axis=axis: (*_beside(box, axis), box.start[axis]))  # type: ignore[misc]
        merged: list[Box] = []
        for box in boxes:
            last = merged[-1] if merged else None
            if last is not None and last.stop[axis] == box.start[axis] and _beside(last, axis) == _beside(box, axis):
                merged[-1] = last.replaced(axis, last.start[axis], box.stop[axis])
            else:
                merged.append(box)
        boxes = merged
    return sorted(boxes, key=lambda box: box.start[::-1])


def _beside(box: Box, axis: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the faces on all other axes."""
    return (
        tuple(low for at, low in enumerate(box.start) if at != axis),
        tuple(high for at, high in enumerate(box.stop) if at != axis),
    )
