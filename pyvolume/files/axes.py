"""Between the axes of a volume and those that a file format wants."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import UnsupportedError
from pyvolume.model.axes import AXES

SlicesLike: TypeAlias = "tuple[slice | EllipsisType, ...] | slice | EllipsisType"
"""A slice for each axis, of which ``...`` stands for several open ones."""


def in_order(axes: str) -> str:
    """Return different letters of axes in the order of a volume; those that are not known come last."""
    return "".join(dict.fromkeys([*(axis for axis in AXES if axis in axes), *axes]))


def laid_out(axes: str, shape: tuple[int, ...], wanted: str, what: str) -> tuple[int, ...]:
    """Return the shape of an array in a file whose axes are `wanted`; those that the array lacks have length 1.

    Raises
    ------
    UnsupportedError
        If the file has no place for an axis.
    """
    lengths = dict(zip(axes, shape, strict=True))
    surplus = [axis for axis, length in lengths.items() if axis not in wanted and length != 1]
    if surplus:
        raise UnsupportedError(f"{what}: expected no axes but {', '.join(wanted)} and found {', '.join(surplus)}")
    return tuple(lengths.get(axis, 1) for axis in wanted)


def viewed(array: NDArray[Any], held: str, axes: str, what: str) -> NDArray[Any]:
    """View an array whose axes are `held` with those of `axes`, in that order.

    Raises
    ------
    UnsupportedError
        If an axis of several voxels would be lost.
    """
    _check_lost(array.shape, held, axes, what)
    kept = array[(*(slice(None) if axis in axes else 0 for axis in held), ...)]  # a view, also of one voxel
    order = [axis for axis in held if axis in axes]
    missing = [axis for axis in axes if axis not in held]
    whole = kept[(..., *(np.newaxis,) * len(missing))]
    return whole.transpose([(order + missing).index(axis) for axis in axes])


def arranged(array: Any, held: str, axes: str, what: str) -> Any:
    """Give an array of a file, whose axes are `held`, some of them in the order `axes`; the voxels stay in the file.

    Raises
    ------
    UnsupportedError
        If an axis of several voxels would be lost.
    """
    _check_lost(array.shape, held, axes, what)
    return array if held == axes else Arranged(array, [held.index(axis) for axis in axes])


def forwards(array: Any, backwards: Sequence[bool]) -> Any:
    """Give an array of a file with some axes in the other direction; the voxels stay in the file."""
    if isinstance(array, np.ndarray):
        return array[tuple(slice(None, None, -1 if turned else 1) for turned in backwards)]
    return Arranged(array, range(len(backwards)), backwards) if any(backwards) else array


def _check_lost(shape: Sequence[int], held: str, axes: str, what: str) -> None:
    lost = {axis: length for axis, length in zip(held, shape, strict=True) if axis not in axes and length != 1}
    if lost:
        raise UnsupportedError(f"{what}: expected the axes {', '.join(axes)} and found {lost} beside them")


class Arranged:
    """An array of a file with its axes in another order or direction; one slice for each of them selects voxels.

    Parameters
    ----------
    array : array-like
        Sliced as a numpy array. What else is asked of this object, the array answers.
    order : sequence of int
        Which axis of the array each axis is; those that are left out have length 1.
    backwards : sequence of bool, optional
        Which axes are turned around.
    """

    def __init__(self, array: Any, order: Sequence[int], backwards: Sequence[bool] = ()) -> None:
        self._array = array
        self._dropped = [at for at in range(len(array.shape)) if at not in order]
        self._order = list(order)
        self._backwards = list(backwards) or [False] * len(order)
        self.shape = tuple(array.shape[at] for at in order)
        self.ndim = len(self.shape)
        self.dtype = array.dtype
        for name in ("chunks", "shards"):
            setattr(self, name, self._whole(getattr(array, name, None)))

    def _whole(self, chunks: Sequence[int] | None) -> tuple[int, ...] | None:
        """Return the chunks under these axes. On an axis that is turned around they begin anywhere: one has to do."""
        if not chunks:
            return None
        turned = zip(self._order, self._backwards, strict=True)
        return tuple(self._array.shape[at] if is_turned else chunks[at] for at, is_turned in turned)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._array, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[...], dtype, copy=copy)

    def __getitem__(self, key: SlicesLike) -> NDArray[Any]:
        voxels = np.asarray(self._array[self._key(key)]).transpose([*self._order, *self._dropped])
        return self._turned(voxels.reshape(voxels.shape[: self.ndim]))

    def __setitem__(self, key: tuple[slice, ...] | EllipsisType, voxels: NDArray[Any]) -> None:
        sides = zip(each_slice(key, self.ndim), self.shape, strict=True)
        spread = np.broadcast_to(voxels, [len(range(*each.indices(length))) for each, length in sides])
        given = self._turned(spread)[(..., *(np.newaxis,) * len(self._dropped))]
        self._array[self._key(key)] = given.transpose(np.argsort([*self._order, *self._dropped]))

    def _turned(self, voxels: NDArray[Any]) -> NDArray[Any]:
        return voxels[tuple(slice(None, None, -1 if turned else 1) for turned in self._backwards)]

    def _key(self, key: SlicesLike) -> tuple[slice, ...]:
        whole = [slice(None)] * len(self._array.shape)
        slices = each_slice(key, self.ndim)
        for at, each, length, turned in zip(self._order, slices, self.shape, self._backwards, strict=True):
            first, last, _ = each.indices(length)
            whole[at] = slice(length - last, length - first) if turned else slice(first, last)
        return tuple(whole)


def each_slice(key: SlicesLike, ndim: int) -> tuple[slice, ...]:
    """Return a slice for each axis: those of a key, and open ones in the place of ``...``."""
    items = key if isinstance(key, tuple) else (key,)
    at = next((at for at, each in enumerate(items) if each is Ellipsis), len(items))
    open_ones = (slice(None),) * (ndim - len(items) + (at < len(items)))
    return tuple(each for each in (*items[:at], *open_ones, *items[at + 1 :]) if isinstance(each, slice))
