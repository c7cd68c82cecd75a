"""Casting: no value is ever changed silently by default."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import VoxelsMismatchError
from pyvolume.model.slabs import SLAB_BYTES, slabs

Casting: TypeAlias = Literal["checked", "safe", "same_kind", "unsafe"]

WAY_OUT = "; cast it yourself, or choose casting='unsafe'"


def check_casting(casting: str) -> None:
    """Refuse a rule for casting that does not exist."""
    if casting not in get_args(Casting):
        raise ValueError(f"casting: expected one of {', '.join(get_args(Casting))} and found {casting!r}")


def castable(values: object, dtype: np.dtype[Any], casting: Casting) -> NDArray[Any]:
    """Return values as an array whose values may be stored as `dtype`.

    Parameters
    ----------
    values : array-like or scalar
        Python's own scalars are weak, as in numpy: they take the dtype of the volume if they fit.
    dtype : numpy.dtype
        The dtype to cast to.
    casting : "checked", "safe", "same_kind" or "unsafe"
        "checked" lets safe casts pass; between integers and booleans every value must fit; a narrower float may
        round, but not overflow; a float never becomes an integer. The others are numpy's.

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
    if array.dtype.kind not in "biufc":
        raise VoxelsMismatchError(f"write voxels: expected numbers of {dtype} and found {array.dtype}")
    if is_weak and casting != "unsafe" and dtype.kind == "f":
        array = array.astype(np.float64)
    if casting == "checked" or (is_weak and casting != "unsafe"):
        _check_values(array, dtype)
    elif not np.can_cast(array.dtype, dtype, casting):
        raise VoxelsMismatchError(f"write voxels: {array.dtype} to {dtype} is no cast of the kind {casting!r}")
    return array


def broadcast(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """View an array in the shape of what is assigned to, as numpy does: leading axes of length 1 may go.

    Raises
    ------
    VoxelsMismatchError
        With both shapes.
    """
    surplus = max(0, array.ndim - len(shape))
    try:
        if any(n != 1 for n in array.shape[:surplus]):
            raise ValueError
        return np.broadcast_to(array.reshape(array.shape[surplus:]) if surplus else array, shape)
    except ValueError:
        raise VoxelsMismatchError(
            f"write voxels: an array of shape {array.shape} does not fit what is assigned to, of shape {shape}"
        ) from None


def _check_values(array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    if np.can_cast(array.dtype, dtype, "safe") or array.size == 0:
        return
    source, target = array.dtype.kind, dtype.kind
    if source in "biu" and target in "biuf":
        _check_range(int(array.min()), int(array.max()), dtype)
    elif source == "f" and target == "f":
        _check_overflow(array, dtype)
    else:
        raise VoxelsMismatchError(f"write voxels: {array.dtype} does not go into {dtype}{WAY_OUT}")


def _check_range(low: int, high: int, dtype: np.dtype[Any]) -> None:
    if dtype.kind == "f":
        highest = 2 ** (np.finfo(dtype).nmant + 1)
        lowest = -highest
    elif dtype.kind == "b":
        lowest, highest = 0, 1
    else:
        lowest, highest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    for value in (low, high):
        if not lowest <= value <= highest:
            raise VoxelsMismatchError(f"write voxels: {value} does not fit {dtype} ({lowest} to {highest}){WAY_OUT}")


def _check_overflow(array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    highest = float(np.finfo(dtype).max)
    for slab in slabs(array.shape, SLAB_BYTES // array.dtype.itemsize) if array.ndim else [()]:
        sizes = np.abs(array[slab])
        largest = np.max(sizes, where=np.isfinite(sizes), initial=0)
        if largest > highest:
            raise VoxelsMismatchError(f"write voxels: {largest} does not fit {dtype} (up to {highest}){WAY_OUT}")
