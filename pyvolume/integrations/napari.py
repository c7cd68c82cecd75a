"""Volumes as layers of napari."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
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
    options = {**_placed(metadata, order), "multiscale": len(levels) > 1, "metadata": dict(facts)}
    names = _channel_names(name, metadata)
    is_labels = metadata.dtype.name in LABELS
    if is_labels or len(names) == 1:
        kind, more = ("labels", {}) if is_labels else ("image", {"rgb": False})
        return [
            (_data([_channel(level, order, number) for level in levels]), {**options, **more, "name": each}, kind)
            for number, each in enumerate(names)
        ]
    if _is_color(metadata):
        colors = [_array(level, (*order, "c"), level.metadata.bounds) for level in levels]
        return [(_data(colors), {**options, "name": name, "rgb": True}, "image")]
    arrays = [_array(level, ("c", *order), level.metadata.bounds) for level in levels]
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


def _channel(level: Transfer, order: Sequence[str], number: int) -> Any:
    """Return the voxels of a channel, which has no axis then."""
    bounds = level.metadata.bounds
    box = bounds.replaced(0, bounds.start[0] + number, bounds.start[0] + number + 1)
    array = _array(level, ("c", *order), box)
    # an index would make a task for each chunk at once, and there can be millions
    return array.map_blocks(itemgetter(0), drop_axis=0, meta=np.empty((0,) * len(order), array.dtype))


def _array(level: Transfer, order: Sequence[str], box: Box) -> Any:
    """Return the voxels of a box, with the axes in an order."""
    dims = level.metadata.dims
    shown = [dim for dim in order if dim != "c"][-PLANE_AXES:]
    return lazy_array(level, box, _chunks(level, shown)).transpose([dims.index(dim) for dim in order])


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
