"""Reducing: from voxels to those of a coarser resolution level."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

SMALL_WINDOW = 1 << 14
"""Values of 16 bits that fit into a sum of 32 bits, and twice."""

Method: TypeAlias = Literal["mean", "mode", "label", "stride"]
"""What one voxel of a coarser level is: the mean of its voxels, the most frequent one, the same without zeros, or the
first one."""


def reduced(voxels: NDArray[Any], factors: Sequence[int], method: Method) -> NDArray[Any]:
    """Return the voxels of a coarser level.

    Parameters
    ----------
    voxels : ndarray
        The length of each axis is a multiple of its factor, or shorter than the factor.
    factors : sequence of int
        How many voxels become one, for each axis.
    method : "mean", "mode", "label" or "stride"
        The mean of integers is exact, and rounded half up. Of equally frequent values the lowest one counts. A label is
        0 only if all voxels are 0.

    Returns
    -------
    ndarray
        Of the same dtype.

    Examples
    --------
    >>> reduced(np.array([[1, 2, 2, 5], [3, 2, 9, 9]]), (2, 2), "mean")
    array([[2, 6]])
    >>> reduced(np.array([[1, 2, 2, 5], [3, 2, 9, 9]]), (2, 2), "mode")
    array([[2, 9]])
    >>> reduced(np.array([[0, 0, 0, 5], [0, 8, 0, 0]]), (2, 2), "label")
    array([[8, 5]])
    """
    windows = [min(factor, length) for factor, length in zip(factors, voxels.shape, strict=True)]
    # each part holds one voxel of every window
    parts = [
        voxels[tuple(slice(first, None, window) for first, window in zip(offset, windows, strict=True))]
        for offset in np.ndindex(*(windows if method != "stride" else [1] * len(windows)))
    ]
    if method == "stride":
        return parts[0]
    return _means(parts) if method == "mean" else _most_frequent(parts, zeros=method == "mode")


def _means(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return the means of several arrays; those of integers without a sum that could overflow."""
    dtype, count = parts[0].dtype, len(parts)
    if dtype.kind not in "iu":
        return (_sum(parts, np.dtype(np.float64)) / count).astype(dtype)
    if dtype.itemsize <= 4:
        sums = _sum(parts, np.dtype(np.int32 if dtype.itemsize <= 2 and count <= SMALL_WINDOW else np.int64))
        return ((2 * sums + count) // (2 * count)).astype(dtype)
    whole = _sum([part // dtype.type(count) for part in parts], dtype)
    rest = _sum([part % dtype.type(count) for part in parts], np.dtype(np.int64))
    means: NDArray[Any] = whole + ((2 * rest + count) // (2 * count)).astype(dtype)
    return means


def _sum(parts: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    total = np.zeros(parts[0].shape, dtype, order="F")
    for part in parts:
        np.add(total, part, out=total, casting="unsafe")
    return total


def _most_frequent(parts: Sequence[NDArray[Any]], *, zeros: bool) -> NDArray[Any]:
    """Return the most frequent of the values that several arrays have at each place.

    Parameters
    ----------
    parts : sequence of ndarray
        Of one shape.
    zeros : bool
        Whether a 0 counts; it is returned anyway where there is nothing else.
    """
    found = parts[0].copy(order="K")
    differs = np.zeros_like(found, bool)
    for part in parts[1:]:
        differs |= part != parts[0]
    ordered = np.sort(np.stack([part[differs] for part in parts]), axis=0)
    best = ordered[0].copy()
    longest = np.ones(best.shape, np.min_scalar_type(len(parts)))  # may be more than the voxels: keep it small
    if not zeros:
        longest[best == 0] = 0
    run = longest.copy()
    for before, value in itertools.pairwise(ordered):
        run += 1
        run[value != before] = 1
        if not zeros:
            run[value == 0] = 0
        is_longer = run > longest
        best[is_longer], longest[is_longer] = value[is_longer], run[is_longer]
    found[differs] = best
    return found
