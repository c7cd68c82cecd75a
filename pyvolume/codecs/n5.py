"""Blocks of N5: a mode, the sizes along the axes, then the voxels: big-endian, the first axis fastest, compressed."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.codecs.compressions import Compression
from pyvolume.codecs.raw import flat_bytes
from pyvolume.errors import AnswerError, UnsupportedError
from pyvolume.model.tiles import copy_tiled

DEFAULT, VARLENGTH, OBJECT = range(3)
"""The modes of a block."""

_HEAD = struct.Struct(">HH")
"""The mode, and the number of axes."""

_MODES = {VARLENGTH: "varying numbers of elements", OBJECT: "objects"}

SPARE = 1 << 16
"""Bytes by which a compressed block may be larger than its voxels, besides an eighth of them."""


@dataclass(frozen=True, slots=True)
class BlockFormat:
    """How a dataset stores blocks.

    Parameters
    ----------
    shape : tuple of int
        Of a whole block, in the order of N5. Blocks at the upper edge of a dataset are shorter.
    dtype : dtype
        Of the voxels, in the byte order of this machine.
    compression : Compression
        Of what follows the head of a block.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    compression: Compression

    @property
    def nbytes(self) -> int:
        """How many bytes the voxels of a whole block have."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def most_bytes(self) -> int:
        """How many bytes a block may have on the disk."""
        return self.nbytes + self.nbytes // 8 + SPARE

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """The dtype in the byte order of N5."""
        return self.dtype.newbyteorder(">")


def decode(data: bytes | memoryview, form: BlockFormat, action: str) -> NDArray[Any]:
    """Return the voxels of a block.

    Parameters
    ----------
    data : bytes or memoryview
        All of the block.
    form : BlockFormat
        Of the dataset.
    action : str
        For messages; it names the block.

    Returns
    -------
    ndarray
        Fortran-ordered, big-endian; it can be smaller than a whole block, and a view of `data`.

    Raises
    ------
    AnswerError
        If the block is cut short or broken, has other axes, or is larger than a block of the dataset.
    UnsupportedError
        If it holds something else than voxels.
    """
    shape, begin = _head(data, form, action)
    count = math.prod(shape)
    try:
        voxels = form.compression.decompress(memoryview(data)[begin:], count * form.dtype.itemsize) if count else b""
    except ValueError as error:
        raise AnswerError(
            f"{action}: expected a block of {'×'.join(map(str, shape))} voxels, {form.compression.kind}, and found "
            f"a broken one: {error}"
        ) from None
    return np.frombuffer(voxels, form.stored_dtype, count).reshape(shape, order="F")


def _head(data: bytes | memoryview, form: BlockFormat, action: str) -> tuple[tuple[int, ...], int]:
    """Return the shape of a block, and where its voxels begin."""
    axes = len(form.shape)
    begin = _HEAD.size + 4 * axes
    mode, found = _HEAD.unpack_from(data) if len(data) >= _HEAD.size else (DEFAULT, axes)
    if mode in _MODES:
        raise UnsupportedError(f"{action}: expected a block of voxels and found one of {_MODES[mode]} (mode {mode})")
    if mode != DEFAULT or found != axes:
        raise AnswerError(
            f"{action}: expected the head of a block of {axes} axes and found the mode {mode} and {found} axes",
            first_bytes=bytes(data[:32]),
        )
    if len(data) < begin:
        raise AnswerError(
            f"{action}: expected a head of {begin} bytes and found {len(data)}", expected=begin, found=len(data)
        )
    shape = struct.unpack_from(f">{axes}I", data, _HEAD.size)
    if any(n > most for n, most in zip(shape, form.shape, strict=True)):
        raise AnswerError(f"{action}: expected a block of up to {form.shape} voxels and found {shape}")
    return shape, begin


def encode(voxels: NDArray[Any], form: BlockFormat) -> tuple[bytes, bytes | memoryview]:
    """Return the head and the rest of a block.

    Parameters
    ----------
    voxels : ndarray
        At most a whole block, in the order of the axes of N5; they are cast to the dtype.
    form : BlockFormat
        Of the dataset.
    """
    stored = form.stored_dtype
    if voxels.dtype == stored and voxels.flags.f_contiguous:
        present = voxels
    else:
        present = np.empty(voxels.shape, stored, order="F")
        copy_tiled(present, voxels)
    head = _HEAD.pack(DEFAULT, voxels.ndim) + struct.pack(f">{voxels.ndim}I", *voxels.shape)
    return head, form.compression.compress(flat_bytes(present), stored.itemsize)
