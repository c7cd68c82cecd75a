"""``.h5``: the dataset ``voxels``, in chunks, and one attribute of it for each item of the description."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from pyvolume.errors import UnsupportedError
from pyvolume.files.description import Description

VOXELS = "voxels"

CHUNK = 64
"""Voxels along each edge of a chunk, at most."""


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give a dataset in a new file."""
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(VOXELS, shape, dtype, chunks=tuple(min(n, CHUNK) for n in shape))
        dataset.attrs.update(description.to_document())
        yield dataset


@contextlib.contextmanager
def read(path: Path, mode: Literal["r", "r+"] = "r") -> Iterator[tuple[Any, Description]]:
    """Give the dataset in a file: the one called ``voxels``, or the only one."""
    with h5py.File(path, mode) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        if VOXELS not in names and len(names) != 1:
            raise UnsupportedError(f"read {path}: expected one dataset, or one called {VOXELS!r}, and found {names}")
        dataset = file[VOXELS if VOXELS in names else names[0]]
        attributes = {name: _plain(value) for name, value in dataset.attrs.items()}
        yield dataset, Description.of_attributes(attributes, dataset.ndim, str(path))


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
