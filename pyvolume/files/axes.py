"""Between the axes of a volume and those that a file format wants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import UnsupportedError


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
    lost = {axis: length for axis, length in zip(held, array.shape, strict=True) if axis not in axes and length != 1}
    if lost:
        raise UnsupportedError(f"{what}: expected the axes {', '.join(axes)} and found {lost} beside them")
    kept = array[tuple(slice(None) if axis in axes else 0 for axis in held)]
    order = [axis for axis in held if axis in axes]
    missing = [axis for axis in axes if axis not in held]
    whole = kept[(..., *(np.newaxis,) * len(missing))]
    return whole.transpose([(order + missing).index(axis) for axis in axes])
