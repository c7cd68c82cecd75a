"""Voxels as they are: the bytes of an array in Fortran order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyvolume.model.slabs import SLAB_BYTES, slabs
from pyvolume.model.tiles import copy_tiled, is_transposed

SCRATCH_BYTES = 256 << 10
"""What each request holds in memory of voxels whose place in the result is not contiguous."""

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

    A Fortran-contiguous `out` is filled in place; any other through a scratch buffer of 256 KiB, or of 4 MiB where the
    voxels are transposed.
    """
    if out.flags.f_contiguous:
        stream.read_into(flat_bytes(out))
        return
    scratch = _Scratch(out, out.dtype, SLAB_BYTES if is_transposed(out) else SCRATCH_BYTES)
    for slab in slabs(out.shape, scratch.size):
        place = out[slab]
        buffer = scratch.of_shape(place.shape)
        stream.read_into(flat_bytes(buffer))
        copy_tiled(place, buffer)


def encode(voxels: NDArray[Any], dtype: np.dtype[Any]) -> Iterator[memoryview]:
    """Give the bytes of an array in Fortran order, cast to `dtype`, chunk by chunk.

    Fortran-contiguous voxels of that dtype are not copied; of others one slab at a time is.
    """
    if voxels.dtype == dtype and voxels.flags.f_contiguous:
        memory = flat_bytes(voxels)
        for start in range(0, len(memory), SEND_BYTES):
            yield memory[start : start + SEND_BYTES]
        return
    scratch = _Scratch(voxels, dtype, SLAB_BYTES if is_transposed(voxels) else SCRATCH_BYTES)
    for slab in slabs(voxels.shape, scratch.size):
        part = voxels[slab]
        buffer = scratch.of_shape(part.shape)
        copy_tiled(buffer, part)
        memory = flat_bytes(buffer)
        for start in range(0, len(memory), SEND_BYTES):
            yield memory[start : start + SEND_BYTES]


class _Scratch:
    """One piece of memory that the parts of an array pass through, one after the other."""

    def __init__(self, array: NDArray[Any], dtype: np.dtype[Any], nbytes: int) -> None:
        self.size = nbytes // dtype.itemsize
        self._memory = np.empty(min(self.size, array.size), dtype)

    def of_shape(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Give the memory as a Fortran-ordered array of at most `size` voxels."""
        return self._memory[: math.prod(shape)].reshape(shape, order="F")
