"""From a numpy key to the coordinates that it selects on each axis."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import SelectionError
from pyvolume.model.arguments import brief

Where: TypeAlias = "range | int | NDArray[np.intp]"
"""Which coordinates of an axis one part of a key selects."""


_PLAIN = {int, type(None)}


def spread(key: object, ndim: int) -> list[Any]:
    """Return the parts of a key, with an Ellipsis and missing axes replaced by full slices.

    Lists and other array-likes are arrays then: of integers for one axis, or of booleans for as many as they have; a
    single boolean is an array without axes.
    """
    items: list[Any] = [_sorted_out(item) for item in (key if isinstance(key, tuple) else (key,))]
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(dots) > 1:
        raise SelectionError("key: an index can only have one ellipsis ('...')")
    covered = [0 if item is None or item is Ellipsis else item.ndim if is_mask(item) else 1 for item in items]
    missing = ndim - sum(covered)
    if missing < 0:
        raise SelectionError(f"key: too many indices: the volume has {ndim} axes, the key names {ndim - missing}")
    at = dots[0] if dots else len(items)
    # an Ellipsis of no axes still parts the index arrays beside it
    filling: list[Any] = [slice(None)] * missing or [Ellipsis] * len(dots)
    return items[:at] + filling + items[at + len(dots) :]


def is_mask(item: object) -> bool:
    """Whether a part of a key is a boolean array, or a single boolean."""
    return isinstance(item, np.ndarray) and item.dtype == bool


def check_mask(mask: NDArray[np.bool_], axis: int, sizes: Sequence[int], *, takes_masks: bool) -> None:
    """Refuse a mask that does not have the lengths of the axes that it covers, or any mask but a single boolean."""
    if mask.ndim and not takes_masks:
        raise SelectionError(
            f"key: a boolean array has no coordinates (axis {axis}); use np.nonzero, plus the place of the mask"
        )
    if mask.shape != tuple(sizes):
        raise SelectionError(
            f"key: a boolean array of shape {mask.shape} from axis {axis} on, where the volume has {tuple(sizes)}"
        )


def _sorted_out(item: object) -> object:
    """Let pass what can be part of a key; turn array-likes into arrays and index-like scalars into int."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        parts = item.start, item.stop, item.step
        return item if _PLAIN.issuperset(map(type, parts)) else slice(*map(_slice_part, parts))
    if isinstance(item, (bool, np.bool_)):
        return np.asarray(item)
    try:
        return operator.index(item)  # type: ignore[arg-type]
    except TypeError:
        return _index_array(item)


def _slice_part(value: object) -> int | None:
    try:
        return None if value is None else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise SelectionError(f"key: slices hold integers, not {brief(value)}") from None


def _index_array(item: object) -> NDArray[Any] | int:
    """Turn anything that is an array to numpy into one of integers or booleans."""
    try:
        array = np.asarray(item)
    except ValueError:
        raise SelectionError(f"key: a ragged list is no index: {brief(item)}") from None
    if not array.size and not isinstance(item, np.ndarray):
        array = array.astype(np.intp)  # numpy makes floats of an empty list
    farthest = _farthest(array)
    if abs(farthest) > np.iinfo(np.intp).max:
        raise SelectionError(f"key: index {farthest} is out of bounds")
    if array.dtype.kind not in "biu":
        if array.ndim:
            raise SelectionError(f"key: index arrays hold integers or booleans, not {array.dtype}")
        raise SelectionError(
            "key: an index must be an integer, a slice, '...', None, or an array of integers or booleans, "
            f"not {brief(item)}"
        )
    if array.dtype == bool:
        return array
    return array.astype(np.intp) if array.ndim else int(array)


def _farthest(array: NDArray[Any]) -> int:
    """Return the integer with the highest absolute value where it may not fit an index."""
    if array.dtype == object:
        return max((each for each in array.flat if isinstance(each, int)), key=abs, default=0)
    return int(array.max(initial=0)) if array.dtype.kind == "u" else 0


def clipped(item: Any, axis: int, size: int, dim: str = "") -> Where:
    """Find the coordinates of one part of a key on an axis of this size, by numpy's rules."""
    if isinstance(item, slice):
        if item.step == 0:
            raise SelectionError(f"key: a slice step cannot be 0 (axis {axis})")
        return range(*item.indices(size))
    if isinstance(item, int):
        _check_inside(item, axis, size, dim)
        return int(item) % size
    if item.size:
        _check_inside(int(item.min()), axis, size, dim)
        _check_inside(int(item.max()), axis, size, dim)
    wrapped: NDArray[np.intp] = np.where(item < 0, item + size, item)
    return wrapped


def moved(where: Where, distance: int) -> Where:
    """Return coordinates that lie so much further along their axis."""
    if isinstance(where, range):
        return range(where.start + distance, where.stop + distance, where.step)
    return where + distance


def _check_inside(index: int, axis: int, size: int, dim: str) -> None:
    if not -size <= index < size:
        raise SelectionError(
            f"key: index {index} is out of bounds for axis {axis} with size {size}{channel_hint([dim])}"
        )


def channel_hint(dims: Sequence[str]) -> str:
    """Return what helps a user who has forgotten the channel axis: nothing where it is not the first."""
    return "; the first axis is the channel" if tuple(dims[:1]) == ("c",) else ""


def fixed(item: Any, axis: int, size: int, dim: str) -> Where:
    """Find the coordinates of one part of a key on an axis that an assignment does not make longer.

    Unlike numpy, it refuses an explicit stop beyond the end: values for voxels that there are not would be lost.
    """
    highest = _highest(item)
    if highest is not None and highest >= size:
        raise SelectionError(
            f"key: index {highest} is out of bounds for axis {axis} ({dim!r}) with size {size}, which cannot grow"
            + channel_hint([dim])
        )
    return clipped(item, axis, size, dim)


def _highest(item: Any) -> int | None:
    """Return the highest index that one part of a key names; None where it names none."""
    if isinstance(item, int):
        return item
    if isinstance(item, slice):
        if item.step is None or item.step > 0:
            return None if item.stop is None else item.stop - 1
        return item.start  # type: ignore[no-any-return]
    return int(item.max()) if item.size else None


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
    return np.where((item < 0) & (item >= -size), item + size, item)


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
    return max(size, int(np.max(item, initial=-1)) + 1)


def literal(item: Any, axis: int, low: int, high: int) -> Where:
    """Find the coordinates of one part of a key that is meant literally."""
    if isinstance(item, slice):
        step = 1 if item.step is None else item.step
        if step == 0:
            raise SelectionError(f"key: a slice step cannot be 0 (axis {axis})")
        first, last = (low, high) if step > 0 else (high - 1, low - 1)
        return range(first if item.start is None else item.start, last if item.stop is None else item.stop, step)
    return item  # type: ignore[no-any-return]
