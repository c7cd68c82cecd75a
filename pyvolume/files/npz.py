"""``.npz``: the array ``voxels`` and one array for each item of the description; held in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from pyvolume.errors import UnsupportedError
from pyvolume.files.axes import arranged
from pyvolume.files.description import Description
from pyvolume.files.names import axes_of, said_by_attributes

VOXELS = "voxels"


@contextlib.contextmanager
def create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], description: Description) -> Iterator[Any]:
    """Give an array that goes into a new file."""
    voxels = np.zeros(shape, dtype, order="F")
    yield voxels
    with path.open("wb") as file:  # numpy would append a suffix to a path whose own is in capitals
        np.savez_compressed(file, allow_pickle=False, **{VOXELS: voxels}, **description.to_document())


@contextlib.contextmanager
def read(path: Path) -> Iterator[tuple[Any, Description]]:
    """Give the array in a file: the one called ``voxels``, or the only one."""
    what = f"read {path}"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # numpy leaves a broken file open
        names = list(archive)
        name = VOXELS if VOXELS in names else names[0] if len(names) == 1 else None
        if name is None:
            raise UnsupportedError(f"{what}: expected one array, or one called {VOXELS!r}, and found {names}")
        voxels = archive[name]
        items = {each.name: archive[each.name].tolist() for each in fields(Description) if each.name in names}
    held = axes_of(said_by_attributes(items, voxels.ndim), voxels.ndim, what)
    description = Description.of_attributes(items, str(path), held) or Description.of_foreign(held, voxels.shape)
    yield arranged(voxels, held, description.axes, what), description
