"""A numpy key understood: the box to transfer and the indexing that is left to do.

Keys follow numpy's rules. The key is only shifted and cropped to a piece of the box; numpy itself applies what is left,
so its rules hold by construction.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import SelectionError, VoxelsMismatchError
from pyvolume.indexing.keys import Where, check_mask, clipped, fixed, growing, is_mask, literal, moved, spread
from pyvolume.indexing.points import Keys, Place, Points, points_of
from pyvolume.model.box import Box

Item: TypeAlias = "int | slice | NDArray[Any] | EllipsisType | None"
"""One part of the key of a piece: an index, a slice, an index array, an Ellipsis of no axes, or a new axis."""


MOST_AXES = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32
"""A numpy array has at most so many axes."""


class Scattered(enum.Enum):
    """Where a key has index arrays or masks, whose coordinates are in `Selection.points`."""

    AXIS = "an axis"
    BOOLEAN = "a single boolean, which covers no axis"


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
    points : Listed or Masked, optional
        The coordinates of all index arrays and masks together.
    hidden : int, optional
        An axis of the result that whoever gave the key does not know: the channel of `in_channel`.
    """

    box: Box
    where: tuple[range | int | Scattered | EllipsisType | None, ...]
    points: Points | None = None
    hidden: int | None = None

    @classmethod
    def of_box(cls, box: Box) -> Selection:
        """Select every voxel of a box."""
        return cls(box, tuple(map(range, box.start, box.stop)))

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        axes = [1 if item is None else len(item) for item in self.where if item is None or isinstance(item, range)]
        if self.points is not None:
            axes[self._points_axis : self._points_axis] = self.points.shape
        return tuple(axes)

    @property
    def ndim(self) -> int:
        """Number of axes of the result, also where one is longer than an array can be."""
        own = sum(item is None or isinstance(item, range) for item in self.where)
        return own if self.points is None else own + len(self.points.shape)

    @property
    def is_scalar(self) -> bool:
        """Whether the result is a single number, as of ``vol[0, 1, 2, 3]``, and not an array without axes."""
        return not self.shape and Ellipsis not in self.where

    @cached_property
    def form(self) -> Literal["box", "flipped", "strided", "points"]:
        """How the selected voxels lie in the box.

        ``"box"``: all of them, in order, as in ``vol[0, 10:110, None]``. ``"flipped"``: all of them, an axis backwards,
        as in ``vol[:, ::-1]``. ``"strided"``: some of them, as in ``vol[:, ::2]``. ``"points"``: those of index
        arrays, as in ``vol[0, [3, 1, 3]]``.
        """
        if self.points is not None:
            return "points"
        steps = {item.step for item in self.where if isinstance(item, range) and len(item) > 1}
        return "box" if steps <= {1} else "flipped" if steps <= {1, -1} else "strided"

    @cached_property
    def is_whole(self) -> bool:
        """Whether every voxel of the box is selected exactly once."""
        return self.form in {"box", "flipped"}

    @cached_property
    def size(self) -> int:
        """How many voxels are selected."""
        return self.box.size if self.is_whole else math.prod(self.shape)

    def simplified(self, voxels: NDArray[Any]) -> tuple[Selection, NDArray[Any]]:
        """Return a selection of the same voxels, and a view of an array of this shape in the shape of that selection.

        A key that selects every voxel of its box becomes the box: ``vol[0, ::-1]`` is read as a box into a flipped view
        of the result.
        """
        if self.is_whole and not self._has_all_axes:
            return Selection.of_box(self.box), self.in_box(voxels)
        return self, voxels

    def in_channel(self, number: int) -> Selection:
        """Return the same voxels of a volume with a channel in front; the axis of the channel is hidden."""
        box = Box((number, *self.box.start), (number + 1, *self.box.stop))
        points = None if self.points is None else self.points.behind(1)
        whole = Selection(box, (range(number, number + 1), *self.where), points)
        # index arrays that are parted put their axes in front of the channel
        hidden = 0 if points is None or whole._points_axis else len(points.shape)
        return dataclasses.replace(whole, hidden=hidden)

    def broadcast(self, values: NDArray[Any]) -> NDArray[Any]:
        """View values in the shape of the result, as numpy does: leading axes of length 1 may go.

        Raises
        ------
        VoxelsMismatchError
            With both shapes, without the hidden axis.
        """
        shape = tuple(n for axis, n in enumerate(self.shape) if axis != self.hidden)
        surplus = max(0, values.ndim - len(shape))
        try:
            if any(n != 1 for n in values.shape[:surplus]):
                raise ValueError
            spread = np.broadcast_to(values.reshape(values.shape[surplus:]) if surplus else values, shape)
        except ValueError:
            raise VoxelsMismatchError(
                f"write voxels: an array of shape {values.shape} does not fit what is assigned to, of shape {shape}"
            ) from None
        return spread if self.hidden is None else np.expand_dims(spread, self.hidden)

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
        where: list[range | int | None] = []
        ahead = list(shape)
        ranges = cast("tuple[range | int, ...]", self.by_axis)
        for item in ranges:
            if isinstance(item, int) or len(item) == 1:
                where.append(item if isinstance(item, int) else item[0])
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
    def by_axis(self) -> tuple[range | int | Scattered, ...]:
        """What is selected on each axis of the box."""
        return tuple(
            item for item in self.where if isinstance(item, (range, int, Scattered)) and item is not Scattered.BOOLEAN
        )

    @cached_property
    def axes(self) -> tuple[int | None, ...]:
        """The axis of the box for each axis of the result.

        None for a new axis, and for those of index arrays and masks that select on several axes together.
        """
        axis, found = 0, list[int | None]()
        for item in self.where:
            if item is None or isinstance(item, range):
                found.append(None if item is None else axis)
            axis += isinstance(item, (range, int)) or item is Scattered.AXIS
        if self.points is not None:
            covered = [axis for axis, item in enumerate(self.by_axis) if item is Scattered.AXIS]
            ours = covered if len(covered) == len(self.points.shape) == 1 else [None] * len(self.points.shape)
            found[self._points_axis : self._points_axis] = ours
        return tuple(found)

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
        found: tuple[Keys, Place] | None = ({}, ()) if self.points is None else self.points.within(piece)
        if found is None:
            return None
        local: list[Item] = []
        place: list[slice | NDArray[np.intp]] = []
        axis = 0
        for item in self.where:
            kept = _kept(item, piece, axis, found[0])
            if kept is None:
                return None
            local.extend(kept[0])
            place.extend(kept[1])
            axis += isinstance(item, (range, int)) or item is Scattered.AXIS
        if self.points is not None:
            place[self._points_axis : self._points_axis] = found[1]
        return Part(tuple(local), tuple(place), is_whole=False)

    def cropped(self, part: Part) -> Selection:
        """Select what a part has of this selection, which has no points."""
        places = iter(part.place)
        where = [item if isinstance(item, int) or item is Ellipsis else _at(item, next(places)) for item in self.where]
        faces = [_faces(item) for item in where if isinstance(item, (range, int))]
        return Selection(Box([low for low, _ in faces], [high for _, high in faces]), tuple(where))

    def touching(self, piece: Box) -> Box | None:
        """Return a piece that has a selected voxel."""
        return None if self.within(piece) is None else piece

    @cached_property
    def _has_all_axes(self) -> bool:
        """Whether the result is the box itself, without an axis less or more."""
        return self.form == "box" and all(isinstance(item, range) for item in self.where)

    @cached_property
    def _points_axis(self) -> int:
        """Where numpy puts the axis of the points; in their place if they are neighbours, else first."""
        advanced = [isinstance(item, (int, Scattered)) for item in self.where]
        first, last = advanced.index(True), len(advanced) - 1 - advanced[::-1].index(True)
        return first - sum(item is Ellipsis for item in self.where[:first]) if all(advanced[first : last + 1]) else 0

    @classmethod
    def for_reading(cls, key: object, shape: Sequence[int], dims: Sequence[str] = ()) -> Selection:
        """Understand a key as numpy would for an array of this shape; `dims` make the errors clearer.

        Raises
        ------
        SelectionError
            Where numpy raises.
        """
        return _select(key, shape, clipped, dims)

    @classmethod
    def for_writing(
        cls, key: object, shape: Sequence[int], growable: Sequence[bool], dims: Sequence[str] = ()
    ) -> Selection:
        """Understand a key as numpy would for the array after the assignment.

        An explicit non-negative index or stop beyond an axis that can grow is literal; negative and missing ones
        count from the present end.

        Raises
        ------
        SelectionError
            Where numpy raises; also for an explicit stop beyond an axis that cannot grow.
        """

        def locate(item: Any, axis: int, size: int, dim: str) -> Where:
            return growing(item, axis, size) if growable[axis] else fixed(item, axis, size, dim)

        return _select(key, shape, locate, dims)

    @classmethod
    def of_coordinates(cls, key: object, bounds: Box) -> Selection:
        """Understand a key of literal voxel coordinates, of any sign, neither wrapped nor clipped.

        A missing start or stop is that of the bounds; masks are refused, because they have no coordinates.
        """

        def locate(item: Any, axis: int, _size: int, _dim: str) -> Where:
            return literal(item, axis, bounds.start[axis], bounds.stop[axis])

        return _select(key, bounds.shape, locate, takes_masks=False)

    @classmethod
    def of_indices(cls, key: object, box: Box) -> Selection:
        """Understand a key as numpy would for the array of a box; masks are refused.

        Raises
        ------
        SelectionError
            Where numpy raises.
        """

        def locate(item: Any, axis: int, size: int, dim: str) -> Where:
            return moved(clipped(item, axis, size, dim), box.start[axis])

        return _select(key, box.shape, locate, takes_masks=False)


