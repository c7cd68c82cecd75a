"""Scales: the resolution levels of a volume of DVID, which are instances with numbers at the end of their names.

DVID itself knows no levels of grayscale. By convention ``gray_1`` has half the voxels of ``gray`` along each axis,
``gray_2`` a quarter, and so on. A voxel of ``gray_1`` covers eight voxels of ``gray``, at its coordinates times two.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from pyvolume.dvid.client import get_document
from pyvolume.dvid.creating import creation_document
from pyvolume.dvid.documents import InstanceDescription
from pyvolume.dvid.instances import Instance, check_free, create
from pyvolume.dvid.voxels.store import DvidStore, Place, read_description
from pyvolume.errors import UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Level, Scales, proposed_factors
from pyvolume.stores.base import VoxelStore

Levels: TypeAlias = 'Sequence[Sequence[float]] | int | Literal["auto"]'

_LEVEL = re.compile(r"(.+)_([1-9][0-9]?)")
"""The name of a coarser level: that of the finest one, and a number."""


def name_of(name: str, level: int) -> str:
    """Return the name of a level of the volume of a name."""
    return f"{name}_{level}" if level else name


def factors_of(level: int, ndim: int) -> tuple[int, ...]:
    """Return the size of a voxel of a level in those of the finest one, channel first."""
    return (1, *(1 << level,) * (ndim - 1))


def find_scales(store: DvidStore) -> Scales[VoxelStore]:
    """Return the levels that the repository has of the volume of a store; one request.

    A volume that is read with a mask has one level: a region has blocks of one size.

    Raises
    ------
    StoreError
        If the server could not answer.
    """
    ndim = store.description.metadata.bounds.ndim
    if store.query:
        return Scales((Level(factors_of(0, ndim), lambda: store),))
    action = f"find the levels of {store.name}"
    document = get_document(store.connection, action, f"/api/repo/{store.uuid}/info", "dvid-graph-1")
    instances = document["DataInstances"]
    finest, current = _finest(instances, store.name)
    levels = []
    for level, name in enumerate(_names(instances, finest)):
        by = factors_of(level, ndim)
        place = _place(instances[finest], by[1:]) if level else None
        levels.append(Level(by, functools.partial(_opened, store, name, place)))
    levels[current] = Level(levels[current].factors, lambda: store)
    return Scales(tuple(levels), current, absolute=True)


def _opened(store: DvidStore, name: str, place: Place | None) -> DvidStore:
    """Open another instance in the same version."""
    instance = dataclasses.replace(store.instance, name=name)
    return DvidStore(instance, read_description(instance), query={}, throttle=store.throttle, place=place)


def _place(finest: Mapping[str, Any], factors: Sequence[int]) -> Place:
    """Return where the voxels of a level lie, by the document of the finest one."""
    pairs = list(zip(map(float, finest["Extended"]["VoxelSize"]), factors, strict=True))
    return Place(tuple(size * by for size, by in pairs), tuple(size * (by - 1) / 2 for size, by in pairs))


def _finest(instances: Mapping[str, Any], name: str) -> tuple[str, int]:
    """Return the name of the finest level, and which level a name is."""
    match = _LEVEL.fullmatch(name)
    if match is not None and name in _names(instances, match[1]):
        return match[1], int(match[2])
    return name, 0


def _names(instances: Mapping[str, Any], finest: str) -> list[str]:
    """Return the names of the levels of a volume, the finest first."""
    names = [finest]
    while _is_level(instances.get(finest), instances.get(name_of(finest, len(names))), len(names)):
        names.append(name_of(finest, len(names)))
    return names


def _is_level(finest: Mapping[str, Any] | None, other: Mapping[str, Any] | None, level: int) -> bool:
    """Whether an instance is a level of another one, by its type and by the size of its voxels.

    Some programs make levels with the voxel size of the finest one.
    """
    if finest is None or other is None or finest["Base"]["TypeName"] != other["Base"]["TypeName"]:
        return False
    sizes, others = ((each.get("Extended") or {}).get("VoxelSize") or [] for each in (finest, other))
    doubled = [size * (1 << level) for size in sizes]
    return bool(sizes) and list(others) in (doubled, list(sizes))


def level_count(levels: Levels, metadata: VoxelsMetadata, action: str) -> int:
    """Return how many levels are asked for.

    Parameters
    ----------
    levels : int, "auto" or sequence of sequences of float
        How many; as many as it takes until the longest side has at most 256 voxels; or their factors.
    metadata : VoxelsMetadata
        Of the finest one.
    action : str
        For messages.

    Raises
    ------
    UnsupportedError
        For factors that levels of DVID do not have.
    """
    if levels == "auto":
        shape = metadata.bounds.shape[1:]
        return len(proposed_factors(shape, (1.0,) * len(shape))) if metadata.bounds.size else 1
    if not isinstance(levels, Sequence) or isinstance(levels, str):
        return arguments.integer(levels, action, "levels", least=1)
    expected = [factors_of(level, metadata.bounds.ndim) for level in range(len(levels))]
    if [tuple(each) for each in levels] != expected:
        raise UnsupportedError(
            f"{action}: each level of DVID halves x, y and z, and these factors are asked for: "
            f"{[tuple(each) for each in levels]}; levels=1 makes no coarser ones"
        )
    return len(levels)


def check_levels_free(instance: Instance, count: int, first: int = 1) -> None:
    """Refuse the levels of a volume if the name of one is taken, before any is created.

    Raises
    ------
    ExistsError
    """
    for level in range(first, count):
        check_free(dataclasses.replace(instance, name=name_of(instance.name, level)))


def create_scales(store: DvidStore, levels: Levels) -> None:
    """Create the coarser levels of the volume of a store that are not there yet, see `VoxelsAccessor.create_scales`."""
    action, description = f"create levels of {store.name}", store.description
    count = level_count(levels, description.metadata, action)
    found = find_scales(store)
    if found.current or store.query:
        raise UnsupportedError(f"{action}: expected the finest level, without a mask, and found {store.address}")
    check_levels_free(store.instance, count, len(found))
    for level in range(len(found), count):
        instance = dataclasses.replace(store.instance, name=name_of(store.name, level))
        document = creation_document(
            _coarser(description, level), instance.name, description.block_shape, None, versioned=description.versioned
        )
        create(instance, document, "dvid-create-instance-1")


def _coarser(description: InstanceDescription, level: int) -> VoxelsMetadata:
    """Describe a level of a volume; it covers what was declared for the finest one."""
    metadata, ndim = description.metadata, description.metadata.bounds.ndim
    by, channels = factors_of(level, ndim), metadata.bounds.shape[0]
    box = description.declared or Box((0,) * ndim, (channels, *(0,) * (ndim - 1)))
    start = [low // factor for low, factor in zip(box.start, by, strict=True)]
    stop = [-(-high // factor) for high, factor in zip(box.stop, by, strict=True)]
    sizes = zip(metadata.resolution, by[1:], strict=True)
    return dataclasses.replace(
        metadata, bounds=Box(start, stop), resolution=tuple(size * factor for size, factor in sizes)
    )
