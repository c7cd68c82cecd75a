"""Voxels as they are: the bytes of an array in Fortran order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyvolume.model.slabs import SLAB_BYTES, slabs

TILE = (32, 8)
"""Voxels of the fastest two axes that are transposed at once: numpy's own transposition is up to 8 times slower."""

SCRATCH_BYTES = 1 << 20
"""What is held in memory of voxels whose place in the result is not contiguous."""

SEND_BYTES = 4 << 20
"""What is handed to the socket at once: large enough for full speed, small enough to see progress."""


class ByteStream(Protocol):
    """A body that is being received."""

    def read_into(self, view: memoryview) -> None:
        """Fill a flat view of bytes."""


def flat_bytes(array: NDArray[Any]) -> memoryview:
    """View the memory of a Fortran-ordered array as bytes."""
    # an item count instead of a byte count would be announced to the server for anything but bytes
    flat: Any = array.reshape(-1, order="F").view(np.uint8)
    return memoryview(flat)


def decode_into(stream: ByteStream, out: NDArray[Any]) -> None:
    """Receive the voxels of `out`, in Fortran order and in its dtype.

    A Fortran-contiguous `out` is filled in place; any other through a scratch buffer of 1 MiB.
    """
    if out.flags.f_contiguous:
        stream.read_into(flat_bytes(out))
        return
    scratch = _Scratch(out, out.dtype, SCRATCH_BYTES)
    for slab in slabs(out.shape, scratch.size):
        place = out[slab]
        buffer = scratch.of_shape(place.shape)
        stream.read_into(flat_bytes(buffer))
        place[...] = buffer


def encode(voxels: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[memoryview]:
    """Give the bytes of an array in Fortran order, cast to `dtype`, chunk by chunk.

    Fortran-contiguous voxels of that dtype are not copied; of others one slab at a time is.
    """
    if voxels.dtype == dtype and voxels.flags.f_contiguous:
        memory = flat_bytes(voxels)
        for start in range(0, len(memory), SEND_BYTES):
            yield memory[start : start + SEND_BYTES]
        return
    scratch = _Scratch(voxels, dtype, SLAB_BYTES if _across(voxels) else SCRATCH_BYTES)
    for slab in slabs(voxels.shape, scratch.size):
        part = voxels[slab]
        buffer = scratch.of_shape(part.shape)
        _fill(buffer, part)
        memory = flat_bytes(buffer)
        for start in range(0, len(memory), SEND_BYTES):
            yield memory[start : start + SEND_BYTES]


def _fill(buffer: NDArray[Any], part: NDArray[Any]) -> None:
    """Copy and cast; in tiles that stay in the cache, where the two run through memory in different orders."""
    across = _across(part)
    if across is None:
        np.copyto(buffer, part, casting="unsafe")
        return
    first, second = across
    width = min(TILE[0], part.shape[first])
    depth = TILE[0] * TILE[1] // width
    tile = [slice(None)] * part.ndim
    for x in range(0, part.shape[first], width):
        tile[first] = slice(x, x + width)
        for y in range(0, part.shape[second], depth):
            tile[second] = slice(y, y + depth)
            place = tuple(tile)
            np.copyto(buffer[place], part[place], casting="unsafe")


def _across(voxels: NDArray[Any]) -> tuple[int, int] | None:
    """Return the two fastest axes on the wire, where another one is the fastest in memory."""
    long = [axis for axis, length in enumerate(voxels.shape) if length > 1]
    fastest = min(long, key=lambda axis: abs(voxels.strides[axis]), default=None)
    return None if len(long) < 2 or fastest == long[0] else (long[0], long[1])


class _Scratch:
    """One piece of memory that the parts of an array pass through, one after the other."""

    def __init__(self, array: NDArray[Any], dtype: np.dtype[Any], nbytes: int) -> None:
        self.size = nbytes // dtype.itemsize
        self._memory = np.empty(min(self.size, array.size), dtype)

    def of_shape(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Give the memory as a Fortran-ordered array of at most `size` voxels."""
        return self._memory[: math.prod(shape)].reshape(shape, order="F")
