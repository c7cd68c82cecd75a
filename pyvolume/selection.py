"""A numpy key understood: the box to transfer and the indexing that is left to do.

Reading follows numpy's basic indexing and its pointwise rule for 1-D arrays. The key is only shifted and cropped to
the box; numpy itself applies what is left, so its rules hold by construction.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.box import Box
from pyvolume.errors import SelectionError

Item: TypeAlias = "int | slice | NDArray[np.intp] | EllipsisType | None"
"""One part of a key after sorting: an index, a slice, an index array, an Ellipsis of no axes, or a new axis."""

Where: TypeAlias = "range | int | NDArray[np.intp]"
"""Which coordinates of an axis one part of a key selects."""


@dataclass(frozen=True, eq=False)
class Selection:
    """A key understood.

    Parameters
    ----------
    box : Box
        The smallest box that encloses the selected voxels; empty where none is selected.
    local : tuple
        The key to apply to the array of that box.
    """

    box: Box
    local: tuple[Item, ...]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result, found by numpy on an array without memory."""
        return np.empty((*self.box.shape, 0), np.uint8)[*self.local, :].shape[:-1]

    @property
    def is_plain(self) -> bool:
        """Whether the result is the box itself, but for axes of length 1 taken away or added."""
        return self.covers_box and all(not isinstance(item, slice) or item.step is None for item in self.local)

    @property
    def covers_box(self) -> bool:
        """Whether every voxel of the box is selected exactly once, on any axis forwards or backwards."""
        return all(
            not isinstance(item, np.ndarray) and (not isinstance(item, slice) or item.step in {None, -1})
            for item in self.local
        )

    def in_box(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """View an array of the result's shape in the shape of the box; for a selection that covers it."""
        back = (0 if item is None else np.newaxis if isinstance(item, int) else item for item in self.local)
        return voxels[tuple(back)]

    @classmethod
    def for_reading(cls, key: object, shape: Sequence[int]) -> Selection:
        """Understand a key as numpy would for an array of this shape.

        Raises
        ------
        SelectionError
            Where numpy raises; also for scalar booleans, arrays of several axes, floats and text.
        """
        return _select(key, shape, lambda item, axis: _clipped(item, axis, shape[axis]))

    @classmethod
    def for_writing(cls, key: object, shape: Sequence[int], growable: Sequence[bool]) -> Selection:
        """Understand a key as numpy would for the array after the assignment.

        An explicit non-negative index or stop beyond an axis that can grow is literal; negative and missing ones
        count from the present end.
        """

        def locate(item: Any, axis: int) -> Where:
            if not growable[axis]:
                return _clipped(item, axis, shape[axis])
            literal = _from_present_end(item, shape[axis])
            return _clipped(literal, axis, _grown(literal, shape[axis]))

        return _select(key, shape, locate)

    @classmethod
    def of_coordinates(cls, key: object, bounds: Box) -> Selection:
        """Understand a key of literal voxel coordinates, of any sign, neither wrapped nor clipped.

        A missing start or stop is that of the bounds; boolean arrays are refused, because they have no coordinates.
        """
        return _select(
            key, bounds.shape, lambda item, axis: _literal(item, axis, bounds.start[axis], bounds.stop[axis])
        )


def _select(key: object, shape: Sequence[int], locate: Callable[[Any, int], Where]) -> Selection:
    """Find where each part of the key lies by `locate(item, axis)`, and crop it to the box around that."""
    start: list[int] = []
    stop: list[int] = []
    local: list[Item] = []
    for item in _spread(key, len(shape)):
        if item is None or item is Ellipsis:
            local.append(item)
            continue
        low, high, rest = _cropped(locate(item, len(start)))
        start.append(low)
        stop.append(high)
        local.append(rest)
    _check_broadcast(local)
    return Selection(Box(tuple(start), tuple(stop)), tuple(local))


def _cropped(where: Where) -> tuple[int, int, Item]:
    """Return the first coordinate, the one behind the last, and what is left of the key between them."""
    if isinstance(where, int):
        return where, where + 1, 0
    if isinstance(where, range):
        if not where:
            return where.start, where.start, slice(None)
        low, high = min(where[0], where[-1]), max(where[0], where[-1]) + 1
        return low, high, slice(None, None, None if where.step == 1 or high - low == 1 else where.step)
    if not where.size:
        return 0, 0, where
    low = int(where.min())
    return low, int(where.max()) + 1, where - low


def _spread(key: object, ndim: int) -> list[Any]:
    """Return the parts of a key, with an Ellipsis and missing axes replaced by full slices."""
    items = [_sorted_out(item) for item in (key if isinstance(key, tuple) else (key,))]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise SelectionError("key: an index can only have one ellipsis ('...')")
    missing = ndim - sum(item is not None and item is not Ellipsis for item in items)
    if missing < 0:
        raise SelectionError(f"key: too many indices: the volume has {ndim} axes, the key names {ndim - missing}")
    at = dots[0] if dots else len(items)
    # an Ellipsis of no axes still parts the index arrays beside it
    filling: list[Any] = [slice(None)] * missing or [Ellipsis] * len(dots)
    return items[:at] + filling + items[at + len(dots) :]


def _sorted_out(item: object) -> object:
    """Let pass what can be part of a key; turn lists into arrays and index-like scalars into int."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        return slice(*(None if part is None else _index(part, "slice") for part in (item.start, item.stop, item.step)))
    if isinstance(item, (list, tuple, range)):
        return _index_array(item)
    if isinstance(item, np.ndarray) and item.ndim:
        return _index_array(item)
    return _index(item, "index")


def _index(value: object, what: str) -> int:
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, np.ndarray) and value.dtype == bool):
        raise SelectionError(f"key: a single boolean is no {what}: {value!r}")
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise SelectionError(
            f"key: {what} must be integers, slices, one '...', None or 1-D integer or boolean arrays, not {value!r}"
        ) from None


def _index_array(item: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    try:
        array = np.asarray(item) if len(item) or isinstance(item, np.ndarray) else np.empty(0, np.intp)
    except ValueError:
        raise SelectionError(f"key: a ragged list is no index: {item!r}") from None
    if array.ndim != 1:
        raise SelectionError(
            f"key: index arrays have one axis, not {array.ndim}; read the box with slices and apply the mask to it"
        )
    if array.dtype.kind not in "biu":
        raise SelectionError(f"key: index arrays hold integers or booleans, not {array.dtype}")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.intp).max:
        raise SelectionError(f"key: index {array.max()} is out of bounds")
    return array if array.dtype == bool else array.astype(np.intp)


def _check_broadcast(local: Sequence[Item]) -> None:
    """Refuse index arrays of different lengths, as numpy does; a length of 1 is stretched."""
    lengths = {item.size for item in local if isinstance(item, np.ndarray)} - {1}
    if len(lengths) > 1:
        raise SelectionError(f"key: index arrays of different lengths: {sorted(lengths)}")


def _checked_range(item: slice, axis: int, size: int) -> range:
    if item.step == 0:
        raise SelectionError(f"key: a slice step cannot be 0 (axis {axis})")
    return range(*item.indices(size))


def _clipped(item: Any, axis: int, size: int) -> Where:
    """Find the coordinates of one part of a key on an axis of this size, by numpy's rules."""
    if isinstance(item, slice):
        return _checked_range(item, axis, size)
    if isinstance(item, int):
        _check_inside(item, axis, size)
        return int(item) % size
    if item.dtype == bool:
        if item.size != size:
            raise SelectionError(f"key: a boolean array of length {item.size} on axis {axis} of length {size}")
        return np.flatnonzero(item)
    if item.size:
        _check_inside(int(item.min()), axis, size)
        _check_inside(int(item.max()), axis, size)
    wrapped: NDArray[np.intp] = np.where(item < 0, item + size, item)
    return wrapped


def _check_inside(index: int, axis: int, size: int) -> None:
    if not -size <= index < size:
        raise SelectionError(f"key: index {index} is out of bounds for axis {axis} with size {size}")


def _from_present_end(item: Any, size: int) -> Any:
    """Resolve what counts from the present end, so that the rest can be taken literally."""
    if isinstance(item, int):
        return item + size if -size <= item < 0 else item
    if isinstance(item, slice):
        return _slice_from_present_end(item, size)
    return item if item.dtype == bool else np.where((item < 0) & (item >= -size), item + size, item)


def _slice_from_present_end(item: slice, size: int) -> slice:
    def resolved(index: int) -> int:
        return index if index >= 0 else index + size

    if item.step is None or item.step >= 0:
        start = 0 if item.start is None else max(0, resolved(item.start))
        return slice(start, size if item.stop is None else max(0, resolved(item.stop)), item.step)
    start = size - 1 if item.start is None else resolved(item.start)
    if start < 0:
        return slice(0, 0)
    stop = None if item.stop is None else resolved(item.stop)
    return slice(start, stop if stop is None or stop >= 0 else None, item.step)


def _grown(item: Any, size: int) -> int:
    """Return how long an axis is after the assignment; `item` comes from `_from_present_end`."""
    if isinstance(item, slice):
        last: int = item.stop if item.step is None or item.step > 0 else item.start + 1
        return max(size, last)
    if isinstance(item, int):
        return max(size, item + 1)
    return size if item.dtype == bool else max(size, int(np.max(item, initial=-1)) + 1)


def _literal(item: Any, axis: int, low: int, high: int) -> Where:
    """Find the coordinates of one part of a key that is meant literally."""
    if isinstance(item, slice):
        step = 1 if item.step is None else item.step
        if step == 0:
            raise SelectionError(f"key: a slice step cannot be 0 (axis {axis})")
        first, last = (low, high) if step > 0 else (high - 1, low - 1)
        return range(first if item.start is None else item.start, last if item.stop is None else item.stop, step)
    if isinstance(item, np.ndarray) and item.dtype == bool:
        raise SelectionError(f"key: a boolean array has no coordinates (axis {axis}); use integers")
    return item  # type: ignore[no-any-return]
