"""Sparse volumes: runs along x, and blocks of bits."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.wire.geometry import Point
from mockserver.http.messages import Refused

SIDE = 8
RUN_BYTES = 16

Mask = NDArray[np.bool_]
Run = tuple[int, int, int, int]
"""The first voxel, and the length along x."""


def runs_of(mask: Mask, start: Point) -> NDArray[np.int32]:
    """Return the runs of a mask of the shape (x, y, z), whose first voxel is at `start`."""
    padded = np.zeros((mask.shape[2], mask.shape[1], mask.shape[0] + 2), np.int8)
    padded[..., 1:-1] = mask.transpose(2, 1, 0)
    steps = np.diff(padded, axis=-1)
    z, y, first = np.nonzero(steps == 1)
    *_, behind = np.nonzero(steps == -1)
    places = [axis + offset for axis, offset in zip((first, y, z), start, strict=True)]
    return np.stack([*places, behind - first], axis=-1).astype("<i4")


def with_head(runs: bytes) -> bytes:
    """Return runs behind a head that holds their number; DVID leaves the number of voxels empty."""
    return struct.pack("<BBBBII", 0, 3, 0, 0, 0, len(runs) // RUN_BYTES) + runs


def decode(data: bytes) -> list[Run]:
    """Read runs behind a head.

    Raises
    ------
    Refused
        With Go's text for data that are cut short.
    """
    if len(data) < 12:
        raise Refused("EOF" if len(data) in {0, 8} else "unexpected EOF")
    if data[0]:
        raise Refused(f"sparse vol is not binary: {data[0]}")
    (count,) = struct.unpack_from("<I", data, 8)
    runs = data[12 : 12 + count * RUN_BYTES]
    if len(runs) < count * RUN_BYTES:
        raise Refused("EOF" if len(runs) % 4 == 0 else "unexpected EOF")
    return [(x, y, z, length) for x, y, z, length in struct.iter_unpack("<4i", runs)]


def rows_of_blocks(cells: Iterable[Point]) -> bytes:
    """Return the runs of blocks along x; the blocks are sorted by z, y, x."""
    rows: list[list[int]] = []
    for x, y, z in cells:
        if rows and rows[-1][1:3] == [y, z] and rows[-1][0] + rows[-1][3] == x:
            rows[-1][3] += 1
        else:
            rows.append([x, y, z, 1])
    return b"".join(struct.pack("<4i", *row) for row in rows)


def block_head(sides: Point, label: int) -> bytes:
    """Return what precedes blocks of bits: the sub-blocks along each axis, and the label."""
    return struct.pack("<3IQ", *(side // SIDE for side in sides), label)


def block_of_bits(mask: Mask, start: Point) -> bytes:
    """Return a block of bits: its first voxel, and the bits of each sub-block that is neither empty nor full."""
    if mask.all():
        return struct.pack("<3iB", *start, 1)
    gx, gy, gz = (side // SIDE for side in mask.shape)
    split = mask.reshape((SIDE, gx, SIDE, gy, SIDE, gz), order="F").transpose(5, 3, 1, 4, 2, 0)
    return struct.pack("<3iB", *start, 2) + b"".join(map(_cube, split.reshape(gx * gy * gz, SIDE**3)))


def _cube(bits: Sequence[bool] | Mask) -> bytes:
    cube = np.asarray(bits)
    if not cube.any():
        return b"\0"
    return b"\1" if cube.all() else b"\2" + np.packbits(cube, bitorder="little").tobytes()
