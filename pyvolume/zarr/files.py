"""``.zarr`` as a format of files: what `Volume.save` and the command make and read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import UnsupportedError
from pyvolume.files.axes import Arranged, SlicesLike, each_slice
from pyvolume.files.chunking import ChunksLike, chunk_shape
from pyvolume.files.description import Description
from pyvolume.files.volumes import described_metadata
from pyvolume.zarr import creation
from pyvolume.zarr.accessor import ZarrVolume, open_volume
from pyvolume.zarr.address import parse
from pyvolume.zarr.creation import Format

DESCRIPTION = "description"
"""What pyvolume keeps of the selection that was saved."""


@contextlib.contextmanager
def create(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    description: Description,
    *,
    chunks: ChunksLike = None,
    format: Format | None = None,  # noqa: A002 - as in pyvolume.create
    compressors: Any = "auto",
) -> Iterator[Any]:
    """Give an image in a new folder; where OME-Zarr has no such axes, an array without OME."""
    lengths = None if chunks is None else chunk_shape(shape, chunks, f"write {path.name}")
    forwards = description.forwards(shape)
    metadata = described_metadata(forwards, shape, dtype, path)
    by_axis = dict(zip(description.axes, lengths or (), strict=False))
    whole = None if lengths is None else tuple(by_axis.get(dim, 1) for dim in metadata.dims)
    options: dict[str, Any] = {
        "chunks": whole,
        "compressors": compressors,
        "kept": {DESCRIPTION: forwards.to_document()},
    }
    try:
        volume = creation.create(parse(path), metadata, format=format or "0.5", **options)
    except UnsupportedError:
        if format is not None:
            raise
        volume = creation.create(parse(path), metadata, format="zarr", **options)
    with volume:
        yield _held(volume, description.axes, description.backwards())


@contextlib.contextmanager
def read(path: Path, mode: Literal["r", "r+"] = "r") -> Iterator[tuple[Any, Description]]:
    """Give the voxels in a folder, and where they come from."""
    with open_volume(parse(path), mode) as volume:
        said = volume.store.node.ours.get(DESCRIPTION)
        description = _foreign(volume) if said is None else Description.of_document(said, str(path))
        yield _held(volume, description.axes), description


def _foreign(volume: ZarrVolume) -> Description:
    """Describe what no selection was saved to; a size that nobody has said is not known."""
    node, dims = volume.store.node, "".join(volume.dims)
    has_sizes = "resolution" in node.ours if node.image is None else bool(node.image.datasets[node.level].scale)
    return Description(
        "".join(dim for dim in dims if dim in node.axes),
        dims,
        volume.bounds.start,
        (1,) * volume.ndim,
        resolution=volume.resolution if has_sizes else (),
        units=volume.units if has_sizes else (),
    )


class _Stored:
    """The stored voxels of a volume as an array that begins at 0; one slice for each axis selects some."""

    def __init__(self, volume: ZarrVolume) -> None:
        self._voxels, self._start = volume.absolute, volume.bounds.start
        self.shape, self.dtype = volume.bounds.shape, volume.dtype

    def __getitem__(self, key: SlicesLike) -> NDArray[Any]:
        voxels: NDArray[Any] = self._voxels[self._moved(key)]
        return voxels

    def __setitem__(self, key: SlicesLike, voxels: object) -> None:
        self._voxels[self._moved(key)] = voxels

    def _moved(self, key: SlicesLike) -> tuple[slice, ...]:
        slices = each_slice(key, len(self.shape))
        faces = (each.indices(length) for each, length in zip(slices, self.shape, strict=True))
        return tuple(slice(first + low, first + high) for first, (low, high, _) in zip(self._start, faces, strict=True))


def _held(volume: ZarrVolume, axes: str, backwards: Sequence[bool] = ()) -> Any:
    """Give the stored voxels along some axes of a volume, in this order; the others have one voxel."""
    stored, dims = _Stored(volume), "".join(volume.dims)
    if axes == dims and not any(backwards):
        return stored
    return Arranged(stored, [dims.index(axis) for axis in axes], backwards)
