"""From a file to a volume."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from pyvolume.errors import AddressError, MetadataError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.description import Description
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.arrays import ArrayStore
from pyvolume.volume import Volume


def open_file(path: Path, mode: Literal["r", "r+"], **options: Any) -> Volume:
    """Open the volume in a file, but not in a folder of zarr; the options are those of a `Volume`.

    Raises
    ------
    AddressError
        If there is no such file.
    UnsupportedError
        If the format cannot be changed in place, or the content is no volume.
    MetadataError
        If the file is broken.
    """
    with contextlib.ExitStack() as stack:
        store, metadata = _opened(path, mode)
        stack.callback(store.close)
        volume = Volume(store, metadata, mode=mode, **options)
        stack.pop_all()
    return volume


def _opened(path: Path, mode: Literal["r", "r+"]) -> tuple[ArrayStore, VoxelsMetadata]:
    """Open a file; closing the store closes it."""
    if not path.exists():
        hint = f"; the command 'pyvolume get URL {path}' makes one" if mode == "r+" else ""
        raise AddressError(f"open: there is no file {path}{hint}")
    path = path.absolute()  # files can be read when the process has gone to another folder
    with contextlib.ExitStack() as stack:
        stored = stack.enter_context(formats.read(path, mode))
        array = stored.array
        metadata = described_metadata(stored.description, array.shape, array.dtype, path)
        keeping = contextlib.ExitStack()
        store = ArrayStore(
            stored.array,
            metadata,
            axes=stored.description.axes,
            path=path,
            writable=mode == "r+",
            close=keeping.close,
            reopening=functools.partial(_reopening, path, mode),
        )
        keeping.push(stack.pop_all())
    return store, metadata


def _reopening(path: Path, mode: Literal["r", "r+"]) -> tuple[Callable[..., ArrayStore], tuple[Path, str]]:
    """Return what is pickled in place of an open file.

    Raises
    ------
    UnsupportedError
        If only one process at a time can have the file open for writing.
    """
    if mode == "r+" and formats.suffix_of(path) in {".h5", ".hdf5"}:
        raise UnsupportedError(
            f"pickle or copy the volume {path}: expected mode='r', because one process at a time writes to an HDF5 "
            "file; open it where it is written"
        )
    return _reopened, (path, mode)


def _reopened(path: Path, mode: Literal["r", "r+"]) -> ArrayStore:
    return _opened(path, mode)[0]


def described_metadata(description: Description, shape: Sequence[int], dtype: DTypeLike, path: Path) -> VoxelsMetadata:
    """Describe the volume in a file, whose array has this shape.

    It lies at its offset, unless only every nth voxel was taken.

    Raises
    ------
    MetadataError
        If no volume is like that: one without channels, or with a voxel of no size.
    """
    axes = description.volume_axes or "c" + description.axes.replace("c", "")
    lengths = dict(zip(description.axes, shape, strict=True))
    whole = [lengths.get(axis, 1) for axis in axes]
    try:
        metadata = VoxelsMetadata.of(
            whole,
            np.dtype(dtype).newbyteorder("="),
            dims=axes,
            resolution=[description.size_of(axis) for axis in axes[1:]],
            units=[description.unit_of(axis) for axis in axes[1:]],
        )
    except MetadataError as error:
        raise MetadataError(f"open {path}: {str(error).removeprefix('metadata: ')}") from None
    is_placed = bool(description.offset) and set(description.step) <= {1}
    start = description.offset if is_placed else (0,) * len(axes)
    bounds = Box(start, [low + n for low, n in zip(start, whole, strict=True)])
    return dataclasses.replace(metadata, bounds=bounds, translation=description.translation if is_placed else ())
