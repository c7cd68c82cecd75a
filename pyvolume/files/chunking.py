"""The chunks of the formats that store them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex, TypeAlias

from pyvolume.errors import SelectionError
from pyvolume.model import arguments

ChunksLike: TypeAlias = "SupportsIndex | Sequence[SupportsIndex] | None"
"""The lengths of a chunk along the axes of the array, or one for all axes; None: `CHUNK`."""

CHUNK = 64
"""Voxels along each edge of a chunk, at most, where nothing else is said."""


def chunk_shape(shape: Sequence[int], chunks: ChunksLike, what: str) -> tuple[int, ...]:
    """Return the lengths of a chunk, which are no longer than the array.

    Raises
    ------
    SelectionError
        If there is not one length for each axis.
    TypeError, ValueError
        For lengths that are no whole numbers above 0.
    """
    given = chunks if isinstance(chunks, Sequence) else [CHUNK if chunks is None else chunks] * len(shape)
    lengths = [arguments.integer(each, what, "a length of chunks", least=1) for each in given]
    if len(lengths) != len(shape):
        raise SelectionError(f"{what}: expected {len(shape)} lengths for chunks of {tuple(shape)} and found {lengths}")
    return tuple(max(1, min(length, n)) for length, n in zip(lengths, shape, strict=True))
