"""Volumes as lazy arrays of xarray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from pyvolume.errors import SelectionError
from pyvolume.indexing.boxed import BoxVoxels
from pyvolume.integrations.chunks import CHUNK_BYTES, chunk_shape, chunks_of
from pyvolume.integrations.coordinates import coordinates_of
from pyvolume.integrations.dask import ChunksLike, lazy_array
from pyvolume.integrations.restoring import restored_array
from pyvolume.model.box import Box
from pyvolume.stores.base import VoxelStore
from pyvolume.stores.catalogue import ARRAY_ATTRIBUTE, Attributed, Versioned
from pyvolume.transfer.checks import check_inside
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import unit_grid

ChunksByAxis: TypeAlias = "ChunksLike | Mapping[str, int]"
"""As for `Volume.to_dask`; or the lengths along some axes, of which -1 is the whole axis."""


class Named(Protocol):
    """A volume, as far as its array tells about it."""

    @property
    def name(self) -> str: ...

    @property
    def store(self) -> VoxelStore: ...


class LazyVoxels(BackendArray):
    """The voxels of a box, which are read when they are asked for.

    Parameters
    ----------
    voxels : BoxVoxels
        Reads them.
    """

    def __init__(self, voxels: BoxVoxels) -> None:
        self._voxels = voxels
        self.shape = voxels.shape
        self.dtype = voxels.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        if isinstance(key, indexing.VectorizedIndexer):
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)
        return self._read(key.tuple)  # the adapter fails for an empty slice with a negative step

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Read by a key of an item for each axis, which applies to its own axis alone."""
        listed = [axis for axis, item in enumerate(key) if isinstance(item, np.ndarray)]
        single = tuple(axis for axis, item in enumerate(key) if not isinstance(item, np.ndarray | slice))
        places: list[slice | NDArray[Any]] = []
        for axis, item in enumerate(key):
            if axis in single:
                at = range(self.shape[axis])[item]
                places.append(slice(at, at + 1))
            else:
                is_listed = axis in listed
                places.append(item.reshape([-1 if each == axis else 1 for each in listed]) if is_listed else item)
        voxels = np.asarray(self._voxels[tuple(places)])
        if listed and listed[-1] - listed[0] >= len(listed):  # numpy puts the axes of parted index arrays first
            voxels = np.moveaxis(voxels, range(len(listed)), listed)
        return voxels.squeeze(single)


def labelled_array(
    volume: Named, transfer: Transfer, box: Box, chunks: ChunksByAxis | None, *, restore_dims: bool
) -> xr.DataArray:
    """Return the voxels of a box as an array of xarray, see `Volume.to_xarray`."""
    metadata = transfer.metadata
    check_inside(box, metadata, transfer.store.traits, growing=False)
    voxels: Any = indexing.LazilyIndexedArray(LazyVoxels(BoxVoxels(box, metadata.dtype, transfer.read)))
    if chunks is not None:
        voxels = lazy_array(transfer, box, _by_position(transfer, box, chunks))
    own = dict(volume.attrs.items()) if isinstance(volume, Attributed) else {}
    told = own.pop(ARRAY_ATTRIBUTE, None)
    array = xr.DataArray(
        voxels, coordinates_of(metadata, box), metadata.dims, _variable_name(volume, metadata.dims),
        _attributes(volume, transfer) | own,
    )  # fmt: skip
    array.encoding["preferred_chunks"] = _preferred_chunks(transfer, box)
    return restored_array(array, told, box.start) if restore_dims else array


def _variable_name(volume: Named, dims: tuple[str, ...]) -> str:
    """Return the name of a volume, or "voxels" if it has none that lasts, or that of an axis."""
    return volume.name if volume.store.traits.lasting and volume.name not in {"", *dims} else "voxels"


def _attributes(volume: Named, transfer: Transfer) -> dict[str, Any]:
    """Return what is known of a volume, in types that netCDF can store."""
    metadata = transfer.metadata
    found: dict[str, Any] = {"url": volume.store.address}
    if isinstance(volume, Versioned):
        found["version"] = str(volume.version_name)
    found |= {"resolution": list(metadata.resolution), "units": list(metadata.units)}
    channels = metadata.labels[0]
    return found | ({} if channels is None else {"channels": list(channels)})


def _preferred_chunks(transfer: Transfer, box: Box) -> dict[str, int | tuple[int, ...]]:
    """Return the length of the chunks by axis; all lengths where the first chunk is shorter."""
    metadata, grid = transfer.metadata, unit_grid(transfer.store.traits)
    sides = _sides(transfer, box)
    found: dict[str, int | tuple[int, ...]] = {}
    for dim, low, high, side, cell in zip(metadata.dims, box.start, box.stop, sides, grid, strict=True):
        is_even = low % cell == 0
        found[dim] = max(1, min(side, high - low)) if is_even else chunks_of(Box([low], [high]), [side], [cell])[0]
    return found


def _by_position(transfer: Transfer, box: Box, chunks: ChunksByAxis) -> ChunksLike:
    """Return chunks as dask takes them.

    Raises
    ------
    SelectionError
        For an axis that the volume does not have.
    """
    if not isinstance(chunks, Mapping):
        return chunks
    dims = transfer.metadata.dims
    unknown = [dim for dim in chunks if dim not in dims]
    if unknown:
        raise SelectionError(f"chunks: expected lengths along the axes {', '.join(dims)} and found {unknown[0]!r}")
    return [chunks.get(dim, side) for dim, side in zip(dims, _sides(transfer, box), strict=True)]


def _sides(transfer: Transfer, box: Box) -> tuple[int, ...]:
    """Return the shape of chunks of a good size."""
    return chunk_shape(box, unit_grid(transfer.store.traits), CHUNK_BYTES // transfer.metadata.dtype.itemsize)
