"""The metadata of an array of zarr: from the document to an array, and from what the catalogue says to a volume."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.array import AsyncArray
from zarr.core.buffer import default_buffer_prototype
from zarr.core.metadata.v3 import ArrayV3Metadata
from zarr.storage import StorePath

from pyvolume.errors import MetadataError, NotFoundError, UnsupportedError
from pyvolume.mikro.documents import ImageFacts
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.units import MILLIMETERS, symbol_of
from pyvolume.zarr.client import Client
from pyvolume.zarr.nodes import OURS, Node, metadata_of

_log = logging.getLogger(__name__)

DIMS = ("c", "x", "y", "z", "t")
"""The axes of a volume."""

DISK_AXES = "ctzyx"
"""The axes of an array, as Mikro's clients write them; the last varies fastest."""

SPACE = ("x", "y", "z")

MICROMETERS = "micrometers"
"""The unit of the sizes of voxels in the catalogue."""


def array_of(client: Client, document: Mapping[str, Any], action: str) -> Any:
    """Make the array of zarr that a document describes; no request.

    Raises
    ------
    UnsupportedError
        For codecs and types that zarr does not have.
    MetadataError
        If it describes no array of Zarr v3.
    """
    if document.get("zarr_format") != 3 or document.get("node_type") != "array":
        raise MetadataError(f"{action}: expected the metadata of an array of Zarr v3")
    own = {"attributes": {}, "storage_transformers": [], "fill_value": 0, **copy.deepcopy(dict(document))}
    try:
        metadata = ArrayV3Metadata.from_dict(own)  # it takes the document apart
        return zarr.Array(AsyncArray(metadata, StorePath(client.store, "")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if "codec" in type(error).__name__.lower() or "codec" in str(error).lower():
            raise UnsupportedError(f"{action}: {error}") from error
        raise MetadataError(f"{action}: expected the metadata of zarr: {type(error).__name__}: {error}") from error


def node_of(array: Any, facts: ImageFacts, action: str) -> Node:
    """Describe an array as a volume of zarr, with what the catalogue says of it.

    Raises
    ------
    UnsupportedError
        For voxels that are no numbers, and for axes that a volume does not have.
    """
    if array.dtype.kind not in "biufc" or not array.shape:
        what = f"found {array.dtype}" if array.shape else "found an array without axes"
        raise UnsupportedError(f"{action}: expected numbers along axes, and {what}")
    axes = axes_of(array.metadata.dimension_names, array.ndim, action)
    dims = [*DIMS, *(axis for axis in axes if axis not in DIMS)]
    own = dict(array.attrs)
    said = own.get(OURS)
    sizes = _sizes(dims, said if isinstance(said, Mapping) else {}, facts.views)
    ours = {"dims": "".join(dims), "resolution": [s for s, _ in sizes], "units": [unit for _, unit in sizes]}
    return Node("", array, axes, None, "", 0, {**own, OURS: ours})


def axes_of(names: Sequence[str | None] | None, count: int, action: str) -> str:
    """Return a letter for each axis of an array.

    Five axes without letters are those of Mikro's clients, fewer are the last of them.

    Examples
    --------
    >>> axes_of(None, 3, "open"), axes_of(["t", "y", "x"], 3, "open")
    ('zyx', 'tyx')

    Raises
    ------
    UnsupportedError
        If there are more.
    """
    letters = [name for name in names or () if isinstance(name, str) and re.fullmatch("[a-z]", name)]
    if len(letters) == count == len(set(letters)) and "x" in letters and "y" in letters:
        return "".join(letters)
    if count > len(DISK_AXES):
        raise UnsupportedError(f"{action}: expected up to {len(DISK_AXES)} axes and found {count}")
    return DISK_AXES[-count:]


def described(node: Node, facts: ImageFacts, timepoint: int | None, action: str) -> VoxelsMetadata:
    """Describe the volume, with the labels of its channels; of one time point without the axis t.

    Raises
    ------
    NotFoundError
        If there is no such time point.
    """
    metadata = metadata_of(node, action)
    if timepoint is not None:
        at = metadata.dims.index("t")
        if timepoint >= metadata.shape[at]:
            raise NotFoundError(f"{action}: there is no time point {timepoint}; it has {metadata.shape[at]}")
        metadata = _without_axis(metadata, at)
    labels = channels_of(facts.views, metadata.shape[0])
    return dataclasses.replace(metadata, labels=(labels, *metadata.labels[1:])) if labels else metadata


def _without_axis(known: VoxelsMetadata, at: int) -> VoxelsMetadata:
    """Describe a volume without one of the axes behind the channel."""
    start, stop, dims, labels = (
        (*each[:at], *each[at + 1 :]) for each in (known.bounds.start, known.bounds.stop, known.dims, known.labels)
    )
    resolution, units = ((*each[: at - 1], *each[at:]) for each in (known.resolution, known.units))
    return VoxelsMetadata(Box(start, stop), known.dtype, dims, resolution, units, labels)


def channels_of(views: Sequence[Mapping[str, Any]], count: int) -> tuple[str, ...]:
    """Return the name of each channel; empty if one has none."""
    names: dict[int, str] = {}
    for view in views:
        if view.get("__typename") == "ChannelView" and view.get("name"):
            first, behind = view.get("cMin") or 0, view.get("cMax")
            names |= dict.fromkeys(range(first, count if behind is None else min(behind, count)), str(view["name"]))
    return tuple(names[n] for n in range(count)) if len(names) == count else ()


def origins_of(views: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ids of the images that this one was derived from."""
    found = (view["originImage"]["id"] for view in views if view.get("__typename") == "DerivedView")
    return tuple(dict.fromkeys(map(str, found)))


def matrix_of(resolution: Sequence[float], units: Sequence[str]) -> list[list[float]] | None:
    """Return sizes along x, y and z as the catalogue keeps them; None if a unit is no length."""
    sizes = [_micrometers(size, unit) for size, unit in zip(resolution, units, strict=True)]
    if any(math.isnan(size) for size in sizes):
        return None
    return [[sizes[row] if row == column else 0.0 for column in range(3)] + [0.0] for row in range(3)] + [
        [0.0, 0.0, 0.0, 1.0]
    ]


def _sizes(dims: Sequence[str], said: Mapping[str, Any], views: Sequence[Mapping[str, Any]]) -> list[tuple[float, str]]:
    """Return the size of a voxel and its unit along each axis behind the channel.

    The catalogue counts more than what was uploaded, unless both mean the same.
    """
    uploaded = dict(zip(str(said.get("dims", ""))[1:], _pairs(said), strict=False))
    told = _matrix_sizes(views)
    found = []
    for dim in dims[1:]:
        size, unit = uploaded.get(dim, (1.0, ""))
        if dim in told and not math.isclose(_micrometers(size, unit), told[dim], rel_tol=1e-6):
            size, unit = told[dim], MICROMETERS
        found.append((size, unit))
    return found


def _micrometers(size: float, unit: str) -> float:
    """Return a length in micrometres; not a number if the unit is no length."""
    return float(f"{size * MILLIMETERS.get(symbol_of(unit), math.nan) * 1000:.12g}")


def _pairs(said: Mapping[str, Any]) -> list[tuple[float, str]]:
    try:
        return [(float(n), str(unit)) for n, unit in zip(said["resolution"], said["units"], strict=True)]
    except (KeyError, TypeError, ValueError):
        return []


def _matrix_sizes(views: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the sizes of voxels that the newest view of the whole image says; a matrix that is none says nothing."""
    sides = [f"{axis}{end}" for axis in "xyzt" for end in ("Min", "Max")]
    for view in reversed(views):
        if view.get("__typename") != "AffineTransformationView" or any(view.get(side) is not None for side in sides):
            continue
        try:
            sizes = [float(view["affineMatrix"][n][n]) for n in range(3)]
        except (KeyError, IndexError, TypeError, ValueError):
            sizes = []
        if len(sizes) == 3 and all(math.isfinite(n) and n > 0 for n in sizes):
            return dict(zip(SPACE, sizes, strict=True))
        _log.warning("an image has a transformation that says no size of voxels")
    return {}


def document_of(data: bytes, action: str) -> dict[str, Any]:
    """Read the metadata of an array.

    Raises
    ------
    MetadataError
        If it is no object of JSON.
    """
    try:
        found = json.loads(data)
    except ValueError as error:
        raise MetadataError(f"{action}: zarr.json is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise MetadataError(f"{action}: expected an object in zarr.json")
    return found


def default_chunks(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of chunks along c, x, y, z and t: cubes of 64³, or planes of 512² of a thin image.

    Examples
    --------
    >>> default_chunks((2, 256, 256, 100, 1)), default_chunks((1, 2000, 300, 5, 10))
    ((1, 64, 64, 64, 1), (1, 512, 300, 1, 1))
    """
    _, x, y, z, *_ = shape
    sides = (512, 512, 1) if z < 16 else (64, 64, 64)
    return (1, *(min(side, n) for side, n in zip(sides, (x, y, z), strict=True)), 1)


def new_document(metadata: VoxelsMetadata, chunks: Sequence[int], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of an array that will hold a volume."""
    order = [metadata.dims.index(axis) for axis in DISK_AXES]
    made = zarr.create_array(
        zarr.storage.MemoryStore(),
        shape=[metadata.shape[at] for at in order],
        chunks=tuple(chunks[at] for at in order),
        dtype=np.dtype(metadata.dtype).newbyteorder("<"),
        fill_value=0,
        dimension_names=list(DISK_AXES),
        compressors=ZstdCodec(level=0),
        zarr_format=3,
        attributes=dict(attributes),
    )
    buffer = made.metadata.to_buffer_dict(default_buffer_prototype())["zarr.json"]
    return document_of(buffer.to_bytes(), "create an array")
