"""DVID's documents about volumes, read and written."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from pyvolume.dvid.address import check_name
from pyvolume.dvid.extents import (
    DECLARED,
    INT32,
    check_bounds,
    check_coordinates,
    declared_box,
    declared_text,
    extents_document,
    shown,
)
from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.axes import are_dims
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata

TYPENAMES = {
    ("uint8", 1): "uint8blk",
    ("uint8", 4): "rgba8blk",
    ("uint16", 1): "uint16blk",
    ("uint32", 1): "uint32blk",
    ("uint64", 1): "uint64blk",
    ("float32", 1): "float32blk",
}
"""Which instance type holds voxels of a dtype and a number of channels."""

DIMS = ("c", "x", "y", "z")
"""The axes of volumes that can be created."""

MOST_BLOCK_VOXELS = 1 << 31
"""The server holds a block in memory, and its requests are smaller."""

LABEL_TYPES = ("labelblk", "labelarray", "labelmap")


@dataclass(frozen=True, slots=True)
class InstanceDescription:
    """What the server says of an instance with voxels.

    Parameters
    ----------
    typename : str
        Its type, such as ``"uint8blk"``.
    metadata : VoxelsMetadata
        Bounds, dtype, axes, resolution and units.
    block_shape : tuple of int
        Shape of the blocks on the server, one entry per axis behind the channel.
    lossy : bool
        Whether voxels are stored as JPEG: on noise 94 % of them come back changed.
    tags : mapping
        The tags that it was created with.
    declared : Box or None
        The bounds that were declared when it was created, see `pyvolume.dvid.extents`.
    data_uuid : str
        Names the instance on every server and under every name; empty if the server does not say it.
    versioned : bool
        Whether each version has voxels of its own.
    """

    typename: str
    metadata: VoxelsMetadata
    block_shape: tuple[int, ...]
    lossy: bool
    tags: Mapping[str, str]
    declared: Box | None = None
    data_uuid: str = ""
    versioned: bool = True


def check_voxels(info: Mapping[str, Any], name: str) -> None:
    """Refuse an instance without voxels, and one with labels, by the answer of ``/info``.

    Raises
    ------
    UnsupportedError
    """
    typename = info["Base"]["TypeName"]
    if typename in LABEL_TYPES:
        raise UnsupportedError(f"open {name}: a {typename} instance holds labels, which pyvolume does not read yet")
    if not (info.get("Extended") or {}).get("Values"):
        raise UnsupportedError(f"open {name}: a {typename} instance holds no voxels")


def instance_description(info: Mapping[str, Any], document: dict[str, Any], name: str) -> InstanceDescription:
    """Read the answers of ``/info`` and ``/metadata``.

    Raises
    ------
    MetadataError
        If the documents contradict themselves.
    UnsupportedError
        If the voxels have no numpy dtype.
    """
    base = info["Base"]
    tags = dict(base.get("Tags") or {})
    blocks = block_shape(document, name)
    declared = declared_box(tags, len(document["Properties"]["Values"]), len(blocks))
    if declared is not None:
        del tags[DECLARED]
    return InstanceDescription(
        typename=base["TypeName"],
        metadata=voxels_metadata(document, name, declared),
        block_shape=blocks,
        lossy="jpeg" in base.get("Compression", "").lower(),
        tags=tags,
        declared=declared,
        data_uuid=base.get("DataUUID", ""),
        versioned=base.get("Versioned", True),
    )


def voxels_metadata(document: dict[str, Any], name: str, declared: Box | None = None) -> VoxelsMetadata:
    """Read the answer of ``/metadata``.

    The axes are those behind the channel, never the channel itself; `Size` and `Offset` are 0 where nothing is
    stored. An rgba volume has four values and three axes.

    Parameters
    ----------
    document : dict
        The answer.
    name : str
        The name of the instance.
    declared : Box, optional
        The bounds that were declared when it was created.

    Raises
    ------
    MetadataError
        If the document contradicts itself.
    UnsupportedError
        If its voxels have no numpy dtype.
    """
    axes, properties = document["Axes"], document["Properties"]
    values = properties["Values"]
    kinds = {value["DataType"] for value in values}
    if len(kinds) != 1:
        found = brief(sorted(kinds))
        raise UnsupportedError(f"open {name}: the channels of a voxel must be of one dtype, not {found}")
    dims = ("c", *(axis["Label"].lower() for axis in axes))
    if not are_dims(dims, len(axes) + 1):
        raise MetadataError(f"open {name}: the axes {dims} are not one letter each", path="$.Axes")
    extents = _extents(document, name)
    return VoxelsMetadata(
        bounds=extents if declared is None else shown(extents, declared, block_shape(document, name)),
        dtype=_dtype(kinds.pop(), name),
        dims=dims,
        resolution=tuple(float(axis["Resolution"]) for axis in axes),
        units=tuple(axis["Units"] for axis in axes),
        labels=(tuple(value.get("Label", "") for value in values), *(None for _ in axes)),
    )


def _extents(document: dict[str, Any], name: str) -> Box:
    """Read the extents; `Size` is a 32-bit integer that overflows where a volume is longer."""
    axes, properties = document["Axes"], document["Properties"]
    start = tuple(axis["Offset"] for axis in axes)
    last = properties.get("MaxPoint")
    if isinstance(last, list) and len(last) == len(axes) and properties.get("MinPoint") == list(start):
        stop = tuple(max(low, high + 1) for low, high in zip(start, last, strict=True))
    else:
        stop = tuple(low + max(0, axis["Size"]) for low, axis in zip(start, axes, strict=True))
    for number, end in enumerate(stop):
        if end > INT32.stop:
            raise MetadataError(
                f"open {name}: coordinates of DVID are 32-bit integers, and the axis {number} ends at {end}",
                path=f"$.Axes[{number}].Size",
            )
    return Box((0, *start), (len(properties["Values"]), *stop))


def block_shape(document: dict[str, Any], name: str) -> tuple[int, ...]:
    """Read the block shape, one entry per axis behind the channel, from the answer of ``/metadata``.

    Raises
    ------
    MetadataError
        If it has another number of entries than there are axes: the server accepts such an instance and then
        cannot serve it.
    """
    blocks: list[int] = document["Properties"]["BlockSize"]
    if len(blocks) != len(document["Axes"]):
        raise MetadataError(
            f"open {name}: a block of {len(blocks)} axes in a volume of {len(document['Axes'])}: {blocks}",
            path="$.Properties.BlockSize",
        )
    if math.prod(blocks) > MOST_BLOCK_VOXELS:
        raise MetadataError(
            f"open {name}: a block has at most {MOST_BLOCK_VOXELS} voxels, not {'×'.join(map(str, blocks))}",
            path="$.Properties.BlockSize",
        )
    return tuple(blocks)


def _dtype(name: str, instance: str) -> np.dtype[Any]:
    # numpy would read "f4,f4" as a structure, and "(9,)u1" as an array
    if re.fullmatch(r"u?int(8|16|32|64)|float(16|32|64)|bool", name) is None:
        raise UnsupportedError(f"open {instance}: numpy has no voxels of type {brief(name)}")
    return np.dtype(name).newbyteorder("<")


def typename_for(metadata: VoxelsMetadata) -> str:
    """Return the instance type for voxels like these.

    Raises
    ------
    UnsupportedError
        If there is none, naming those that there are.
    """
    channels = metadata.bounds.shape[0]
    typename = TYPENAMES.get((metadata.dtype.name, channels))
    if typename is None:
        possible = ", ".join(f"{dtype} × {count}" for dtype, count in TYPENAMES)
        raise UnsupportedError(
            f"create volume: DVID has no instance type for {metadata.dtype.name} × {channels} channels; "
            f"it stores {possible}"
        )
    if metadata.dims != DIMS:
        raise UnsupportedError(f"create volume: DVID stores the axes 'cxyz', not {''.join(metadata.dims)!r}")
    return typename


def creation_document(
    metadata: VoxelsMetadata,
    name: str,
    block_shape: Sequence[int],
    compression: str | None,
    *,
    versioned: bool = True,
    tags: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the document that creates an instance; the server takes texts only.

    Raises
    ------
    UnsupportedError
        If no instance type fits.
    MetadataError
        For a name, a block shape, a unit or a tag that the server would accept and then not serve.
    SelectionError
        For bounds that the server cannot store.
    """
    check_name(name)
    arguments.instance_of(metadata, VoxelsMetadata, f"create {name}")
    typename = typename_for(metadata)
    action = f"create {name}"
    sides = arguments.each_of(block_shape, action, "block_shape")
    blocks = tuple(arguments.integer(side, action, "block_shape") for side in sides)
    _check_blocks(blocks)
    if not all(2**-149 <= size < 2**128 for size in metadata.resolution):
        # the server keeps 32 bits; one infinite resolution, and it cannot list its repositories any more
        raise MetadataError(f"create volume: a resolution is finite and above 0, not {metadata.resolution}")
    if any("," in unit for unit in metadata.units):
        raise MetadataError(f"create volume: a unit must hold no comma: {metadata.units}")
    if compression == "jpeg":
        _check_jpeg(typename, blocks)
    document = {
        "typename": typename,
        "dataname": name,
        "BlockSize": ",".join(map(str, blocks)),
        "VoxelSize": ",".join(map(repr, metadata.resolution)),
        "VoxelUnits": ",".join(metadata.units),
    }
    arguments.instance_of({} if tags is None else tags, Mapping, f"create {name}: tags")
    bounds, marks = metadata.bounds, dict(tags or {})
    if DECLARED in marks:
        raise MetadataError(f"create volume: the tag {DECLARED!r} is reserved for the shape")
    check_coordinates(f"create {name}", bounds)
    if any(bounds.shape[1:]):
        check_bounds(f"create {name}", bounds, blocks)
        marks[DECLARED] = declared_text(bounds)
    if bounds.size:
        extents = extents_document(bounds)
        document |= {corner: ",".join(map(str, point)) for corner, point in extents.items()}
    given = {
        "Compression": compression,
        "Tags": _tags_text(marks) if marks else None,
        "versioned": None if versioned else "false",
    }
    return document | {key: value for key, value in given.items() if value is not None}


