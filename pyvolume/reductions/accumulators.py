"""Accumulators: what is kept of the voxels that have been seen, for each place of the result."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyvolume.transfer.checks import new_array

LOW = (1 << 32) - 1
"""The lower half of 64 bits."""

Place = tuple[slice, ...]
"""Where voxels belong in the result, which has an axis for each of the volume."""


class Accumulator(Protocol):
    """Takes voxels in parts, each with the axes over which it is reduced."""

    def add(self, place: Place, voxels: NDArray[Any], axes: tuple[int, ...]) -> None: ...


def _filled(shape: tuple[int, ...], dtype: np.dtype[Any], value: object) -> NDArray[Any]:
    array = new_array(shape, dtype)
    array[...] = value
    return array


class WideSum:
    """Sums of integers and booleans, exact whatever their number.

    Parameters
    ----------
    shape : tuple of int
        The shape of the result.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._high = _filled(shape, np.dtype(np.int64), 0)
        self._low = _filled(shape, np.dtype(np.int64), 0)

    def add(self, place: Place, voxels: NDArray[Any], axes: tuple[int, ...]) -> None:
        if voxels.dtype.itemsize == 8:
            self._high[place] += _sum(voxels >> np.asarray(32, voxels.dtype), axes)
            voxels = voxels & np.asarray(LOW, voxels.dtype)
        low = self._low[place] + _sum(voxels, axes)
        self._high[place] += low >> 32
        self._low[place] = low & LOW

    def fits(self, dtype: np.dtype[Any]) -> bool:
        """Whether all sums are values of a 64-bit integer."""
        lowest, highest = (0, LOW) if dtype.kind == "u" else (-(1 << 31), (1 << 31) - 1)
        return bool((self._high >= lowest).all() and (self._high <= highest).all())

    def sums(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the sums; integers of 64 bits and less wrap around, as those of numpy do."""
        if dtype.kind == "O":
            return np.asarray(self._high.astype(object) * (LOW + 1) + self._low, object)
        if dtype.kind in "iu":
            return np.asarray((self._high << 32) | self._low).astype(dtype)
        return np.asarray(self._high * float(LOW + 1) + self._low, dtype)


def _sum(voxels: NDArray[Any], axes: tuple[int, ...]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.sum(voxels, axis=axes, dtype=np.int64, keepdims=True)
    return found


class FloatSum:
    """Sums of floats, in double precision or better.

    Parameters
    ----------
    shape : tuple of int
        The shape of the result.
    dtype : dtype
        Of a voxel.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._sums = _filled(shape, np.result_type(dtype, np.float64), 0)

    def add(self, place: Place, voxels: NDArray[Any], axes: tuple[int, ...]) -> None:
        self._sums[place] += np.sum(voxels, axis=axes, dtype=self._sums.dtype, keepdims=True)

    def sums(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the sums."""
        return self._sums.astype(dtype)


class Folded:
    """The lowest or the highest values; or whether any voxel is true, or all of them are.

    Parameters
    ----------
    shape : tuple of int
        The shape of the result.
    dtype : dtype
        Of a voxel.
    ufunc : numpy.minimum, maximum, logical_or or logical_and
        What is made of two values.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], ufunc: np.ufunc) -> None:
        self._ufunc = ufunc
        if ufunc.identity is not None:
            self.values = _filled(shape, np.dtype(bool), ufunc.identity)
        else:
            self.values = _filled(shape, dtype, _farthest(dtype, highest=ufunc is np.minimum))

    def add(self, place: Place, voxels: NDArray[Any], axes: tuple[int, ...]) -> None:
        found = self._ufunc.reduce(voxels, axis=axes, keepdims=True)
        self.values[place] = self._ufunc(self.values[place], found)


def _farthest(dtype: np.dtype[Any], *, highest: bool) -> object:
    """Return the highest value of a dtype, or the lowest one."""
    if dtype.kind == "b":
        return highest
    if dtype.kind in "iu":
        return np.iinfo(dtype).max if highest else np.iinfo(dtype).min
    end = np.inf if highest else -np.inf
    return complex(end, end) if dtype.kind == "c" else end


class Deviation:
    """Means, and sums of the squared distances from them, in double precision or better.

    Those of parts are joined without the difference of two large numbers (Chan, Golub, LeVeque 1979).

    Parameters
    ----------
    shape : tuple of int
        The shape of the result.
    dtype : dtype
        Of a voxel.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._means = _filled(shape, np.result_type(dtype, np.float64), 0)
        self._squares = _filled(shape, self._means.real.dtype, 0)
        self._counts = _filled(shape, np.dtype(np.int64), 0)

    def add(self, place: Place, voxels: NDArray[Any], axes: tuple[int, ...]) -> None:
        number = math.prod(voxels.shape[axis] for axis in axes)
        means = np.mean(voxels, axis=axes, dtype=self._means.dtype, keepdims=True)
        squares = np.sum(np.square(np.abs(voxels - means)), axis=axes, keepdims=True)
        before, distance = self._counts[place], means - self._means[place]
        share = number / (before + number)
        self._means[place] += distance * share
        self._squares[place] += squares + np.square(np.abs(distance)) * (before * share)
        self._counts[place] += number

    def deviations(self, ddof: float) -> NDArray[Any]:
        """Return the standard deviations."""
        found: NDArray[Any] = np.sqrt(self._squares / np.maximum(self._counts - ddof, 0))
        return found
