"""How a volume is created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyvolume.dvid import instances
from pyvolume.dvid.documents import creation_document
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.dvid.voxels.accessor import VoxelsAccessor
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transport.connection import Connection


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
) -> None:
    """Create an instance for voxels.

    The type follows from the dtype and the number of channels: uint8 × 4 is ``rgba8blk``; uint64 is ``uint64blk``,
    never labels. If the metadata has a shape, it is stored in a tag of the instance, because DVID forgets the extents
    of the creation with the first write: the volume has this shape in all versions, and can only grow.

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

    Raises
    ------
    UnsupportedError
        If DVID has no type for such voxels; the message names those it has.
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
    document = creation_document(voxels_metadata, data_name, block_shape, compression, versioned=versioned, tags=tags)
    instance = Instance(connection, resolve(connection, uuid), data_name)
    instances.check_free(instance)
    instances.create(instance, document, "dvid-create-instance-1")


def create(
    instance: Instance,
    metadata: VoxelsMetadata,
    *,
    block_shape: Sequence[int],
    compression: str | None,
    versioned: bool,
    tags: Mapping[str, str] | None,
) -> VoxelsAccessor:
    """Create an instance for voxels whose name is free, and open it; see `create_new`."""
    document = creation_document(metadata, instance.name, block_shape, compression, versioned=versioned, tags=tags)
    instances.create(instance, document, "dvid-create-instance-1")
    return VoxelsAccessor(instance.connection, instance.uuid, instance.name)