def _select(
    key: object,
    shape: Sequence[int],
    locate: Callable[[Any, int, int, str], Where],
    dims: Sequence[str] = (),
    *,
    takes_masks: bool = True,
) -> Selection:
    """Find where each part of the key lies by `locate(item, axis, size, dim)`, and the box around that."""
    where: list[range | int | Scattered | EllipsisType | None] = []
    start: list[int] = []
    stop: list[int] = []
    arrays: list[tuple[int, NDArray[Any]]] = []
    for item in spread(key, len(shape)):
        if item is None or item is Ellipsis:
            where.append(item)
            continue
        axis = len(start)
        if isinstance(item, np.ndarray):
            covered = 1
            if is_mask(item):
                covered = item.ndim
                check_mask(item, axis, shape[axis : axis + covered], takes_masks=takes_masks)
                arrays.append((axis, item))
            else:
                place = locate(item, axis, shape[axis], dims[axis] if dims else "")
                arrays.append((axis, cast("NDArray[np.intp]", place)))
            where += [Scattered.AXIS] * covered or [Scattered.BOOLEAN]
            start += [0] * covered
            stop += [0] * covered
        else:
            place = cast("range | int", locate(item, axis, shape[axis], dims[axis] if dims else ""))
            where.append(place)
            low, high = _faces(place)
            start.append(low)
            stop.append(high)
    if len(arrays) >= MOST_AXES:
        raise SelectionError(f"key: expected less than {MOST_AXES} index arrays and booleans and found {len(arrays)}")
    box, points = Box(start, stop), points_of(arrays) if arrays else None
    selection = Selection(box if points is None else _around(points, box), tuple(where), points)
    if selection.ndim > MOST_AXES:
        raise SelectionError(f"key: expected a result of at most {MOST_AXES} axes and found {selection.ndim}")
    return selection


