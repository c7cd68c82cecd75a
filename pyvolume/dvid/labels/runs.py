"""Runs: a set of voxels as rows along x, as DVID stores the voxels of a body; arithmetic only.

Runs are *joined* if they are sorted by z, y and x, and no two of them overlap or touch.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

RUN = np.dtype([("x", "<i4"), ("y", "<i4"), ("z", "<i4"), ("length", "<i4")])
"""The first voxel of a run, and its number of voxels."""

Runs: TypeAlias = NDArray[np.void]

_HEAD = struct.Struct("<4BII")
"""Zero, the number of axes, the axis of the runs, zero; the number of voxels, which DVID does not fill in; of runs."""

_KIND = (0, 3, 0, 0)

_LOWEST, _END = -(1 << 31), 1 << 31


def to_runs(mask: NDArray[np.bool_], start: Sequence[int] = (0, 0, 0)) -> Runs:
    """Return the runs of the voxels that are true, joined.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
        In any memory order.
    start : sequence of int
        The coordinates of its first voxel, of any sign.

    Raises
    ------
    ValueError
        If a coordinate has more than 32 bits.

    Examples
    --------
    >>> mask = np.zeros((5, 2, 1), bool)
    >>> mask[1:4, 1] = True
    >>> to_runs(mask, (10, 20, -30)).tolist()
    [(11, 21, -30, 3)]
    """
    if any(not _LOWEST <= first <= first + side <= _END for first, side in zip(start, mask.shape, strict=True)):
        raise ValueError(f"expected coordinates of 32 bits and found a mask of {mask.shape} voxels at {tuple(start)}")
    rows = np.ascontiguousarray(mask.T)  # its order is that of the result
    edges = np.zeros((*rows.shape[:2], rows.shape[2] + 1), np.int8)
    edges[..., :-1] = rows
    edges[..., 1:] -= rows
    z, y, x = np.nonzero(edges == 1)
    runs = np.empty(len(x), RUN)
    runs["x"], runs["y"], runs["z"] = x + start[0], y + start[1], z + start[2]
    runs["length"] = np.nonzero(edges == -1)[2] - x
    return runs


def from_runs(runs: Runs, start: Sequence[int], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Return which voxels of a box are in any run.

    Parameters
    ----------
    runs : ndarray of `RUN`
        In any order; they may overlap, and lie outside of the box.
    start, shape : sequence of int
        The first voxel of the box, and its sides.

    Returns
    -------
    ndarray of bool, shape (x, y, z), Fortran order

    Examples
    --------
    >>> runs = np.array([(11, 21, -30, 3)], RUN)
    >>> from_runs(runs, (10, 21, -30), (5, 1, 1)).ravel().tolist()
    [False, True, True, True, False]
    """
    mask = np.zeros(tuple(shape), bool, order="F")
    x, y, z = (runs[axis].astype(np.int64) - first for axis, first in zip("xyz", start, strict=True))
    begin, end = np.maximum(x, 0), np.minimum(x + runs["length"], shape[0])
    inside = (begin < end) & (y >= 0) & (y < shape[1]) & (z >= 0) & (z < shape[2])
    row = (z[inside] * shape[1] + y[inside]) * shape[0]
    flat = mask.reshape(-1, order="F")
    flat[_each(row + begin[inside], (end - begin)[inside])] = True
    return mask


def _each(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all numbers of several ranges, one range after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def joined(runs: Runs) -> Runs:
    """Return the same voxels as joined runs.

    DVID cuts runs at the borders of some blocks, and orders them block by block.

    Parameters
    ----------
    runs : ndarray of `RUN`
        In any order; they may overlap.

    Raises
    ------
    ValueError
        If a run has no voxels, or the voxels of a row have more than 32 bits.

    Examples
    --------
    >>> runs = np.array([(64, 0, 0, 6), (60, 0, 0, 4), (5, 0, -1, 2)], RUN)
    >>> joined(runs).tolist()
    [(5, 0, -1, 2), (60, 0, 0, 10)]
    """
    check_lengths(runs)
    ordered = runs[np.lexsort((runs["x"], runs["y"], runs["z"]))]
    if not len(ordered):
        return ordered
    begin, end = ordered["x"].astype(np.int64), ordered["x"].astype(np.int64) + ordered["length"]
    new_row = np.ones(len(ordered), bool)
    new_row[1:] = (ordered["y"][1:] != ordered["y"][:-1]) | (ordered["z"][1:] != ordered["z"][:-1])
    # rows get ranges of their own, in which the farthest end so far can be found for all rows at once
    offset = np.cumsum(new_row) * (2 * (_END - _LOWEST))
    farthest = np.maximum.accumulate(end + offset) - offset
    is_new = new_row.copy()
    is_new[1:] |= begin[1:] > farthest[:-1]
    first = np.flatnonzero(is_new)
    found = ordered[first]
    lengths = farthest[np.append(first[1:], len(ordered)) - 1] - begin[first]
    if (lengths >= _END).any():
        raise ValueError(f"expected runs of fewer than {_END} voxels and found one of {lengths.max()}")
    found["length"] = lengths
    return found


def check_lengths(runs: Runs) -> None:
    """Refuse runs without voxels, and those that end beyond 32 bits.

    Raises
    ------
    ValueError
    """
    if (runs["length"] < 1).any():
        raise ValueError(f"expected runs with voxels and found one of length {runs['length'].min()}")
    ends = runs["x"].astype(np.int64) + runs["length"]
    if (ends > _END).any():
        raise ValueError(f"expected runs up to x = {_END - 1} and found one up to {ends.max() - 1}")


def decode_rles(data: bytes | bytearray | memoryview) -> Runs:
    """Return the runs of a sparse volume of DVID, as they come.

    Parameters
    ----------
    data : bytes-like
        The format ``rles``: a head of 12 bytes, and 16 bytes for each run. No byte at all is a volume without runs.

    Raises
    ------
    ValueError
        If the bytes are no such volume.
    """
    flat = memoryview(data).cast("B")
    if not flat:
        return np.empty(0, RUN)
    if len(flat) < _HEAD.size:
        raise ValueError(f"expected a head of {_HEAD.size} bytes before the runs and found {len(flat)}")
    *kind, _, number = _HEAD.unpack_from(flat)
    if tuple(kind) != _KIND:
        raise ValueError(f"expected runs along x in three axes, of kind {_KIND}, and found {tuple(kind)}")
    if len(flat) != _HEAD.size + number * RUN.itemsize:
        raise ValueError(
            f"expected {number} runs in {_HEAD.size + number * RUN.itemsize} bytes and found {len(flat)} bytes"
        )
    runs: Runs = np.frombuffer(flat[_HEAD.size :], RUN).copy()
    check_lengths(runs)
    return runs


def encode_rles(runs: Runs) -> bytes:
    """Return the sparse volume of DVID with some runs.

    Parameters
    ----------
    runs : ndarray of `RUN`
        In any order.

    Raises
    ------
    ValueError
        If a run has no voxels, or ends beyond 32 bits.

    Examples
    --------
    >>> runs = np.array([(11, 21, -30, 3)], RUN)
    >>> decode_rles(encode_rles(runs)).tolist()
    [(11, 21, -30, 3)]
    """
    check_lengths(runs)
    return _HEAD.pack(*_KIND, 0, len(runs)) + runs.astype(RUN).tobytes()
