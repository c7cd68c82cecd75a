"""Volumes as layers of napari."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from pyvolume.errors import SelectionError, UnsupportedError
from pyvolume.integrations.chunks import chunk_shape
from pyvolume.integrations.dask import lazy_array
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.units import symbol_of, time_symbol_of
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import unit_grid

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
"""The data of a layer, its options, and its type, as napari takes them from a reader."""

CHUNK_BYTES = 4 << 20
"""napari reads whole chunks: it switches off what cuts them (``napari/utils/_dask_utils.py``)."""

LABELS = {"int32", "uint32", "int64", "uint64"}
"""The dtypes that napari itself takes for labels (``guess_labels``)."""

COLORS = (("red", "green", "blue"), ("red", "green", "blue", "alpha"))
"""The names of channels that are a colour together."""

PLANE_AXES = 2
"""napari shows the last two axes, rows and columns."""


def layers_of(name: str, levels: Sequence[Transfer], facts: Mapping[str, Any]) -> list[LayerData]:
    """Return the layers that show a volume; nothing is read.

    Parameters
    ----------
    name : str
        Of the volume.
    levels : sequence of Transfer
        Read the resolution levels, the finest first.
    facts : mapping
        What the layers say about the volume, their ``metadata``.

    Returns
    -------
    list of LayerData
        Arrays of dask with the axes (t, …, z, y, x). Integers of 32 and 64 bits are labels, a layer for each channel.
        Other voxels are an image, which napari splits into its channels.

    Raises
    ------
    UnsupportedError
        If the volume has one axis behind the channel.
    SelectionError
        If the volume is empty.
    ImportError
        If dask is missing.
    """
    metadata = levels[0].metadata
    order = shown_order(metadata.dims)
    if len(order) < PLANE_AXES:
        raise UnsupportedError(f"show {name} in napari: expected a plane of voxels and found the axis {order[0]} only")
    if not metadata.bounds.size:
        raise SelectionError(f"show {name} in napari: expected voxels and found the empty bounds {metadata.bounds}")
    arrays = [_array(level, order) for level in levels]
    options = {**_placed(metadata, order), "multiscale": len(arrays) > 1, "metadata": dict(facts)}
    names = _channel_names(name, metadata)
    if metadata.dtype.name in LABELS:
        return [
            (_data([array[i] for array in arrays]), {**options, "name": each}, "labels") for i, each in enumerate(names)
        ]
    if len(names) == 1:
        return [(_data([array[0] for array in arrays]), {**options, "name": name, "rgb": False}, "image")]
    if _is_color(metadata):
        ordered = [array.transpose((*range(1, array.ndim), 0)) for array in arrays]
        return [(_data(ordered), {**options, "name": name, "rgb": True}, "image")]
    return [(_data(arrays), {**options, "name": names, "rgb": False, "channel_axis": 0}, "image")]


def shown_order(dims: Sequence[str]) -> tuple[str, ...]:
    """Return the axes behind the channel as napari shows them: time, others, then z, y and x.

    Examples
    --------
    >>> shown_order("cxyzta")
    ('t', 'a', 'z', 'y', 'x')
    """
    others = sorted((dim for dim in dims[1:] if dim not in "xyz"), key=lambda dim: dim != "t")
    return (*others, *(dim for dim in "zyx" if dim in dims))


def _array(level: Transfer, order: Sequence[str]) -> Any:
    """Return the voxels of a level, the channel first, then the axes in the order in which they are shown."""
    metadata = level.metadata
    lazy = lazy_array(level, metadata.bounds, _chunks(level, order[-PLANE_AXES:]))
    return lazy.transpose((0, *(metadata.dims.index(dim) for dim in order)))


def _chunks(level: Transfer, plane: Sequence[str]) -> tuple[int, ...]:
    """Return the shape of chunks that are one block thick, and wider in the plane that is shown first."""
    metadata, grid = level.metadata, unit_grid(level.store.traits)
    whole = metadata.bounds.aligned_to(grid)
    thick = [
        high if dim in plane else min(high, low + cell)
        for dim, low, high, cell in zip(metadata.dims, whole.start, whole.stop, grid, strict=True)
    ]
    return chunk_shape(Box(whole.start, thick), grid, CHUNK_BYTES // metadata.dtype.itemsize)


def _data(arrays: list[Any]) -> Any:
    """Return the data of a layer: an array, or a list of one for each level."""
    return arrays if len(arrays) > 1 else arrays[0]


def _placed(metadata: VoxelsMetadata, order: Sequence[str]) -> dict[str, Any]:
    """Return where a layer lies: the size of its voxels, the place of the first one, units and names of its axes."""
    axes = [metadata.dims.index(dim) for dim in order]
    scale = [metadata.resolution[axis - 1] for axis in axes]
    first = [metadata.bounds.start[axis] for axis in axes]
    return {
        "scale": scale,
        "translate": np.multiply(first, scale).tolist(),
        "units": [_unit_of(metadata.units[axis - 1]) for axis in axes],
        "axis_labels": list(order),
    }


def _unit_of(unit: str) -> str:
    """Return a unit as napari knows it; an unknown one would be an error there."""
    return symbol_of(unit) or time_symbol_of(unit) or "pixel"


def _channel_names(name: str, metadata: VoxelsMetadata) -> list[str]:
    """Return a name for each channel."""
    count = metadata.bounds.shape[0]
    if count == 1:
        return [name]
    labels = metadata.labels[0] or ("",) * count
    return [f"{name} {label or i}" for i, label in enumerate(labels)]


def _is_color(metadata: VoxelsMetadata) -> bool:
    labels = tuple(label.lower() for label in metadata.labels[0] or ())
    return metadata.dtype == np.uint8 and labels in COLORS
