"""``.zarr`` as a format of files: what `Volume.save` and the command make and read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import UnsupportedError
from pyvolume.files.chunking import ChunksLike, chunk_shape
from pyvolume.files.description import Description
from pyvolume.files.volumes import described_metadata
from pyvolume.model.box import Box
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
        yield _Held(volume, description.axes, description.backwards())


@contextlib.contextmanager
def read(path: Path, mode: Literal["r", "r+"] = "r") -> Iterator[tuple[Any, Description]]:
    """Give the voxels in a folder, and where they come from."""
    with open_volume(parse(path), mode) as volume:
        said = volume.store.node.ours.get(DESCRIPTION)
        description = _foreign(volume) if said is None else Description.of_document(said, str(path))
        yield _Held(volume, description.axes), description


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


class _Held:
    """The voxels of a volume along some of its axes, as an array that begins at 0; the others have one voxel.

    Parameters
    ----------
    volume : ZarrVolume
        What is read and written.
    axes : str
        Of the array, in its order.
    backwards : sequence of bool
        Which of them are stored in the other direction.
    """

    def __init__(self, volume: ZarrVolume, axes: str, backwards: Sequence[bool] = ()) -> None:
        self._volume, self._axes, self._backwards = volume, axes, tuple(backwards) or (False,) * len(axes)
        lengths = dict(zip(volume.dims, volume.bounds.shape, strict=True))
        self.shape = tuple(lengths[axis] for axis in axes)
        self.dtype = volume.dtype

    def __getitem__(self, key: Any) -> NDArray[Any]:
        box, order = self._box(key)
        voxels = self._volume.read(box)
        kept = voxels[tuple(slice(None) if dim in self._axes else 0 for dim in self._volume.dims)]
        return self._turned(kept.transpose(np.argsort(order)))

    def __setitem__(self, key: Any, voxels: Any) -> None:
        box, order = self._box(key)
        shape = tuple(n for n, dim in zip(box.shape, self._volume.dims, strict=True) if dim in self._axes)
        given = np.broadcast_to(voxels, [shape[order.index(at)] for at in range(len(order))])
        self._volume.write(box, self._turned(given).transpose(order).reshape(box.shape))

    def _turned(self, voxels: NDArray[Any]) -> NDArray[Any]:
        return voxels[tuple(slice(None, None, -1 if turned else 1) for turned in self._backwards)]

    def _box(self, key: Any) -> tuple[Box, list[int]]:
        """Return the box of a key of slices, and which axis of the array each of its axes is."""
        items = key if isinstance(key, tuple) else (key,)
        at = next((at for at, each in enumerate(items) if each is Ellipsis), len(items))
        others = (slice(None),) * (len(self.shape) - len(items) + (at < len(items)))
        slices = (*items[:at], *others, *items[at + 1 :])
        faces = {}
        for axis, each, length, turned in zip(self._axes, slices, self.shape, self._backwards, strict=True):
            low, high, _ = each.indices(length)
            faces[axis] = (length - high, length - low) if turned else (low, high)
        sides = list(zip(self._volume.dims, self._volume.bounds.start, strict=True))
        pairs = [tuple(first + n for n in faces.get(dim, (0, 1))) for dim, first in sides]
        order = [self._axes.index(dim) for dim in self._volume.dims if dim in self._axes]
        return Box([low for low, _ in pairs], [high for _, high in pairs]), order
