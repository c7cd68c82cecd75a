"""``.npz``: the array ``voxels`` and one array for each item of the description; held in memory."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
def read(path: Path, *, axes: str | None = None, array: str | None = None) -> Iterator[tuple[Any, Description]]:
    """Give the array in a file: the one with a name, the one called ``voxels``, or the only one."""
    what = f"read {path}"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # numpy leaves a broken file open
        names = list(archive)
        name = chosen(names, array, what)
        voxels = archive[name]
        items = {each.name: archive[each.name].tolist() for each in fields(Description) if each.name in names}
    held = axes_of(said_by_attributes(items, voxels.ndim), voxels.ndim, what, axes)
    ours = None if axes else Description.of_attributes(items, str(path), held)
    description = ours or Description.of_foreign(held, voxels.shape)
    yield arranged(voxels, held, description.axes, what), description


def chosen(names: Sequence[str], array: str | None, what: str) -> str:
    """Return the name of the array that is meant in a file of several.

    Raises
    ------
    UnsupportedError
    """
    if array is None:
        name = VOXELS if VOXELS in names else names[0] if len(names) == 1 else None
    else:
        name = array if array in names else None
    if name is None:
        wanted = f"one array, or one called {VOXELS!r}," if array is None else f"an array called {array!r}"
        raise UnsupportedError(f"{what}: expected {wanted} and found {list(names)}; array= chooses one")
    return name


def read_value(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays in a file by their names."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive}


def write_value(path: Path, value: Any) -> None:
    """Write arrays by their names, or one array, which numpy calls ``arr_0``."""
    arrays = (
        {name: np.asanyarray(each) for name, each in value.items()}
        if isinstance(value, Mapping)
        else {"arr_0": np.asanyarray(value)}
    )
    wrong = next((name for name, each in arrays.items() if each.dtype.hasobject or not isinstance(name, str)), None)
    if wrong is not None:
        raise UnsupportedError(f"write {path.name}: expected arrays of numbers by their names, and {wrong!r} is none")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, each in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, each, allow_pickle=False)
