"""Voxels as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_bytes(values: NDArray[Any]) -> memoryview:
    """Return the memory of a Fortran-ordered array as bytes, without a copy."""
    return memoryview(values.reshape(-1, order="F").view(np.uint8))  # type: ignore[arg-type]
