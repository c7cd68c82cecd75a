"""From a numpy key to the coordinates that it selects on each axis."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import SelectionError

Where: TypeAlias = "range | int | NDArray[np.intp]"
"""Which coordinates of an axis one part of a key selects."""


def spread(key: object, ndim: int) -> list[Any]:
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


def check_broadcast(where: Sequence[object]) -> None:
    """Refuse index arrays of different lengths, as numpy does; a length of 1 is stretched."""
    lengths = {item.size for item in where if isinstance(item, np.ndarray)} - {1}
    if len(lengths) > 1:
        raise SelectionError(f"key: index arrays of different lengths: {sorted(lengths)}")


def _checked_range(item: slice, axis: int, size: int) -> range:
    if item.step == 0:
        raise SelectionError(f"key: a slice step cannot be 0 (axis {axis})")
    return range(*item.indices(size))


def clipped(item: Any, axis: int, size: int) -> Where:
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


def growing(item: Any, axis: int, size: int) -> Where:
    """Find the coordinates of one part of a key on an axis that may become longer by an assignment.

    An explicit non-negative index or stop beyond the end is literal; negative and missing ones count from the
    present end.
    """
    resolved = _from_present_end(item, size)
    return clipped(resolved, axis, _grown(resolved, size))


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


def literal(item: Any, axis: int, low: int, high: int) -> Where:
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