def _check_blocks(blocks: Sequence[int]) -> None:
    if len(blocks) != 3 or min(blocks) < 1:
        raise MetadataError(f"create volume: block_shape must be three positive integers (x, y, z), not {blocks}")
    if math.prod(blocks) > MOST_BLOCK_VOXELS:
        raise MetadataError(f"create volume: a block has at most {MOST_BLOCK_VOXELS} voxels, not {blocks}")


def _check_jpeg(typename: str, blocks: Sequence[int]) -> None:
    """Refuse blocks that the server would accept for JPEG, and return as noise or zeros."""
    if typename not in {"uint8blk", "rgba8blk"}:
        raise UnsupportedError(f"create volume: JPEG is for uint8, not for {typename}; 'lz4' and 'gzip' keep all")
    if any(side % 8 for side in blocks) or blocks[0] >= 128:
        raise MetadataError(
            f"create volume: JPEG takes blocks with sides of a multiple of 8, below 128 along x, not {tuple(blocks)}"
        )


def _tags_text(tags: Mapping[str, str]) -> str:
    """Return tags in the server's form; it ignores tags that it does not understand."""
    words: Iterator[object] = itertools.chain(*tags.items())
    for word in words:
        if not isinstance(word, str) or not word or set(word) & set(",="):
            raise MetadataError(f"create volume: a tag is two texts without commas and '=', not {word!r}")
    return ",".join(f"{name}={value}" for name, value in tags.items())


def moment(text: str, path: str) -> datetime:
    """Read a time of the server, which has nanoseconds; Python keeps microseconds.

    Raises
    ------
    MetadataError
        For a time that no calendar has.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise MetadataError(f"read versions: expected a time at {path} and found {brief(text)}", path=path) from None
