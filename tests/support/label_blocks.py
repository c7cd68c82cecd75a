"""Native label blocks of DVID, written and read voxel by voxel, to test the fast codec against."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Drawn:
    """A block that nobody encoded from voxels, and the voxels that it stands for."""

    data: bytes
    voxels: NDArray[np.uint64]


def width(count: int) -> int:
    """Return how many bits a voxel has in a sub-block of so many labels."""
    return 0 if count < 2 else (count - 1).bit_length()


def draw(grid: tuple[int, int, int], table: Sequence[int], counts: Sequence[int], seed: int) -> Drawn:
    """Make a block with these labels, of which each sub-block lists so many at random."""
    random = np.random.default_rng(seed)
    voxels = np.zeros([8 * n for n in grid], np.uint64)
    indices, bits = [], ""
    for corner, count in zip(corners(grid), counts, strict=True):
        listed = random.integers(len(table), size=count).tolist()
        indices += listed
        places = random.integers(count, size=512).tolist() if count else [0] * 512
        for (z, y, x), place in zip(np.ndindex(8, 8, 8), places, strict=True):
            voxels[corner[0] + x, corner[1] + y, corner[2] + z] = table[listed[place]] if count else 0
        bits += "".join(format(place, f"0{width(count)}b") for place in places) if count > 1 else ""
    values = int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""
    head = struct.pack(f"<4I{len(table)}Q", *grid, len(table), *table)
    return Drawn(head + struct.pack(f"<{len(counts)}H{len(indices)}I", *counts, *indices) + values, voxels)


def corners(grid: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    """Give the first voxel (x, y, z) of each sub-block, in the order of a block."""
    for z, y, x in itertools.product(*map(range, reversed(grid))):
        yield 8 * x, 8 * y, 8 * z


def read(data: bytes) -> NDArray[np.uint64]:
    """Return the voxels (x, y, z) of a block."""
    gx, gy, gz, number = struct.unpack_from("<4I", data)
    table = struct.unpack_from(f"<{number}Q", data, 16)
    voxels = np.zeros((8 * gx, 8 * gy, 8 * gz), np.uint64)
    if number == 1:
        voxels[...] = table[0]
        return voxels
    at = 16 + 8 * number
    counts = struct.unpack_from(f"<{gx * gy * gz}H", data, at)
    at += 2 * len(counts)
    indices = iter(struct.unpack_from(f"<{sum(counts)}I", data, at))
    at += 4 * sum(counts)
    for corner, count in zip(corners((gx, gy, gz)), counts, strict=True):
        listed = [table[next(indices)] for _ in range(count)] or [0]
        size = 64 * width(count)
        bits = "".join(format(byte, "08b") for byte in data[at : at + size])
        at += size
        for nth, (z, y, x) in enumerate(np.ndindex(8, 8, 8)):
            place = int(bits[nth * width(count) : (nth + 1) * width(count)] or "0", 2)
            voxels[corner[0] + x, corner[1] + y, corner[2] + z] = listed[place]
    assert at == len(data)
    return voxels
