"""The JSON documents that describe repositories, versions and instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from .geometry import Point, wrapped
from .gojson import number
from .instances import TYPES, Instance
from .messages import Panic
from .repository import Repository, Version

T = TypeVar("T")

AXES = ("X", "Y", "Z", "T", "U")

# What the real server was compiled with; those of another family are listed, but cannot be created here.
OTHER_TYPES = ("annotation", "googlevoxels", "imagetile", "keyvalue", "labelarray", "labelblk", "labelmap",
               "labelsz", "labelvol", "multichan16", "neuronjson", "roi", "tarsupervoxels")  # fmt: skip


def compiled_types() -> dict[str, str]:
    """Return name and URL of every type of the real server."""
    urls = {name: f"github.com/janelia-flyem/dvid/datatype/{name}" for name in OTHER_TYPES}
    urls |= {kind.name: kind.url for kind in TYPES.values()}
    return dict(sorted(urls.items()))


def types_in_use(instances: Iterable[Instance]) -> dict[str, str]:
    """Return name and URL of the types of these instances."""
    return dict(sorted((instance.kind.name, instance.kind.url) for instance in instances))


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
            name: describe_instance(instance, repository.lineage(leaf, instance))
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


def describe_instance(instance: Instance, lineage: list[int]) -> dict[str, Any]:
    """Return the ``info`` document of an instance as a version sees it."""
    properties = describe_properties(instance, lineage)
    return {
        "Base": {
            "TypeName": instance.kind.name,
            "TypeURL": instance.kind.url,
            "TypeVersion": instance.kind.version,
            "DataUUID": instance.data_uuid,
            "Name": instance.name,
            "RepoUUID": instance.repo_uuid,
            "Compression": instance.compression,
            "Checksum": instance.checksum,
            "Syncs": [],
            "Versioned": instance.versioned,
            "KVStore": "badger @ /data/db",
            "LogStore": "write logs @ /data/log",
            "Tags": instance.tags,
        },
        "Extended": properties,
        "Extents": {key: properties[key] for key in ("MinPoint", "MaxPoint")},
    }


def describe_properties(instance: Instance, lineage: list[int]) -> dict[str, Any]:
    """Return what ``info`` calls Extended and ``metadata`` calls Properties."""
    low, high = instance.extents_in(lineage) or (None, None)
    return {
        "Values": [{"DataType": instance.kind.dtype.name, "Label": label} for label in instance.kind.labels],
        "Interpolable": True,
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


def describe_axes(instance: Instance, lineage: list[int]) -> dict[str, Any]:
    """Return the ``metadata`` document: axes X, Y, Z and the properties; channels are no axis."""
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
    """Return one of the values a client gave; DVID takes any number of them, and breaks down here."""
    if axis >= len(values):
        raise Panic(f"runtime error: index out of range [{axis}] with length {len(values)}")
    return values[axis]


def _block_of(point: Point | None, block_size: Point) -> Point | None:
    return None if point is None else tuple(a // b for a, b in zip(point, block_size, strict=True))
