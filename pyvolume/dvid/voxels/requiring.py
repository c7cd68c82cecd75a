"""How a volume is found, or created if it is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numpy.typing import DTypeLike

from pyvolume.dvid.instances import Instance
from pyvolume.dvid.voxels import creation
from pyvolume.dvid.voxels.accessor import VoxelsAccessor
from pyvolume.errors import ExistsError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.units import name_of


def require(
    instance: Instance,
    shape: Sequence[int] | None,
    dtype: DTypeLike,
    *,
    exists: bool,
    channels: int,
    block_shape: Sequence[int] | None,
    resolution: float | Sequence[float] | None,
    units: str | Sequence[str] | None,
    compression: str | None,
    versioned: bool,
    tags: Mapping[str, str] | None,
) -> VoxelsAccessor:
    """Open a volume that agrees with what is wanted; create it unless it `exists`, see `Repo.require_volume`."""
    wanted = creation.described(
        instance.name,
        shape,
        dtype,
        channels=channels,
        resolution=1.0 if resolution is None else resolution,
        units=units or "",
    )
    if not exists:
        try:
            return creation.create(
                instance,
                wanted,
                block_shape=block_shape or creation.BLOCK_SHAPE,
                compression=compression,
                versioned=versioned,
                tags=tags,
            )
        except ExistsError:  # another process was faster
            pass
    volume = VoxelsAccessor(instance.connection, instance.uuid, instance.name)
    given = {"shape": shape, "block_shape": block_shape, "resolution": resolution, "units": units}
    _check(volume, wanted, block_shape, {"dtype", *(name for name, value in given.items() if value is not None)})
    return volume


def _check(volume: VoxelsAccessor, wanted: VoxelsMetadata, block_shape: Sequence[int] | None, given: set[str]) -> None:
    """Refuse a volume that is other than wanted, as far as that was given."""
    action = f"require {volume.name}"
    blocks = tuple(arguments.each_of(block_shape or (), action, "block_shape"))
    pairs = {
        "dtype": (_voxel_of(volume.metadata), _voxel_of(wanted)),
        "block_shape": (tuple(volume.block_shape), blocks),
        "resolution": (volume.resolution, wanted.resolution),
        "units": (tuple(map(name_of, volume.units)), tuple(map(name_of, wanted.units))),
        "shape": (volume.bounds, wanted.bounds),
    }
    for word, (found, asked) in pairs.items():
        if word in given and found != asked:
            raise ExistsError(f"{action}: expected {word} {asked}, and the volume has {found}", action=action)


def _voxel_of(metadata: VoxelsMetadata) -> str:
    channels = metadata.bounds.shape[0]
    return f"{metadata.dtype.name}{f' × {channels}' if channels > 1 else ''}"
