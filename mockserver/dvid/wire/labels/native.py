"""Blocks of labels as DVID stores them: a table of labels, and packed positions in it for each 8 x 8 x 8 voxels."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mockserver.http.messages import Declined, Panic, Refused

SIDE = 8
CUBE = SIDE**3
KEPT_BYTES = 256 << 20
"""Most bytes of the voxels of a block."""

MAX_CUBES = 128
"""Most sub-blocks along an axis."""

Labels = NDArray[np.uint64]


def bits_for(count: int) -> int:
    """Return the bits of a position among so many labels."""
    return (count - 1).bit_length() if count > 1 else 0


WIDTHS = np.array([bits_for(count) for count in range(CUBE + 1)])
"""The bits of a position, by the number of labels."""


@dataclass(frozen=True)
class Block:
    """A decoded block.

    Parameters
    ----------
    voxels : ndarray of uint64, shape (x, y, z), Fortran order
        The labels.
    table : ndarray of uint64
        The labels of the table, which voxels need not use.
    gaps : bool
        True if a sub-block has no label at all. Its voxels are 0, but DVID makes no runs of such a block.
    """

    voxels: Labels
    table: Labels
    gaps: bool = False


def decode(data: bytes, sides: Sequence[int] | None = None) -> Block:
    """Read a block.

    Parameters
    ----------
    data : bytes
        The block, not compressed.
    sides : sequence of int, optional
        What the sides of the block have to be.

    Raises
    ------
    Refused
        With DVID's text for a block that it refuses.
    Panic
        If the block is cut short, or has other sides.
    Declined
        If the block is too large to be decoded.
    """
    if len(data) < 24:
        raise Refused(f"can't unmarshal block binary of length {len(data)}")
    *counts, size = struct.unpack_from("<4I", data)
    if size == 0:
        raise Refused("block has 0 labels, which is not allowed")
    if max(counts) > MAX_CUBES:
        shown = " x ".join(map(str, counts))
        raise Refused(f"{shown} sub-blocks exceed max dimension of {MAX_CUBES * SIDE} voxels ({MAX_CUBES} sub-blocks)")
    reader = _Reader(data, 16)
    table = reader.take("<u8", size)
    shape = (SIDE * counts[0], SIDE * counts[1], SIDE * counts[2])
    if sides is not None and shape != tuple(sides):
        raise Panic(f"POST of a block of {shape}: a real server stores it, and reading it kills the server")
    if 8 * shape[0] * shape[1] * shape[2] > KEPT_BYTES:
        raise Declined(413, f"this mock server keeps blocks of at most {KEPT_BYTES} bytes")
    if size == 1:
        return Block(np.full(shape, table[0], order="F"), table)
    lengths = reader.take("<u2", counts[0] * counts[1] * counts[2]).astype(np.int64)
    indices = reader.take("<u4", int(lengths.sum()))
    cubes = _cubes(lengths, table[indices], reader)
    return Block(_joined(cubes, counts), table, bool((lengths == 0).any()))


def encode(voxels: Labels) -> bytes:
    """Write a block; `voxels` has the shape (x, y, z), with sides that are multiples of 8."""
    counts = [side // SIDE for side in voxels.shape]
    cubes = _cut(voxels, counts)
    order = np.argsort(cubes, axis=1, kind="stable")
    ordered = np.take_along_axis(cubes, order, axis=1)
    is_first = np.ones_like(ordered, dtype=bool)
    is_first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    table, indices = np.unique(ordered[is_first], return_inverse=True)
    head = struct.pack("<4I", *counts, len(table)) + table.astype("<u8").tobytes()
    if len(table) == 1:
        return head
    positions = np.empty(cubes.shape, np.uint16)
    np.put_along_axis(positions, order, (is_first.cumsum(axis=1) - 1).astype(np.uint16), axis=1)
    lengths = is_first.sum(axis=1)
    parts = [head, lengths.astype("<u2").tobytes(), indices.astype("<u4").tobytes(), _packed(positions, lengths)]
    return b"".join(parts)


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def take(self, dtype: str, count: int) -> NDArray[Any]:
        size = np.dtype(dtype).itemsize * count
        if self._at + size > len(self._data):
            raise Panic(
                f"runtime error: slice bounds out of range [:{self._at + size}] with capacity {len(self._data)}"
            )
        values = np.frombuffer(self._data, dtype, count, self._at)
        self._at += size
        return values


def _cubes(lengths: NDArray[np.int64], labels: Labels, reader: _Reader) -> Labels:
    """Return the voxels of each sub-block, in a row each."""
    cubes = np.zeros((len(lengths), CUBE), np.uint64)
    starts = np.concatenate([[0], lengths.cumsum()[:-1]])
    widths = WIDTHS[np.minimum(lengths, CUBE)]
    single = lengths == 1
    cubes[single] = labels[starts[single]][:, np.newaxis]
    ends = (widths * (CUBE // 8)).cumsum()
    packed = reader.take("u1", int(ends[-1]))
    for width in np.unique(widths[widths > 0]):
        chosen = np.flatnonzero(widths == width)
        size = width * (CUBE // 8)
        rows = packed[(ends[chosen] - size)[:, np.newaxis] + np.arange(size)]
        bits = np.unpackbits(rows, axis=1).reshape(len(chosen), CUBE, width)
        positions = bits @ (1 << np.arange(width)[::-1])
        if (positions >= lengths[chosen][:, np.newaxis]).any():
            raise Panic("runtime error: index out of range")
        cubes[chosen] = labels[starts[chosen][:, np.newaxis] + positions]
    return cubes


def _packed(positions: NDArray[np.uint16], lengths: NDArray[np.int64]) -> bytes:
    widths = WIDTHS[lengths]
    parts = [b""] * len(widths)
    for width in np.unique(widths[widths > 0]):
        chosen = np.flatnonzero(widths == width)
        bits = (positions[chosen][..., np.newaxis] >> np.arange(width)[::-1].astype(np.uint16)) & 1
        for number, row in zip(
            chosen, np.packbits(bits.astype(np.uint8).reshape(len(chosen), -1), axis=1), strict=True
        ):
            parts[number] = row.tobytes()
    return b"".join(parts)


def _cut(voxels: Labels, counts: list[int]) -> Labels:
    """Return sub-blocks as rows, x fastest, both among them and in them."""
    gx, gy, gz = counts
    split = voxels.reshape((SIDE, gx, SIDE, gy, SIDE, gz), order="F")
    return np.ascontiguousarray(split.transpose(5, 3, 1, 4, 2, 0)).reshape(gx * gy * gz, CUBE)


def _joined(cubes: Labels, counts: list[int]) -> Labels:
    gx, gy, gz = counts
    split = cubes.reshape(gz, gy, gx, SIDE, SIDE, SIDE).transpose(5, 2, 4, 1, 3, 0)
    return np.asfortranarray(split.reshape((SIDE * gx, SIDE * gy, SIDE * gz), order="F"))
