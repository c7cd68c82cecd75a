"""Nodes: the array at a path of a hierarchy, and the image that it is a level of."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import zarr
from zarr.errors import NodeNotFoundError

from pyvolume.calls.call import Call
from pyvolume.errors import MetadataError, NotFoundError, PyVolumeError, UnsupportedError
from pyvolume.files.axes import in_order
from pyvolume.files.names import axes_of, said_by_attributes
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.zarr.client import Client
from pyvolume.zarr.ngff import collections, documents
from pyvolume.zarr.ngff.documents import Image
from pyvolume.zarr.ngff.names import letters_of, ngff_unit
from pyvolume.zarr.ngff.placing import completed, levels, physical

T = TypeVar("T")

OURS = "pyvolume"
"""The attribute of an image, or of an array without one, with what pyvolume keeps there."""

MOST_LISTED = 20
"""Names of a list in a message."""

PACKAGES = {"imagecodecs": "imagecodecs", "zfpy": "numcodecs[zfpy]", "pcodec": "numcodecs[pcodec]", "crc32c": "crc32c"}
"""The package that has a codec, by a part of its name."""


@dataclass(frozen=True)
class Node:
    """An array, and the image that it is a level of.

    Parameters
    ----------
    path : str
        Of the array inside its hierarchy.
    array : zarr.Array
        Its requests are those of a client.
    axes : str
        A letter for each axis of the array.
    image : Image, optional
        What OME-Zarr says of it.
    group : str
        The path of the image.
    level : int
        Which level of the image the array is.
    attributes : mapping
        Those of the image, or of an array without one.
    """

    path: str
    array: zarr.Array[Any]
    axes: str
    image: Image | None
    group: str
    level: int
    attributes: Mapping[str, Any]

    @property
    def holder(self) -> str:
        """The path of the image, or of an array without one; it has the attributes."""
        return self.path if self.image is None else self.group

    @property
    def has_levels(self) -> bool:
        """Whether the image has more levels than the finest one."""
        return self.image is not None and len(self.image.datasets) > 1

    @property
    def ours(self) -> Mapping[str, Any]:
        """What pyvolume keeps in the attributes."""
        found = self.attributes.get(OURS, {})
        if not isinstance(found, Mapping):
            raise MetadataError(f"open {self.holder}: expected an object as the attribute {OURS!r} and found {found!r}")
        return found

    @functools.cached_property
    def identity(self) -> str:
        """What the metadata of the array says, as a short text."""
        text = json.dumps(self.array.metadata.to_dict(), sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def path_of(self, level: int) -> str:
        """Return the path of a level of the image."""
        assert self.image is not None
        return joined(self.group, self.image.datasets[level].path)

    def levels(self, shape_of: Callable[[str], Sequence[int]]) -> tuple[Image, list[str]]:
        """Return the image with the sizes of all its levels, and the paths of these.

        Where the image says no sizes, the lengths of the arrays tell.
        """
        assert self.image is not None
        paths = [self.path_of(level) for level in range(len(self.image.datasets))]
        if all(dataset.scale for dataset in self.image.datasets):
            return self.image, paths
        return completed(self.image, [shape_of(path) for path in paths], f"open {self.group}"), paths


def open_node(client: Client, path: str, mode: Literal["r", "r+"], call: Call, level: int | None = None) -> Node:
    """Open the array at a path, or that of an image: its finest level, or the one with a number.

    Raises
    ------
    NotFoundError
        If nothing is there.
    UnsupportedError
        If the group there is no image, or several; and for an array of no numbers.
    MetadataError
        If the metadata is broken.
    """
    action = f"open {client.address}{'/' if path else ''}{path}"
    found = open_any(client, path, mode, call)
    if not isinstance(found, zarr.Group):
        if level:
            raise NotFoundError(f"{action}: an array has no level {level}; the image around it has", action=action)
        return _node(path, found, _place_of(client, path, call, action), action)
    attributes = found.attrs.asdict()
    images = documents.images_of(attributes, action)
    if len(images) != 1:
        return _of_group(client, found, mode, call, level)
    place = _Place(images[0], path, level or 0, attributes)
    datasets = images[0].datasets
    if not 0 <= place.level < len(datasets):
        has = f"the image has the levels 0 to {len(datasets) - 1}"
        raise NotFoundError(f"{action}: there is no level {level}; {has}", action=action)
    path = joined(path, datasets[place.level].path)
    return _node(path, _array(client, path, mode, call), place, action)


def open_any(client: Client, path: str, mode: Literal["r", "r+"], call: Call) -> Any:
    """Open the array or group at a path.

    Raises
    ------
    NotFoundError, UnsupportedError, MetadataError
        As `open_node`.
    """
    action = f"open {client.address}{'/' if path else ''}{path}"
    # what is written beside consolidated metadata would not be seen
    use_consolidated = None if mode == "r" else False
    with _told(action):
        return client.do(
            call,
            action,
            lambda: zarr.open(client.store, path=path, mode=mode, use_consolidated=use_consolidated),
        )


@contextlib.contextmanager
def _told(action: str) -> Iterator[None]:
    """Translate what zarr says of metadata."""
    try:
        yield
    except PyVolumeError:
        raise
    except (NodeNotFoundError, FileNotFoundError) as error:
        raise NotFoundError(
            f"{action}: there is no array and no group of zarr (zarr.json, .zarray or .zgroup)", action=action
        ) from error
    except OSError:
        raise
    except Exception as error:  # zarr has no class for what it does not understand
        if type(error).__name__ == "UnknownCodecError":
            raise UnsupportedError(f"{action}: {str(error).strip(chr(34))}{_package_of(str(error))}") from error
        raise MetadataError(f"{action}: expected the metadata of zarr: {type(error).__name__}: {error}") from error


def _package_of(message: str) -> str:
    package = next((package for part, package in PACKAGES.items() if part in message), "")
    return f"; the package {package} has it" if package else "; a package that registers it with zarr can add it"


def _array(client: Client, path: str, mode: Literal["r", "r+"], call: Call) -> zarr.Array[Any]:
    found = open_any(client, path, mode, call)
    if not isinstance(found, zarr.Array):
        raise MetadataError(f"open {client.address}/{path}: expected an array, and found a group")
    return found


def _of_group(client: Client, group: zarr.Group, mode: Literal["r", "r+"], call: Call, level: int | None) -> Node:
    """Open the only volume in a group: the image of ``bioformats2raw``, or an array.

    Raises
    ------
    UnsupportedError
        If there are several; it lists them.
    """
    names = list(kinds_in(client, group, call))
    if len(names) == 1:
        return open_node(client, joined(group.path, names[0]), mode, call, level)
    listed = ", ".join(repr(name) for name in names[:MOST_LISTED]) or "none that can be listed"
    more = ", …" if len(names) > MOST_LISTED else ""
    raise UnsupportedError(
        f"open {joined(client.address, group.path)}: expected one volume, and found {len(names)}: {listed}{more}; "
        "add the path of one of them to the url"
    )


def kinds_in(client: Client, group: zarr.Group, call: Call) -> dict[str, str]:
    """Return what can be opened in a group, by path: what its lists name, else its members.

    It is a ``"well"`` of a plate, an ``"image"``, ``"labels"``, an array, by its dtype, or a ``"group"``.
    """
    attributes = group.attrs.asdict()
    action = f"list {client.address}/{group.path}"
    lists = {"well": collections.wells_of, "image": collections.fields_of, "labels": collections.labels_of}
    found = {path: kind for kind, paths_of in lists.items() for path in paths_of(attributes, action)}
    if collections.is_series(attributes):
        with contextlib.suppress(NotFoundError):
            ome = open_any(client, joined(group.path, "OME"), "r", call)
            found |= dict.fromkeys(collections.series_of(ome.attrs.asdict(), action), "image")
        if not found and not client.store.supports_listing:
            found = {"0": "image"}
    if not found:
        members = client.do(call, action, group.members)
        kinds = {name: _kind_of(member) for name, member in sorted(members, key=lambda member: member[0])}
        found = {name: kind for name, kind in kinds.items() if name != "OME" or not collections.is_series(attributes)}
    return found


def _kind_of(member: Any) -> str:
    if isinstance(member, zarr.Array):
        return str(member.dtype)
    return "image" if documents.images_of(member.attrs.asdict()) else "group"


def joined(*parts: str) -> str:
    """Return the path of parts that can be empty."""
    return "/".join(part for part in parts if part)


@dataclass(frozen=True)
class _Place:
    """Which level of which image an array is, see `Node`."""

    image: Image | None = None
    group: str = ""
    level: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _node(path: str, array: zarr.Array[Any], place: _Place, action: str) -> Node:
    own = dict(array.attrs)
    if place.image is None:
        names = [getattr(array.metadata, "dimension_names", None), *said_by_attributes(own, array.ndim)]
        axes = axes_of(names, array.ndim, action)
    else:
        place.image.check_array(place.level, array.ndim, action)
        axes = "".join(letters_of(place.image, action))
    if array.dtype.kind not in "biuf" or not array.shape:
        what = f"found {array.dtype}" if array.shape else "found an array without axes"
        raise UnsupportedError(f"{action}: expected numbers along axes, and {what}")
    attributes = own if place.image is None else place.attributes
    return Node(path, array, axes, place.image, place.group, place.level, attributes)


def _place_of(client: Client, path: str, call: Call, action: str) -> _Place:
    """Return which level an array is of the image that the nearest group around it tells of."""
    parts = path.split("/") if path else []
    for count in range(len(parts) - 1, -1, -1):
        group, rest = "/".join(parts[:count]), "/".join(parts[count:])
        try:
            found = open_any(client, group, "r", call)
        except (NotFoundError, MetadataError):
            break
        attributes = found.attrs.asdict()
        for image in documents.images_of(attributes, action):
            paths = [dataset.path for dataset in image.datasets]
            if rest in paths:
                return _Place(image, group, paths.index(rest), attributes)
    return _Place()


def metadata_of(node: Node, action: str = "open") -> VoxelsMetadata:
    """Describe the volume that shows an array.

    Its axes are those that pyvolume wrote, else channel first, x, y and z of an image, and others in their order. An
    axis of one voxel that few volumes have is left out.

    Raises
    ------
    MetadataError
        If no volume is like that.
    """
    lengths = dict(zip(node.axes, node.array.shape, strict=True))
    dims = _dims_of(node, lengths)
    resolution, units, translation = _physical(node, dims)
    shape = tuple(lengths.get(dim, 1) for dim in dims)
    channels = node.image.channels if node.image else ()
    labels = {"c": channels} if len(channels) == shape[0] else {}
    try:
        metadata = VoxelsMetadata.of(
            shape, np.dtype(node.array.dtype).newbyteorder("="), dims=dims, resolution=resolution, units=units,
            labels=labels,
        )  # fmt: skip
    except MetadataError as error:
        raise MetadataError(f"{action} {node.path}: {str(error).removeprefix('metadata: ')}") from None
    start = _origin_of(node, dims)
    bounds = Box(start, [low + n for low, n in zip(start, shape, strict=True)])
    # the image says where its first voxel lies, the volume where its voxel 0 does
    sides = zip(translation, start[1:], resolution, strict=False)
    moved = tuple(_without_noise(place - first * size, place, size) for place, first, size in sides)
    return dataclasses.replace(metadata, bounds=bounds, translation=moved if any(moved) else ())


def _without_noise(value: float, before: float, size: float) -> float:
    """Return 0 for what rounding has left of a difference."""
    return 0.0 if abs(value) < 1e-9 * max(abs(before), size) else value


def _dims_of(node: Node, lengths: Mapping[str, int]) -> str:
    said = "".join(node.ours.get("dims", ()))
    if said[:1] == "c" and len(set(said)) == len(said) and {a for a in lengths if lengths[a] > 1} <= set(said):
        return said
    kept = "".join(axis for axis, length in lengths.items() if axis in "cxyz" or length != 1)
    return in_order(("cxyz" if node.image else "c") + kept)


def _physical(node: Node, dims: str) -> tuple[tuple[float, ...], tuple[str, ...], tuple[float, ...]]:
    """Return the resolution, the units and the place of the first voxel along the axes behind the channel."""
    if node.image is None:
        return _said(node, "resolution", dims, 1.0), _said(node, "units", dims, ""), ()
    found = physical(node.image, node.level)
    behind = dims[1:]
    words = dict(zip(behind, _said(node, "units", dims, ""), strict=True))
    units = {dim: found.units.get(dim, "") for dim in behind}
    return (
        tuple(found.resolution.get(dim, 1.0) for dim in behind),
        tuple(words[dim] if ngff_unit(words[dim], dim) == ngff_unit(units[dim], dim) else units[dim] for dim in behind),
        tuple(found.translation.get(dim, 0.0) for dim in behind),
    )


def _said(node: Node, name: str, dims: str, default: T) -> tuple[T, ...]:
    """Return what pyvolume keeps for each axis behind the channel."""
    found = node.ours.get(name, [default] * (len(dims) - 1))
    if (
        not isinstance(found, list)
        or len(found) != len(dims) - 1
        or not all(isinstance(n, type(default)) for n in found)
    ):
        raise MetadataError(f"open {node.holder}: expected {len(dims) - 1} values as {name} and found {found!r}")
    return tuple(found)


def _origin_of(node: Node, dims: str) -> tuple[int, ...]:
    """Return the first voxel: 0, but for what pyvolume has written with another one."""
    said = node.ours.get("origin")
    zeros = (0,) * len(dims)
    if said is None:
        return zeros
    if not isinstance(said, list) or len(said) != len(dims) or not all(isinstance(n, int) for n in said):
        raise MetadataError(f"open {node.holder}: expected {len(dims)} integers as the origin and found {said!r}")
    if node.image is None or node.level == 0:
        return tuple(said)
    factors = levels(node.image, dims)[node.level]
    return tuple(int(n // factor) for n, factor in zip(said, factors, strict=True))
