"""Voxels as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE_BYTES = 1 << 20


def repeated(value: int, count: int) -> Iterator[bytes]:
    """Yield `count` bytes of one value, a MiB at a time."""
    piece = bytes([value]) * min(count, PIECE_BYTES)
    for start in range(0, count, PIECE_BYTES):
        yield piece[: count - start]


def as_bytes(values: NDArray[Any]) -> memoryview:
    """Return the memory of a Fortran-ordered array as bytes, without a copy."""
    return memoryview(values.reshape(-1, order="F").view(np.uint8))  # type: ignore[arg-type]
