"""From a file to a volume."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from pyvolume.errors import AddressError, MetadataError, UnsupportedError
from pyvolume.files import formats
from pyvolume.files.axes import in_order
from pyvolume.files.description import Description
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.arrays import ArrayStore
from pyvolume.volume import Volume


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a file beside what it says itself.

    Parameters
    ----------
    axes, array : str, optional
        As for `formats.read`.
    description : Description, optional
        Takes the place of the one in the file, but for the axes of the array.
    address : str
        The url of the volume, if it is not the path.
    """

    axes: str | None = None
    array: str | None = None
    description: Description | None = None
    address: str = ""

    def describe(self, found: Description) -> Description:
        """Return the description of an array whose file says this of it."""
        return found if self.description is None else dataclasses.replace(self.description, axes=found.axes)


def open_file(path: Path, mode: Literal["r", "r+"], known: Known | None = None, **options: Any) -> Volume:
    """Open the volume in a file, but not in a folder of zarr.

    Parameters
    ----------
    path : Path
        The file.
    mode : "r" or "r+"
        Read only, or read and write.
    known : Known, optional
        What the caller knows of it.
    **options
        Of a `Volume`.

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
        store, metadata = _opened(path, mode, known or Known())
        stack.callback(store.close)
        volume = Volume(store, metadata, mode=mode, **options)
        stack.pop_all()
    return volume


def _opened(path: Path, mode: Literal["r", "r+"], known: Known) -> tuple[ArrayStore, VoxelsMetadata]:
    """Open a file; closing the store closes it."""
    if not path.exists():
        hint = f"; the command 'pyvolume get URL {path}' makes one" if mode == "r+" else ""
        raise AddressError(f"open: there is no file {path}{hint}")
    path = path.absolute()  # files can be read when the process has gone to another folder
    with contextlib.ExitStack() as stack:
        stored = stack.enter_context(formats.read(path, mode, axes=known.axes, array=known.array))
        array = stored.array
        metadata = described_metadata(known.describe(stored.description), array.shape, array.dtype, path)
        keeping = contextlib.ExitStack()
        store = ArrayStore(
            stored.array,
            metadata,
            axes=stored.description.axes,
            path=path,
            writable=mode == "r+",
            close=keeping.close,
            reopening=functools.partial(_reopening, path, mode, known),
            address=known.address,
        )
        keeping.push(stack.pop_all())
    return store, metadata


def _reopening(
    path: Path, mode: Literal["r", "r+"], known: Known
) -> tuple[Callable[..., ArrayStore], tuple[Path, str, Known]]:
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
    return _reopened, (path, mode, known)


def _reopened(path: Path, mode: Literal["r", "r+"], known: Known) -> ArrayStore:
    return _opened(path, mode, known)[0]


def described_metadata(description: Description, shape: Sequence[int], dtype: DTypeLike, path: Path) -> VoxelsMetadata:
    """Describe the volume in a file, whose array has this shape.

    It lies at its offset, unless only every nth voxel was taken.

    Raises
    ------
    MetadataError
        If no volume is like that: one without channels, or with a voxel of no size.
    """
    axes = description.volume_axes or in_order("c" + description.axes.replace("c", ""))
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
