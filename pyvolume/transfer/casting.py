"""Casting: no value is ever changed silently by default."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import VoxelsMismatchError
from pyvolume.model import arguments
from pyvolume.model.slabs import SLAB_BYTES, slabs

Casting: TypeAlias = Literal["checked", "safe", "same_kind", "unsafe"]


def check_casting(casting: str) -> None:
    """Refuse a rule for casting that does not exist."""
    arguments.one_of(casting, get_args(Casting), "volume", "casting")


def castable(values: object, dtype: np.dtype[Any], casting: Casting) -> NDArray[Any]:
    """Return values as an array whose values may be stored as `dtype`.

    Parameters
    ----------
    values : array-like or scalar
        Python's own scalars are weak, as in numpy: they take the dtype of the volume if they fit.
    dtype : numpy.dtype
        The dtype to cast to.
    casting : "checked", "safe", "same_kind" or "unsafe"
        "checked": between integers and booleans every value must fit; an integer becomes a float only if that is
        exact; a narrower float may round, but not overflow; a float never becomes an integer. The others are numpy's.

    Raises
    ------
    VoxelsMismatchError
        Before anything is sent.
    """
    is_weak = isinstance(values, (int, float)) and not isinstance(values, np.generic)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise VoxelsMismatchError(f"write voxels: expected an array: {error}") from None
    integers = _integers(values, array)
    if integers is not None:
        for value in integers.flat:
            _check_integer(int(value), dtype)
        return integers.astype(dtype)
    if array.dtype.kind not in "biufc":
        raise VoxelsMismatchError(f"write voxels: expected numbers of {dtype} and found {array.dtype}")
    if casting == "checked" or (is_weak and casting != "unsafe"):
        _check_values(array, dtype)
    elif not np.can_cast(array.dtype, dtype, casting):
        raise VoxelsMismatchError(f"write voxels: {array.dtype} to {dtype} is no cast of the kind {casting!r}")
    return array


def _integers(values: object, array: NDArray[Any]) -> NDArray[Any] | None:
    """Return Python's integers, of which numpy made floats or objects because no dtype of its own holds them all."""
    if array.dtype.kind not in "fO" or not isinstance(values, (int, list, tuple)):
        return None
    integers = np.asarray(values, object)
    return integers if all(isinstance(each, (int, np.integer)) for each in integers.flat) and integers.size else None


def _check_values(array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    source, target = array.dtype.kind, dtype.kind
    to_float = source in "iu" and target == "f"  # which numpy calls safe also where it rounds
    if array.size == 0 or (np.can_cast(array.dtype, dtype, "safe") and not to_float):
        return
    if source in "iu" and target in "biuf":
        low, high = int(array.min()), int(array.max())
        if target == "f" and max(-low, high) > 2 ** _precision(dtype):
            _check_exact(array, dtype)
        elif target != "f":
            _check_integer(low, dtype)
            _check_integer(high, dtype)
    elif source == "f" and target == "f":
        _check_overflow(array, dtype)
    else:
        hint = "; round the values to integers first" if source + target in {"fi", "fu"} else ""
        raise VoxelsMismatchError(f"write voxels: {array.dtype} does not go into {dtype}{hint}")


def _precision(dtype: np.dtype[Any]) -> int:
    """Return how many binary digits of an integer a float holds."""
    return int(np.finfo(dtype).nmant) + 1


def _check_integer(value: int, dtype: np.dtype[Any]) -> None:
    if dtype.kind == "f":
        lowest_digit = value & -value
        if value and (abs(value) // lowest_digit >> _precision(dtype) or abs(value) > int(np.finfo(dtype).max)):
            raise VoxelsMismatchError(f"write voxels: the integer {value} is not exact in {dtype}")
        return
    lowest, highest = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if not lowest <= value <= highest:
        raise VoxelsMismatchError(f"write voxels: {value} does not fit {dtype} ({lowest} to {highest})")


def _check_exact(array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Refuse integers that a float rounds; it holds those with few digits before their trailing zeros."""
    for slab in slabs(array.shape, SLAB_BYTES // 8) if array.ndim else [()]:
        values = np.atleast_1d(array[slab])
        # the absolute value of the lowest int64 is itself, and right as uint64
        sizes = values if values.dtype.kind == "u" else np.abs(values.astype(np.int64)).view(np.uint64)
        sizes = np.asarray(sizes, np.uint64)
        last_digit = np.maximum(sizes & (~sizes + np.uint64(1)), np.uint64(1))
        rounded = sizes // last_digit >> np.uint64(_precision(dtype)) > 0
        rounded |= sizes > min(int(np.finfo(dtype).max), 2**64 - 1)
        if rounded.any():
            _check_integer(int(values[rounded].flat[0]), dtype)


def _check_overflow(array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    highest = float(np.finfo(dtype).max)
    for slab in slabs(array.shape, SLAB_BYTES // array.dtype.itemsize) if array.ndim else [()]:
        sizes = np.abs(array[slab])
        largest = np.max(sizes, where=np.isfinite(sizes), initial=0)
        if largest > highest:
            raise VoxelsMismatchError(f"write voxels: {largest} does not fit {dtype} (up to {highest})")
