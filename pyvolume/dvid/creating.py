"""The document that creates an instance with voxels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from pyvolume.dvid.address import check_name
from pyvolume.dvid.documents import DIMS, LABEL_TYPES, MOST_BLOCK_VOXELS, TYPENAMES, VOXEL_TYPES
from pyvolume.dvid.extents import DECLARED, check_bounds, check_coordinates, declared_text, extents_document
from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata

LABEL_SIDE = 16
"""Sides of the blocks of labels are multiples of this, but for the oldest type."""

MOST_LEVELS = 8
"""Resolution levels of labels: coarser ones hold next to nothing, and each costs time in every write."""


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
    typename: str | None = None,
    levels: int = 1,
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
    action = f"create {name}"
    typename = _checked_typename(typename, metadata, action)
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
    _check_levels(typename, blocks, levels, action)
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
        "MaxDownresLevel": str(levels - 1) if levels > 1 else None,
    }
    return document | {key: value for key, value in given.items() if value is not None}


def _checked_typename(typename: str | None, metadata: VoxelsMetadata, action: str) -> str:
    """Return the type of a new instance: the one that is asked for, or the one of the dtype."""
    natural = typename_for(metadata)
    if typename is None or typename == natural:
        return natural
    arguments.one_of(typename, VOXEL_TYPES, action, "typename")
    if typename not in LABEL_TYPES or natural != "uint64blk":
        found = f"{metadata.dtype.name} × {metadata.bounds.shape[0]}"
        wanted = "uint64 × 1" if typename in LABEL_TYPES else "another dtype"
        raise UnsupportedError(f"{action}: an instance of type {typename} holds {wanted}, not {found}")
    return typename


def _check_levels(typename: str, blocks: Sequence[int], levels: int, action: str) -> None:
    """Refuse levels and blocks that a type does not have."""
    has_levels = typename in LABEL_TYPES[1:]
    arguments.integer(levels, action, "levels", least=1)
    if levels > 1 and not has_levels:
        raise UnsupportedError(f"{action}: {typename} has no resolution levels; create_scales makes those of images")
    if levels > MOST_LEVELS:
        raise MetadataError(f"{action}: expected 1 to {MOST_LEVELS} levels and found {levels}")
    if has_levels and any(side % LABEL_SIDE for side in blocks):
        raise MetadataError(f"{action}: blocks of {typename} have sides of a multiple of {LABEL_SIDE}, not {blocks}")


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
