"""Sparse volumes in blocks: which voxels of each block belong to a body, as bits."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pyvolume.dvid.labels.blocks import SIDE
from pyvolume.dvid.labels.runs import RUN, Runs, to_runs

HEAD = struct.Struct("<3IQ")
"""Sub-blocks along each axis of a block, and the label."""

PLACE = struct.Struct("<3iB")
"""The first voxel of a block, and whether none, all, or some of its voxels belong to the body."""

NONE, ALL, SOME = range(3)

BITS = SIDE**3 // 8
"""Bytes of the voxels of a sub-block."""

MOST_SUB_BLOCKS = 1 << 21
"""Sub-blocks of the largest block of DVID."""


def blocks_to_runs(data: bytes) -> Runs:
    """Return the runs of the voxels that belong to a body, block by block.

    Parameters
    ----------
    data : bytes
        The format ``blocks`` of sparse volumes. No byte at all is a body without voxels.

    Raises
    ------
    ValueError
        If the bytes are no such volume.
    """
    found = [to_runs(mask, start) for start, mask in _blocks(data)]
    return np.concatenate(found) if found else np.empty(0, RUN)


def _blocks(data: bytes) -> Iterator[tuple[tuple[int, ...], NDArray[np.bool_]]]:
    if not data:
        return
    _need(data, 0, HEAD.size)
    *counts, _ = HEAD.unpack_from(data)
    number = int(np.prod(counts, dtype=object))
    if not 0 < number <= MOST_SUB_BLOCKS:
        raise ValueError(f"a block of {counts} sub-blocks")
    at = HEAD.size
    while at < len(data):
        _need(data, at, PLACE.size)
        *start, flag = PLACE.unpack_from(data, at)
        at += PLACE.size
        mask = np.full([n * SIDE for n in counts], flag == ALL, order="F")
        if flag == SOME:
            at = _sub_blocks(data, at, mask, counts)
        elif flag not in {NONE, ALL}:
            raise ValueError(f"a block of the kind {flag}")
        yield tuple(start), mask


def _sub_blocks(data: bytes, at: int, mask: NDArray[np.bool_], counts: list[int]) -> int:
    """Fill the mask of a block, and return where the next one begins."""
    for z, y, x in np.ndindex(*reversed(counts)):
        _need(data, at, 1)
        flag = data[at]
        at += 1
        place = tuple(slice(n * SIDE, (n + 1) * SIDE) for n in (x, y, z))
        if flag == SOME:
            _need(data, at, BITS)
            bits = np.unpackbits(np.frombuffer(data, np.uint8, BITS, at), bitorder="little")
            mask[place] = bits.reshape((SIDE,) * 3, order="F")
            at += BITS
        elif flag in {NONE, ALL}:
            mask[place] = flag == ALL
        else:
            raise ValueError(f"a sub-block of the kind {flag}")
    return at


def _need(data: bytes, at: int, count: int) -> None:
    if len(data) < at + count:
        raise ValueError(f"it is cut short at byte {at} of {len(data)}")
