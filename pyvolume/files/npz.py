"""``.npz``: the array ``voxels`` and one array for each item of the description; held in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from pyvolume.errors import UnsupportedError
from pyvolume.files.description import Description

VOXELS = "voxels"


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array that goes into a new file."""
    voxels = np.zeros(shape, dtype, order="F")
    yield voxels
    np.savez_compressed(path, allow_pickle=False, **{VOXELS: voxels}, **description.to_document())


@contextlib.contextmanager
def read(path: Path) -> Iterator[tuple[Any, Description]]:
    """Give the array in a file: the one called ``voxels``, or the only one."""
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive)
        name = VOXELS if VOXELS in names else names[0] if len(names) == 1 else None
        if name is None:
            raise UnsupportedError(f"read {path}: expected one array, or one called {VOXELS!r}, and found {names}")
        voxels = archive[name]
        items = {each.name: archive[each.name].tolist() for each in fields(Description) if each.name in names}
    yield voxels, Description.of_attributes(items, voxels.ndim, str(path))
