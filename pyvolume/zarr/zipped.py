"""``.zarr.zip``: a Zarr in one file, which is written once."""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray
from zarr.storage import ZipStore

from pyvolume.errors import UnsupportedError
from pyvolume.files.axes import arranged
from pyvolume.files.chunking import ChunksLike
from pyvolume.files.description import Description
from pyvolume.files.names import axes_of, said_by_attributes
from pyvolume.files.npz import chosen
from pyvolume.zarr import files

OURS = "pyvolume"
"""The attribute in which an array of `write_value`, or an image of `create`, holds what pyvolume knows."""

NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of all files in a zip: the same voxels make the same bytes."""


@contextlib.contextmanager
def create(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    description: Description,
    *,
    chunks: ChunksLike = None,
    compressors: Any = "auto",
) -> Iterator[Any]:
    """Give an image in a folder beside the file, which is packed at the end: a part of a zip cannot be replaced."""
    folder = path.with_name(f"{path.name}.folder.zarr")
    try:
        with files.create(folder, shape, dtype, description, chunks=chunks, compressors=compressors) as target:
            yield target
        _pack(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pack(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                entry = zipfile.ZipInfo.from_file(each, each.relative_to(folder).as_posix())
                entry.date_time = NO_TIME
                with each.open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target)


@contextlib.contextmanager
def read(path: Path, *, axes: str | None = None, array: str | None = None) -> Iterator[tuple[Any, Description]]:
    """Give an array: the one with a name, the only one, or the finest of an image."""
    what = f"read {path}"
    with contextlib.closing(ZipStore(path, mode="r")) as store:
        group: Any = zarr.open(store, mode="r")
        found, letters = _array(group, array, what)
        names = found.metadata.dimension_names if found.metadata.zarr_format == 3 else None
        told = [letters, names, *said_by_attributes(dict(found.attrs), found.ndim)]
        held = axes_of(told, found.ndim, what, axes)
        said = dict(group.attrs).get(OURS, {}).get(files.DESCRIPTION)
        if said is None or axes:
            description = Description.of_foreign(held, found.shape)
        else:
            description = Description.of_document(said, str(path))
        yield arranged(found, held, description.axes, what), description


def _array(group: Any, name: str | None, what: str) -> tuple[zarr.Array[Any], list[str]]:
    """Return the array that is meant, and the axes that OME-Zarr names."""
    if isinstance(group, zarr.Array):
        return group, []
    attributes = dict(group.attrs)
    images = attributes.get("ome", attributes).get("multiscales", [])
    if name is None and len(images) == 1:
        image = images[0]
        found = group[image["datasets"][0]["path"]]
        return found, [axis["name"] if isinstance(axis, dict) else axis for axis in image.get("axes", [])]
    found = group[chosen([each for each, _ in group.arrays()], name, what)]
    if not isinstance(found, zarr.Array):
        raise UnsupportedError(f"{what}: expected an array called {name!r}")
    return found, []


def read_value(path: Path) -> NDArray[Any]:
    """Return the array in a file, in the order in which it is stored."""
    with contextlib.closing(ZipStore(path, mode="r")) as store:
        return np.asarray(_array(zarr.open(store, mode="r"), None, f"read {path}")[0][...])


def write_value(path: Path, value: ArrayLike) -> None:
    """Write an array; the file does not name its axes."""
    with contextlib.closing(ZipStore(path, mode="w")) as store:
        zarr.create_array(store, data=np.asanyarray(value))
