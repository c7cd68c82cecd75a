"""``.h5``: the dataset ``voxels``, in chunks, and one attribute of it for each item of the description."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.files.axes import arranged
from pyvolume.files.chunking import ChunksLike, chunk_shape
from pyvolume.files.description import Description
from pyvolume.files.names import NAMES, axes_of, said_by_attributes
from pyvolume.files.npz import chosen
from pyvolume.model.arguments import brief
from pyvolume.stores.space import check_free, reserve

VOXELS = "voxels"

WANTED = [*(each.name for each in fields(Description)), *NAMES]
"""The attributes that are read; those of other programs can be references, which are no values."""

OVERHEAD = 1 << 16
"""Bytes of a file beside its chunks, for few of them."""


@contextlib.contextmanager
def create(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    description: Description,
    *,
    dataset: str = VOXELS,
    chunks: ChunksLike = None,
    compression: str | int | None = None,
) -> Iterator[Any]:
    """Give a dataset in a new file, whose space is taken: HDF5 can crash when a write fails.

    What is compressed has no known size: only then another program can fill the disk in the meantime.
    """
    # an array without axes or without voxels has no chunks
    lengths = chunk_shape(shape, chunks, f"write {path.name}") if shape and all(shape) else None
    stored = math.prod(-(-n // length) * length for n, length in zip(shape, lengths or (1,) * len(shape), strict=True))
    needed = stored * dtype.itemsize + OVERHEAD
    path.touch()
    if compression is None:
        reserve(path, needed)
        how: dict[str, Any] = {"dcpl": _all_chunks_now()}
    else:
        check_free(path, needed)
        how = {"compression": compression}
    with h5py.File(path, "w") as file:
        try:
            voxels = file.create_dataset(dataset, shape, dtype, chunks=lengths, **how)
        except ValueError as error:
            if compression is None:
                raise
            raise UnsupportedError(
                f"write HDF5: expected a compression and found {brief(compression)}: {error}"
            ) from None
        voxels.attrs.update(description.to_document())
        for axis, name in zip(voxels.dims, description.axes, strict=True):
            axis.label = name
        file.flush()
        reserve(path, path.stat().st_size)
        yield voxels


def _all_chunks_now() -> Any:
    """Give each chunk its place in the file at once, without a value."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return settings


@contextlib.contextmanager
def read(
    path: Path, mode: Literal["r", "r+"] = "r", *, axes: str | None = None, array: str | None = None
) -> Iterator[tuple[Any, Description]]:
    """Give the dataset in a file: the one with a name, ``voxels``, or the only one besides scales of axes."""
    what = f"read {path}"
    with _opened(path, mode) as file:
        dataset = _dataset(file, path, array)
        _check_sources(dataset, path)
        attributes = {name: _plain(dataset.attrs[name]) for name in WANTED if name in dataset.attrs}
        held = axes_of([_labels(dataset), *said_by_attributes(attributes, dataset.ndim)], dataset.ndim, what, axes)
        ours = None if axes else Description.of_attributes(attributes, str(path), held)
        description = ours or Description.of_foreign(held, dataset.shape)
        yield arranged(dataset, held, description.axes, what), description


def _opened(path: Path, mode: Literal["r", "r+"]) -> h5py.File:
    try:
        return h5py.File(path, mode)
    except OSError as error:
        if error.errno is not None:  # the file is not broken
            raise
        raise MetadataError(
            f"read {path}: expected an HDF5 file: {error}; a process that is killed while it writes can leave such a "
            "file, .zarr and .npy stay readable"
        ) from error


def _dataset(file: h5py.File, path: Path, array: str | None) -> h5py.Dataset:
    names: list[str] = []

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not item.is_scale:
            names.append(name)

    file.visititems(note)
    return file[chosen(names, array, f"read {path}")]


def _labels(dataset: h5py.Dataset) -> list[str]:
    """Return the label of each axis, or the name of its scale."""
    scales = (next((scale.name for scale in axis.values()), "") for axis in dataset.dims)
    return [axis.label or scale.rpartition("/")[2] for axis, scale in zip(dataset.dims, scales, strict=True)]


def _check_sources(dataset: h5py.Dataset, path: Path) -> None:
    """Refuse a dataset whose voxels are in other files that lack some: HDF5 would give its fill value."""
    if dataset.external:
        raise UnsupportedError(f"read {path}: expected voxels in the file and found them in {dataset.external[0][0]!r}")
    sources = dataset.virtual_sources() if dataset.is_virtual else ()
    missing = sorted({each.file_name for each in sources if not _holds(dataset.file, path, each)})
    if missing:
        raise MetadataError(f"read {path}: expected voxels in {missing}, which are missing")


def _holds(file: h5py.File, path: Path, source: Any) -> bool:
    """Whether the file that a virtual dataset names has the dataset, found as HDF5 finds it."""
    if source.file_name == ".":
        return source.dset_name in file
    for place in (path.parent / source.file_name, Path(source.file_name)):
        if place.is_file():
            with h5py.File(place) as other:
                return source.dset_name in other
    return False


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def read_value(path: Path) -> NDArray[Any]:
    """Return the array in a file."""
    with _opened(path, "r") as file:
        dataset = _dataset(file, path, None)
        _check_sources(dataset, path)
        found: NDArray[Any] = dataset[()]
    return found


def write_value(path: Path, value: ArrayLike) -> None:
    """Write an array, in chunks; the file does not name its axes."""
    array = np.asanyarray(value)
    check_free(path, array.nbytes + OVERHEAD)
    chunks = chunk_shape(array.shape, None, f"write {path.name}") if array.size and array.ndim else None
    with h5py.File(path, "w") as file:
        file.create_dataset(VOXELS, data=array, chunks=chunks)
