"""DVID's documents about volumes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from pyvolume.dvid.extents import (
    DECLARED,
    INT32,
    declared_box,
    shown,
)
from pyvolume.errors import MetadataError, UnsupportedError
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
"""The instance types whose voxels are labels, the oldest first."""

AXES = ("X", "Y", "Z")
"""What the server calls the axes of every instance with up to three of them."""

VOXEL_TYPES = (*TYPENAMES.values(), *LABEL_TYPES)
"""The instance types that hold voxels."""


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
    extended : mapping
        What the server says of this type of instance alone.
    """

    typename: str
    metadata: VoxelsMetadata
    block_shape: tuple[int, ...]
    lossy: bool
    tags: Mapping[str, str]
    declared: Box | None = None
    data_uuid: str = ""
    versioned: bool = True
    extended: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds_labels(self) -> bool:
        """Whether the voxels are labels."""
        return self.typename in LABEL_TYPES


def check_voxels(info: Mapping[str, Any], name: str) -> None:
    """Refuse an instance without voxels, by the answer of ``/info``.

    Raises
    ------
    UnsupportedError
    """
    typename = info["Base"]["TypeName"]
    if not (info.get("Extended") or {}).get("Values"):
        raise UnsupportedError(f"open {name}: a {typename} instance holds no voxels")


def metadata_document(info: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what ``/metadata`` answers, if the answer of ``/info`` says all of it.

    The extents in it are those of its version only where they are listed twice: a labelblk knows one for all versions.
    """
    match info:
        case {
            "Extents": {},
            "Extended": {"BlockSize": [*blocks], "VoxelSize": [*sizes], "VoxelUnits": [*units]} as properties,
        } if len(blocks) == len(sizes) == len(units) <= len(AXES):
            pass
        case _:
            return None
    match properties.get("MinPoint"), properties.get("MaxPoint"):
        case [*start], [*last] if len(start) == len(last) == len(blocks):
            pass
        case None, None:
            start = [0] * len(blocks)
        case _:
            return None
    axes = zip(AXES, sizes, units, start, strict=False)
    return {
        # the size follows from the points
        "Axes": [
            {"Label": label, "Resolution": size, "Units": unit, "Size": 0, "Offset": low}
            for label, size, unit, low in axes
        ],
        "Properties": properties,
    }


def instance_description(info: Mapping[str, Any], document: dict[str, Any], name: str) -> InstanceDescription:
    """Read the answers of ``/info`` and ``/metadata``, see `metadata_document`.

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
        extended=dict(info.get("Extended") or {}),
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
