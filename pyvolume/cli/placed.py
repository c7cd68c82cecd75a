"""Placed: the array of a file as a volume at the place where it is to be written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from pyvolume.errors import VoxelsMismatchError
from pyvolume.files.formats import Stored
from pyvolume.indexing.selection import Selection
from pyvolume.stores.arrays import ArrayStore
from pyvolume.volume import Volume


def placed(stored: Stored, path: Path, selection: Selection, volume: Volume) -> Volume:
    """Return the array as a volume of the axes of `volume`, whose voxels lie in a selection.

    Raises
    ------
    SelectionError
        If the selection is no box.
    VoxelsMismatchError
        If the array has another shape.
    """
    box = selection.as_box()
    array, expected = stored.array, tuple(selection.shape)
    if tuple(array.shape) != (expected or (1,)):  # a file with one voxel gets an axis when it is read
        raise VoxelsMismatchError(f"put {path}: expected an array of shape {expected} and found {tuple(array.shape)}")
    dtype = np.dtype(array.dtype).newbyteorder("=")
    metadata = dataclasses.replace(volume.metadata, bounds=box, dtype=dtype)
    pairs = zip(volume.dims, selection.by_axis, strict=True)
    held = "".join(axis for axis, each in pairs if not isinstance(each, int)) or volume.dims[-1]
    return Volume(ArrayStore(array, metadata, axes=held, path=path, writable=False), metadata, mode="r")
