"""How a volume is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from pyvolume.dvid import instances
from pyvolume.dvid.creating import creation_document
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.dvid.voxels.accessor import VoxelsAccessor
from pyvolume.errors import MetadataError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transfer.casting import castable
from pyvolume.transport.connection import Connection

BLOCK_SHAPE = (64, 64, 64)


def create_new(
    connection: Connection,
    uuid: str,
    data_name: str,
    voxels_metadata: VoxelsMetadata,
    *,
    block_shape: Sequence[int] = (64, 64, 64),
    compression: str | None = None,
    versioned: bool = True,
    tags: Mapping[str, str] | None = None,
    typename: str | None = None,
    levels: int = 1,
) -> None:
    """Create an instance for voxels.

    The type follows from the dtype and the number of channels: uint8 × 4 is ``rgba8blk``; uint64 is ``uint64blk``, and
    labels where `typename` says that. If the metadata has a shape, it is stored in a tag of the instance, because DVID
    forgets the extents of the creation with the first write: the volume has this shape in all versions, and can only
    grow.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        A version of the repository, in any form; it must be open.
    data_name : str
        The name of the new instance.
    voxels_metadata : VoxelsMetadata
        As from `pyvolume.VoxelsMetadata.of`, or from `create_default_metadata`.
    block_shape : sequence of int
        Shape of the blocks on the server, in voxels (x, y, z).
    compression : str, optional
        How the server stores blocks: ``"none"``, ``"lz4"`` (the server's default), ``"snappy"``, ``"gzip"``,
        ``"gzip:6"``, or ``"jpeg"``, which loses information and is for uint8.
    versioned : bool
        Whether each version has voxels of its own; if not, all share them, and a committed version can be written.
    tags : mapping, optional
        Stored with the instance, for ever; texts without commas and ``=``.
    typename : str, optional
        ``"labelmap"`` for labels, whose dtype is uint64; it can do everything that `LabelVolume` has. The older types
        ``"labelarray"`` and ``"labelblk"`` can do less.
    levels : int
        How many resolution levels the server keeps of labels, the finest one included; each has half the voxels along
        each axis.

    Raises
    ------
    UnsupportedError
        If DVID has no type for these voxels; the message names the types that it has.
    MetadataError
        For a name or a block shape that would make an instance which cannot be reached, and which nothing over
        HTTP can delete.
    SelectionError
        If the shape goes beyond the 32-bit coordinates of DVID.
    ExistsError
        If the repository has an instance of this name.
    RefusedError
        If the server refuses.
    TransportError
        If no answer arrived, and no such instance was there when looked for afterwards.
    """
    document = creation_document(
        voxels_metadata, data_name, block_shape, compression, versioned=versioned, tags=tags, typename=typename,
        levels=levels,
    )  # fmt: skip
    instance = Instance(connection, resolve(connection, uuid), data_name)
    instances.check_free(instance)
    instances.create(instance, document, "dvid-create-instance-1")


def create(
    instance: Instance,
    metadata: VoxelsMetadata,
    *,
    block_shape: Sequence[int],
    compression: str | None = None,
    versioned: bool = True,
    tags: Mapping[str, str] | None = None,
    typename: str | None = None,
    levels: int = 1,
) -> VoxelsAccessor:
    """Create an instance for voxels whose name is free, and open it; see `create_new`."""
    document = creation_document(
        metadata, instance.name, block_shape, compression, versioned=versioned, tags=tags, typename=typename,
        levels=levels,
    )  # fmt: skip
    instances.create(instance, document, "dvid-create-instance-1")
    return VoxelsAccessor(instance.connection, instance.uuid, instance.name)


def create_described(
    instance: Instance,
    metadata: VoxelsMetadata,
    block_shape: Sequence[int] | None = None,
    typename: str | None = None,
    levels: int = 1,
) -> VoxelsAccessor:
    """Create the volume that metadata describe, whose name is free, and open it."""
    blocks = BLOCK_SHAPE if block_shape is None else block_shape
    return create(instance, metadata, block_shape=blocks, typename=typename, levels=levels)


def described(
    name: str,
    shape: Sequence[int] | None,
    dtype: DTypeLike | None,
    *,
    channels: int,
    resolution: float | Sequence[float],
    units: str | Sequence[str],
) -> VoxelsMetadata:
    """Return the metadata of a new volume of this shape (x, y, z).

    Raises
    ------
    MetadataError
        If the shape has another number of axes, or the dtype is missing.
    """
    lengths = (0, 0, 0) if shape is None else tuple(arguments.each_of(shape, f"create {name}", "three lengths"))
    if len(lengths) != 3:
        raise MetadataError(f"create {name}: shape is (x, y, z), without the channels, not {lengths}")
    if dtype is None:  # numpy would take it for float64
        raise MetadataError(f"create {name}: expected a dtype, or data")
    return VoxelsMetadata.of((channels, *lengths), dtype, resolution=resolution, units=units)


def voxels_of(name: str, data: ArrayLike, shape: Sequence[int] | None, dtype: DTypeLike | None) -> NDArray[Any]:
    """Return data for a new volume as an array of four axes, channel first.

    Raises
    ------
    MetadataError
        If the data has other axes, or another shape than is asked for.
    VoxelsMismatchError
        If it does not fit the dtype.
    """
    try:
        array = np.asarray(data)
    except ValueError:
        raise MetadataError(f"create {name}: expected data of one shape and found rows of several lengths") from None
    array = array if array.ndim != 3 else array[np.newaxis]
    if array.ndim != 4 or (shape is not None and tuple(shape) != array.shape[1:]):
        wanted = "(x, y, z) or (c, x, y, z)" if shape is None else f"{tuple(shape)}, with or without a channel axis,"
        raise MetadataError(f"create {name}: expected data of shape {wanted} and found {np.shape(data)}")
    return array if dtype is None else castable(array, np.dtype(dtype), "checked").astype(dtype, copy=False)
