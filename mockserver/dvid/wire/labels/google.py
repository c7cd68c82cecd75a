"""The format ``compressed_segmentation`` of Neuroglancer, as DVID writes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mockserver.http.messages import Refused

SIDE = 8
WIDTHS = (0, 1, 2, 4, 8, 16)
"""The bits that a position can have."""


def encode(voxels: NDArray[np.uint64]) -> bytes:
    """Write voxels of the shape (x, y, z) in blocks of 8 x 8 x 8.

    Raises
    ------
    Refused
        If a side is no multiple of 8.
    """
    if any(side % SIDE for side in voxels.shape):
        raise Refused("volume must be a multiple of the block size")
    counts = [side // SIDE for side in voxels.shape]
    heads = np.zeros((counts[2], counts[1], counts[0], 2), "<u4")
    at = heads.size
    parts = []
    for z, y, x in np.ndindex(heads.shape[:3]):
        block = voxels[SIDE * x : SIDE * (x + 1), SIDE * y : SIDE * (y + 1), SIDE * z : SIDE * (z + 1)]
        width, positions, table = _block(block.reshape(-1, order="F"))
        # DVID writes the lower 24 bits of the place of the table
        heads[z, y, x] = (at + len(positions) // 4) % 2**24 | width << 24, at
        parts += [positions, table]
        at += (len(positions) + len(table)) // 4
    return b"".join([b"\x01\0\0\0", heads.tobytes(), *parts])


def _block(labels: NDArray[np.uint64]) -> tuple[int, bytes, bytes]:
    """Return bits of a position, positions and table; the table has the order in which the labels appear."""
    found, first, positions = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    ranks = np.argsort(order)
    width = next(width for width in WIDTHS if len(found) <= 1 << width)
    table = found[order].astype("<u8").tobytes()
    if width == 0:
        return 0, b"", table
    bits = (ranks[positions][:, np.newaxis] >> np.arange(width)) & 1
    return width, np.packbits(bits.astype(np.uint8), bitorder="little").tobytes(), table
