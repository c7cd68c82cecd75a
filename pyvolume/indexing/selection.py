"""A numpy key understood: the box to transfer and the indexing that is left to do.

Reading follows numpy's basic indexing and its pointwise rule for 1-D arrays. The key is only shifted and cropped to
the box; numpy itself applies what is left, so its rules hold by construction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import SelectionError, VoxelsMismatchError
from pyvolume.indexing.keys import Where, check_broadcast, clipped, growing, literal, spread
from pyvolume.model.box import Box

Item: TypeAlias = "int | slice | NDArray[np.intp] | EllipsisType | None"
"""One part of a key after sorting: an index, a slice, an index array, an Ellipsis of no axes, or a new axis."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one piece of a transfer has of a selection.

    Parameters
    ----------
    local : tuple
        The key of the selected voxels in the array of the piece.
    place : tuple
        Their place in the result, with the same axes as what `local` gives.
    is_whole : bool
        Whether they are all voxels of the piece, in its order.
    """

    local: tuple[Item, ...]
    place: tuple[slice | NDArray[np.intp], ...]
    is_whole: bool


@dataclass(frozen=True, eq=False)
class Selection:
    """A key understood.

    Parameters
    ----------
    box : Box
        The smallest box that encloses the selected voxels; empty where none is selected.
    where : tuple
        The absolute coordinates that each part of the key selects on its axis. None is a new axis. An Ellipsis selects
        nothing, but separates index arrays: numpy moves the axis of ``vol[[1, 2], ..., [3, 4]]`` to the front.
    """

    box: Box
    where: tuple[Where | EllipsisType | None, ...]

    @classmethod
    def of_box(cls, box: Box) -> Selection:
        """Select every voxel of a box."""
        return cls(box, tuple(map(range, box.start, box.stop)))

    @cached_property
    def local(self) -> tuple[Item, ...]:
        """The key to apply to the array of the box."""
        starts = iter(self.box.start)
        return tuple(item if item is None or item is Ellipsis else _shifted(item, next(starts)) for item in self.where)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result; of a key with a step or index arrays numpy finds it, on an array without memory."""
        if self.is_whole:
            # an integer leaves no axis
            axes = [range(1) if item is None else item for item in self.where]
            return tuple([len(axis) for axis in axes if isinstance(axis, range)])
        return np.empty((*self.box.shape, 0), np.uint8)[*self.local, :].shape[:-1]

    @cached_property
    def form(self) -> Literal["box", "flipped", "strided", "points"]:
        """How the selected voxels lie in the box.

        ``"box"``: all of them, in order, as in ``vol[0, 10:110, None]``. ``"flipped"``: all of them, an axis backwards,
        as in ``vol[:, ::-1]``. ``"strided"``: some of them, as in ``vol[:, ::2]``. ``"points"``: those of index
        arrays, as in ``vol[0, [3, 1, 3]]``.
        """
        if any(isinstance(item, np.ndarray) for item in self.where):
            return "points"
        steps = {item.step for item in self.where if isinstance(item, range) and len(item) > 1}
        return "box" if steps <= {1} else "flipped" if steps <= {1, -1} else "strided"

    @property
    def is_whole(self) -> bool:
        """Whether every voxel of the box is selected exactly once."""
        return self.form in {"box", "flipped"}

    @cached_property
    def size(self) -> int:
        """How many voxels are selected."""
        return self.box.size if self.is_whole else math.prod(self.shape)

    def simplified(self) -> tuple[Selection, Callable[[NDArray[Any]], NDArray[Any]]]:
        """Return a selection of the same voxels, and a view of an array of this shape in the shape of that selection.

        A key that selects every voxel of its box becomes the box: ``vol[0, ::-1]`` is read as a box into a flipped view
        of the result.
        """
        if self.is_whole and not self._has_all_axes:
            return Selection.of_box(self.box), self.in_box
        return self, lambda voxels: voxels

    def shaped_as(self, shape: Sequence[int]) -> Selection:
        """Select the same voxels in a result of this shape, which differs by axes of length 1; points stay as they are.

        Raises
        ------
        VoxelsMismatchError
            If it differs by more.
        """
        if tuple(shape) == self.shape:
            return self
        if [n for n in shape if n != 1] != [n for n in self.shape if n != 1]:
            raise VoxelsMismatchError(
                f"write voxels: expected an array of shape {self.shape} for {self.box} and found {tuple(shape)}"
            )
        if self.form == "points":
            return self
        # an axis of one voxel is dropped; each axis of length 1 of the result is a new one
        where: list[Where | None] = []
        ahead = list(shape)
        for item in self.by_axis:
            if isinstance(item, int) or len(item) == 1:
                where.append(item if isinstance(item, int) else int(item[0]))
                continue
            while ahead.pop(0) == 1:
                where.append(None)
            where.append(item)
        return Selection(self.box, (*where, *(None for _ in ahead)))

    def as_box(self) -> Box:
        """Return the box of a key without steps and lists.

        Raises
        ------
        SelectionError
            For any other key.
        """
        if self.form != "box":
            raise SelectionError("slices: expected a box, without steps and lists")
        return self.box

    @cached_property
    def by_axis(self) -> tuple[Where, ...]:
        """What is selected on each axis of the box."""
        return tuple(item for item in self.where if item is not None and item is not Ellipsis)

    def in_box(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """View an array with the axes of the result under those of the box, of which every voxel is selected.

        It can be the array of a piece, which is smaller on some axes.
        """
        back = (
            0 if item is None else np.newaxis if isinstance(item, int) else slice(None, None, _step(item))
            for item in self.where
            if item is not Ellipsis
        )
        return voxels[tuple(back)]

    def within(self, piece: Box) -> Part | None:
        """Return what is left of the key in a piece of the box, or None where it has no selected voxel."""
        if self._has_all_axes and self.box.contains(piece):  # vol[:, 10:110], and everything simplified to a box
            return Part((slice(None),) * piece.ndim, piece.slices_from(self.box.start), is_whole=True)
        points = self._points_in(piece)
        local: list[Item] = []
        place: list[slice | NDArray[np.intp]] = []
        sides = iter(zip(piece.start, piece.stop, strict=True))
        for item in self.where:
            if item is None:  # vol[:, None]: an axis of the result only
                local.append(item)
                place.append(slice(None))
            elif item is Ellipsis:  # vol[[1, 2], ..., [3, 4]]
                local.append(item)
            else:
                kept = _kept(item, points, *next(sides))
                if kept is None:
                    return None
                local.append(kept[0])
                place.extend([kept[1]] if kept[1] is not None else [])
        if points is not None:
            place.insert(self._points_axis, points)
        return Part(tuple(local), tuple(place), is_whole=False)

    @cached_property
    def _has_all_axes(self) -> bool:
        """Whether the result is the box itself, without an axis less or more."""
        return self.form == "box" and all(isinstance(item, range) for item in self.where)

    def _points_in(self, piece: Box) -> NDArray[np.intp] | None:
        """Return which points of the index arrays lie in a piece; None where the key has no index arrays."""
        inside: NDArray[np.bool_] | None = None
        for item, low, high in zip(self.by_axis, piece.start, piece.stop, strict=True):
            if isinstance(item, np.ndarray):
                here = (item >= low) & (item < high)
                inside = here if inside is None else inside & here
        return None if inside is None else np.flatnonzero(inside)

    @cached_property
    def _points_axis(self) -> int:
        """Where numpy puts the axis of the points: in their place if they stand together, else first."""
        advanced = [isinstance(item, (int, np.ndarray)) for item in self.where]
        first, last = advanced.index(True), len(advanced) - 1 - advanced[::-1].index(True)
        return first - sum(item is Ellipsis for item in self.where[:first]) if all(advanced[first : last + 1]) else 0

    @classmethod
    def for_reading(cls, key: object, shape: Sequence[int]) -> Selection:
        """Understand a key as numpy would for an array of this shape.

        Raises
        ------
        SelectionError
            Where numpy raises; also for scalar booleans, arrays of several axes, floats and text.
        """
        return _select(key, shape, lambda item, axis: clipped(item, axis, shape[axis]))

    @classmethod
    def for_writing(cls, key: object, shape: Sequence[int], growable: Sequence[bool]) -> Selection:
        """Understand a key as numpy would for the array after the assignment.

        An explicit non-negative index or stop beyond an axis that can grow is literal; negative and missing ones
        count from the present end.
        """

        def locate(item: Any, axis: int) -> Where:
            return growing(item, axis, shape[axis]) if growable[axis] else clipped(item, axis, shape[axis])

        return _select(key, shape, locate)

    @classmethod
    def of_coordinates(cls, key: object, bounds: Box) -> Selection:
        """Understand a key of literal voxel coordinates, of any sign, neither wrapped nor clipped.

        A missing start or stop is that of the bounds; boolean arrays are refused, because they have no coordinates.
        """
        return _select(key, bounds.shape, lambda item, axis: literal(item, axis, bounds.start[axis], bounds.stop[axis]))


def _select(key: object, shape: Sequence[int], locate: Callable[[Any, int], Where]) -> Selection:
    """Find where each part of the key lies by `locate(item, axis)`, and the box around that."""
    where: list[Where | EllipsisType | None] = []
    start: list[int] = []
    stop: list[int] = []
    for item in spread(key, len(shape)):
        if item is None or item is Ellipsis:
            where.append(item)
            continue
        place = locate(item, len(start))
        where.append(place)
        low, high = _faces(place)
        start.append(low)
        stop.append(high)
    check_broadcast(where)
    return Selection(Box(start, stop), tuple(where))


def _faces(where: Where) -> tuple[int, int]:
    """Return the first coordinate and the one behind the last."""
    if isinstance(where, int):
        return where, where + 1
    if isinstance(where, range):
        return (min(where[0], where[-1]), max(where[0], where[-1]) + 1) if where else (where.start, where.start)
    return (int(where.min()), int(where.max()) + 1) if where.size else (0, 0)


def _step(item: Where | EllipsisType | None) -> int:
    """Return the step of a range that has more than one voxel, and 1 of anything else."""
    return item.step if isinstance(item, range) and len(item) > 1 else 1


def _shifted(item: Where, origin: int) -> Item:
    """Turn coordinates into a key of an array that begins at `origin`."""
    if not isinstance(item, range):
        return item - origin
    if not item:
        return slice(0, 0)
    step, last = _step(item), item[-1] - origin
    if step > 0:
        return slice(item[0] - origin, last + 1, None if step == 1 else step)
    return slice(item[0] - origin, last - 1 if last else None, step)


def _kept(item: Where, points: NDArray[np.intp] | None, low: int, high: int) -> tuple[Item, slice | None] | None:
    """Return the part of a key between two coordinates and its place on its own axis of the result, if it has one."""
    if isinstance(item, int):  # vol[0]: no axis of the result
        return (item - low, None) if low <= item < high else None
    if isinstance(item, range):  # vol[10:110:3]
        first, last = _positions(item, low, high)
        return (_shifted(item[first:last], low), slice(first, last)) if first < last else None
    if points is None or not points.size:
        return None
    # vol[[5]] is stretched to the length of the other arrays, vol[[5, 7]] gives the points in the piece
    return (item if item.size == 1 else item[points]) - low, None


def _positions(item: range, low: int, high: int) -> tuple[int, int]:
    """Return the first position of a range whose coordinate is in ``low:high``, and the one behind the last."""
    step, start = item.step, item.start
    first, last = (low - start, high - start) if step > 0 else (high - 1 - start, low - 1 - start)
    return max(0, -(-first // step)), min(len(item), -(-last // step))