def _around(points: Points, box: Box) -> Box:
    """Return a box with the faces of the points on the axes that they cover; an empty one without points."""
    if 0 in points.shape:
        return Box(box.start, box.start)
    for axis in points.axes:
        box = box.replaced(axis, *points.faces(axis))
    return box


def _faces(where: range | int) -> tuple[int, int]:
    """Return the first coordinate and the one behind the last."""
    if isinstance(where, int):
        return where, where + 1
    return (min(where[0], where[-1]), max(where[0], where[-1]) + 1) if where else (where.start, where.start)


def _at(item: object, place: object) -> range | None:
    """Return the coordinates at a place of an axis of the result; a new axis has none."""
    return item[place] if isinstance(item, range) and isinstance(place, slice) else None


def _step(item: object) -> int:
    """Return the step of a range that has more than one voxel, and 1 of anything else."""
    return item.step if isinstance(item, range) and len(item) > 1 else 1


def _shifted(item: range, origin: int) -> slice:
    """Turn coordinates, at least one, into a slice of an array that begins at `origin`."""
    step, last = _step(item), item[-1] - origin
    if step > 0:
        return slice(item[0] - origin, last + 1, None if step == 1 else step)
    return slice(item[0] - origin, last - 1 if last else None, step)


def _kept(item: object, piece: Box, axis: int, keys: Keys) -> tuple[tuple[Item, ...], tuple[slice, ...]] | None:
    """Return what is left of a part of a key in a piece, and its place on its own axis of the result, if it has one."""
    if isinstance(item, range):  # vol[10:110:3]
        low, high = piece.start[axis], piece.stop[axis]
        first, last = _positions(item, low, high)
        return ((_shifted(item[first:last], low),), (slice(first, last),)) if first < last else None
    if isinstance(item, int):  # vol[0]: no axis of the result
        return ((item - piece.start[axis],), ()) if piece.start[axis] <= item < piece.stop[axis] else None
    if item is Scattered.AXIS:
        return ((keys[axis],) if axis in keys else ()), ()
    if item is None:  # vol[:, None]: an axis of the result only
        return (None,), (slice(None),)
    return (Ellipsis if item is Ellipsis else True,), ()  # vol[[1, 2], ..., [3, 4]], vol[True]


def _positions(item: range, low: int, high: int) -> tuple[int, int]:
    """Return the first position of a range whose coordinate is in ``low:high``, and the one behind the last."""
    step, start = item.step, item.start
    first, last = (low - start, high - start) if step > 0 else (high - 1 - start, low - 1 - start)
    return max(0, -(-first // step)), min(len(item), -(-last // step))
