"""``.npy``: the array alone, in Fortran order, mapped into memory. It has no place for metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.files.description import Description
from pyvolume.files.names import axes_of
from pyvolume.stores.space import reserve


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:  # noqa: ARG001
    """Give an array in a new file; the description is lost."""
    mapped = np.lib.format.open_memmap(path, "w+", dtype, shape, fortran_order=True)
    reserve(path, path.stat().st_size)
    yield mapped
    mapped.flush()


@contextlib.contextmanager
def read(path: Path, mode: Literal["r", "r+"] = "r", *, axes: str | None = None) -> Iterator[tuple[Any, Description]]:
    """Give the array in a file."""
    mapped = np.load(path, mmap_mode=mode, allow_pickle=False)
    yield mapped, Description(axes_of([], mapped.ndim, f"read {path}", axes))


def read_value(path: Path) -> NDArray[Any]:
    """Return the array in a file."""
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array


def write_value(path: Path, value: ArrayLike) -> None:
    """Write an array, in the order in which it is in memory."""
    np.save(path, np.asanyarray(value), allow_pickle=False)
