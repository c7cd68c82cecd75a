"""The JSON documents that describe repositories, versions and instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from mockserver.dvid.model.instances import TYPES, Instance
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.regions import Region
from mockserver.dvid.model.repository import Repository, Version
from mockserver.dvid.model.settings import Base, DataType
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.geometry import Point, cell_of, wrapped
from mockserver.dvid.wire.gojson import number
from mockserver.http.messages import Panic

T = TypeVar("T")

AXES = ("X", "Y", "Z", "T", "U")

# The types of the real server. The mock cannot create instances of the types of another family.
OTHER_TYPES = ("annotation", "googlevoxels", "imagetile", "labelsz", "labelvol", "multichan16", "neuronjson",
               "tarsupervoxels")  # fmt: skip


def compiled_types() -> dict[str, str]:
    """Return name and URL of every type of the real server."""
    urls = {name: DataType(name, "0.1").url for name in OTHER_TYPES}
    urls |= {kind.name: kind.url for kind in TYPES.values()}
    return dict(sorted(urls.items()))


def types_in_use(instances: Iterable[Instance]) -> dict[str, str]:
    """Return name and URL of the types of these instances."""
    return dict(sorted((instance.base.type.name, instance.base.type.url) for instance in instances))


def describe_repository(repository: Repository) -> dict[str, Any]:
    """Return the document of a whole repository."""
    leaf = repository.heads["master"]
    return {
        "Root": repository.root.uuid,
        "Alias": repository.alias,
        "Description": repository.description,
        "Log": repository.log,
        "Properties": {},
        "DataInstances": {
            name: _describe_in_repository(instance, repository.lineage(leaf, instance))
            for name, instance in sorted(repository.instances.items())
        },
        "DAG": {
            "Root": repository.root.uuid,
            "Nodes": {
                version.uuid: describe_version(version)
                for version in sorted(repository.versions.values(), key=lambda version: version.uuid)
            },
        },
        "MutationID": repository.mutations,
        "SavedMutationID": repository.saved_mutations,
        "Created": repository.created,
        "Updated": repository.updated,
    }


def describe_version(version: Version) -> dict[str, Any]:
    """Return the document of one node of the graph."""
    return {
        "Branch": version.branch,
        "Note": version.note,
        "Log": version.log,
        "UUID": version.uuid,
        "VersionID": version.number,
        "Locked": version.locked,
        "Parents": version.parents,
        "Children": version.children,
        "Created": version.created,
        "Updated": version.updated,
    }


def describe_instance(instance: Instance, lineage: Sequence[int]) -> dict[str, Any]:
    """Return the ``info`` document of an instance as a version sees it."""
    described: dict[str, Any] = {"Base": _describe_base(instance.base), "Extended": {}}
    if isinstance(instance, Volume):
        properties = describe_properties(instance, lineage)
        described["Extended"] = properties | _describe_labels(instance)
        if isinstance(instance, Labels) and not instance.has_scales:
            return _without_extents(described, instance)
        described["Extents"] = {key: properties[key] for key in ("MinPoint", "MaxPoint")}
    elif isinstance(instance, Region):
        low, high = instance.z_range
        described["Extended"] = {"BlockSize": instance.block_size, "MinZ": low, "MaxZ": high}
    return described


def _describe_in_repository(instance: Instance, lineage: Sequence[int]) -> dict[str, Any]:
    described = describe_instance(instance, lineage)
    if isinstance(instance, Labels) and not instance.is_map:
        return _without_extents(described, instance)
    return described


def _without_extents(described: dict[str, Any], instance: Labels) -> dict[str, Any]:
    """Return a document with the extents of all versions, in voxels only."""
    low, high = instance.latest_extents
    ends = {"MinPoint": low, "MaxPoint": high, "MinIndex": None, "MaxIndex": None}
    return {"Base": described["Base"], "Extended": described["Extended"] | ends}


def _describe_labels(instance: Volume) -> dict[str, Any]:
    if not (isinstance(instance, Labels) and instance.has_scales):
        return {}
    numbers = instance.numbers
    described: dict[str, Any] = {
        "MaxLabel": {str(version): label for version, label in sorted(numbers.largest.items())},
        "MaxRepoLabel": numbers.largest_of_all,
    }
    if instance.is_map:
        return described | {
            "NextLabel": numbers.next,
            "IndexedLabels": instance.indexed,
            "MaxDownresLevel": instance.max_downres,
        }
    return described | {
        "IndexedLabels": instance.indexed,
        "CountLabels": instance.counted,
        "MaxDownresLevel": instance.max_downres,
    }


def _describe_base(base: Base) -> dict[str, Any]:
    return {
        "TypeName": base.type.name,
        "TypeURL": base.type.url,
        "TypeVersion": base.type.version,
        "DataUUID": base.origin.data_uuid,
        "Name": base.name,
        "RepoUUID": base.origin.repo_uuid,
        "Compression": base.compression,
        "Checksum": base.checksum,
        "Syncs": [],
        "Versioned": base.versioned,
        "KVStore": "badger @ /data/db",
        "LogStore": "write logs @ /data/log",
        "Tags": base.tags,
    }


def describe_properties(instance: Volume, lineage: Sequence[int]) -> dict[str, Any]:
    """Return the object that ``info`` calls Extended and ``metadata`` calls Properties."""
    low, high = instance.extents_in(lineage) or (None, None)
    return {
        "Values": [{"DataType": instance.kind.dtype.name, "Label": label} for label in instance.kind.labels],
        "Interpolable": not isinstance(instance, Labels),
        "BlockSize": instance.block_size,
        "VoxelSize": [number(size) for size in instance.voxel_size],
        "VoxelUnits": instance.voxel_units,
        "MinPoint": low,
        "MaxPoint": high,
        "MinIndex": _block_of(low, instance.block_size),
        "MaxIndex": _block_of(high, instance.block_size),
        "Background": instance.background,
        "GridStore": "",
        "ScaleLevel": instance.scale_level,
    }


def describe_axes(instance: Volume, lineage: Sequence[int]) -> dict[str, Any]:
    """Return the ``metadata`` document: axes X, Y, Z and the properties. The channels are not an axis."""
    low, high = instance.extents_in(lineage) or ((0,) * instance.ndim, (-1,) * instance.ndim)
    return {
        "Axes": [
            {
                "Label": AXES[axis],
                "Resolution": number(_entry(instance.voxel_size, axis)),
                "Units": _entry(instance.voxel_units, axis),
                "Size": wrapped(high[axis] - low[axis] + 1, 32),
                "Offset": low[axis],
            }
            for axis in range(instance.ndim)
        ],
        "Properties": describe_properties(instance, lineage),
    }


def _entry(values: Sequence[T], axis: int) -> T:
    """Return one of the values that a client set; DVID accepts too few of them, and crashes here."""
    if axis >= len(values):
        raise Panic(f"runtime error: index out of range [{axis}] with length {len(values)}")
    return values[axis]


def _block_of(point: Point | None, block_size: Point) -> Point | None:
    return None if point is None else tuple(map(cell_of, point, block_size))
