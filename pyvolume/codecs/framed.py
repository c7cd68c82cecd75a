"""Blocks behind their sizes: three int32, then the voxels, the first axis fastest, all of it big-endian."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.codecs.raw import ByteStream
from pyvolume.errors import AnswerError

HEADER = struct.Struct(">3i")
"""The sizes of a block along its three axes."""

MISSING = (-1, -1, -1)
"""The sizes of a block that is not stored; no voxels follow."""

FRONT = 16
"""Bytes in front of the voxels in memory, so that every dtype is aligned; the header ends there."""


def framed_bytes(shapes: Iterable[Sequence[int]], dtype: np.dtype[Any]) -> int:
    """Return the number of bytes of blocks of these shapes."""
    return sum(HEADER.size + math.prod(shape) * dtype.itemsize for shape in shapes)


def encode(blocks: Iterable[NDArray[Any]], dtype: np.dtype[Any]) -> Iterator[memoryview]:
    """Give the bytes of blocks of three axes, cast to `dtype`, block by block; each is valid until the next one."""
    wire = dtype.newbyteorder(">")
    memory = bytearray()
    for block in blocks:
        end = FRONT + block.size * dtype.itemsize
        if len(memory) < end:
            memory = bytearray(end)
        HEADER.pack_into(memory, FRONT - HEADER.size, *block.shape)
        np.copyto(_voxels(memory, block.shape, wire), block, casting="unsafe")
        yield memoryview(memory)[FRONT - HEADER.size : end]


def decode(
    stream: ByteStream, count: int, largest: Sequence[int], dtype: np.dtype[Any], action: str
) -> Iterator[NDArray[Any] | None]:
    """Receive blocks of three axes one after the other, None for one that is not stored.

    Parameters
    ----------
    stream : ByteStream
        The body.
    count : int
        How many blocks it holds.
    largest : sequence of int
        No block is longer on any axis.
    dtype : dtype
        Of the voxels.
    action : str
        For messages.

    Yields
    ------
    ndarray or None
        Fortran-ordered, big-endian, valid until the next one is asked for.

    Raises
    ------
    AnswerError
        If the sizes of a block are impossible.
    """
    wire = dtype.newbyteorder(">")
    memory = bytearray(FRONT + math.prod(largest) * dtype.itemsize + HEADER.size)
    view = memoryview(memory)
    stream.read_into(view[: HEADER.size])
    shape = HEADER.unpack_from(memory)
    for number in range(1, count + 1):
        if shape != MISSING and not all(0 <= n <= most for n, most in zip(shape, largest, strict=True)):
            raise AnswerError(f"{action}: expected a block of up to {tuple(largest)} voxels and found {shape}")
        end = FRONT if shape == MISSING else FRONT + math.prod(shape) * dtype.itemsize
        # one read takes the voxels and the header of the next block
        stream.read_into(view[FRONT : end + (HEADER.size if number < count else 0)])
        yield None if shape == MISSING else _voxels(memory, shape, wire)
        if number < count:
            shape = HEADER.unpack_from(memory, end)


def _voxels(memory: bytearray, shape: Sequence[int], wire: np.dtype[Any]) -> NDArray[Any]:
    return np.frombuffer(memory, wire, math.prod(shape), FRONT).reshape(tuple(shape), order="F")
