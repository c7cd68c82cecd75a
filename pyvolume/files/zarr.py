"""``.zarr``: an array of the third version of the format, and one attribute of it for each item of the description."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr

from pyvolume.errors import UnsupportedError
from pyvolume.files.description import Description

CHUNK = 64
"""Voxels along each edge of a chunk, at most."""


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array in a new folder."""
    yield zarr.create_array(
        store=str(path),
        shape=shape,
        dtype=dtype,
        chunks=tuple(min(n, CHUNK) for n in shape),
        dimension_names=list(description.axes),
        attributes=description.to_document(),
    )


@contextlib.contextmanager
def read(path: Path, mode: Literal["r", "r+"] = "r") -> Iterator[tuple[Any, Description]]:
    """Give the array in a folder: itself, or the only one of a group."""
    found: Any = zarr.open(str(path), mode=mode)
    if isinstance(found, zarr.Group):
        arrays = dict(found.arrays())
        if len(arrays) != 1:
            raise UnsupportedError(
                f"read {path}: expected one array and found {sorted(arrays)}; name one of them, as in {path / 'NAME'}"
            )
        (found,) = arrays.values()
    yield found, Description.of_attributes(dict(found.attrs), found.ndim, str(path))
