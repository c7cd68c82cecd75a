"""Creating images of OME-Zarr, and arrays of zarr alone."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import zarr
from zarr.core.sync import sync

from pyvolume.calls.call import Call
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import AddressError, ExistsError, MetadataError, NotFoundError, UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import proposed_factors
from pyvolume.zarr.accessor import ZarrVolume, open_volume
from pyvolume.zarr.address import Address
from pyvolume.zarr.attributes import change_attributes
from pyvolume.zarr.client import Client
from pyvolume.zarr.ngff import documents
from pyvolume.zarr.ngff.placing import Physical, image_for
from pyvolume.zarr.nodes import OURS, joined, open_any
from pyvolume.zarr.opening import Opening, open_client

Format: TypeAlias = 'Literal["0.5", "0.4", "zarr"]'
"""A version of OME-Zarr, or an array without OME."""

FORMATS = ("0.5", "0.4", "zarr")

Levels: TypeAlias = 'Sequence[Sequence[float]] | int | Literal["auto"] | None'

CHUNK_VOXELS = 64**3
"""Voxels of a chunk where nothing else is said."""


def create(
    address: Address,
    metadata: VoxelsMetadata,
    *,
    overwrite: bool = False,
    retry: RetryPolicy | None = None,
    place: dict[str, Any] | None = None,
    **plan: Any,
) -> ZarrVolume:
    """Create a volume, and open it for writing, see `ZarrDriver.create`.

    Parameters
    ----------
    address : Address
        Where the image or the array will be.
    metadata : VoxelsMetadata
        What it will be.
    overwrite : bool
        As for `ZarrDriver.create`.
    retry, place : optional
        As for `open_volume`.
    **plan
        Options of `planned`.
    """
    action = f"create {address.url}"
    if address.level:
        raise AddressError(f"{action}: expected no level; all levels are created together, see levels=")
    new = planned(metadata, joined(address.root, address.path).rpartition("/")[2], action, **plan)
    opening = Opening(address, "r+", retry or RetryPolicy(), place or {})
    _prepare(opening, action, overwrite=overwrite)
    client = open_client(address.root, mode="a", **opening.options)
    try:
        build(new, client, address.path, opening.call)
    finally:
        client.close()
    return open_volume(address, "r+", retry=retry, place=place)


@dataclass(frozen=True)
class New:
    """What will be created.

    Parameters
    ----------
    arrays : list of tuple
        For each level the path behind that of the image, and the arguments of ``zarr.create_array``.
    attributes : mapping
        Of the image, or of the array.
    action : str
        For messages.
    """

    arrays: Sequence[tuple[str, Mapping[str, Any]]]
    attributes: Mapping[str, Any]
    action: str


def planned(
    metadata: VoxelsMetadata,
    name: str,
    action: str,
    *,
    chunks: Sequence[int] | None = None,
    format: Format = "0.5",  # noqa: A002 - as in pyvolume.create
    levels: Levels = None,
    shards: Sequence[int] | None = None,
    compressors: Any = "auto",
    fill_value: float = 0,
    kept: Mapping[str, Any] | None = None,
) -> New:
    """Plan what will be created, and refuse what cannot be, before anything is asked.

    Parameters
    ----------
    metadata : VoxelsMetadata
        What it will be.
    name, action : str
        The name of the image, and the action for messages.
    chunks, format, levels, shards, compressors, fill_value
        As for `ZarrDriver.create`.
    kept : mapping, optional
        More that pyvolume keeps in the attributes.

    Raises
    ------
    UnsupportedError, MetadataError
        As `create`.
    """
    arguments.one_of(format, FORMATS, action, "format")
    if metadata.dtype.kind not in "biuf":
        raise UnsupportedError(f"{action}: expected numbers and found {metadata.dtype}")
    dims = "".join(metadata.dims)
    axes = disk_order(dims)
    factors = _factors(levels, metadata, action)
    if format == "zarr" and len(factors) > 1:
        raise UnsupportedError(f"{action}: an array of format='zarr' has one level, and {len(factors)} are asked for")
    image = None if format == "zarr" else _image(name, metadata, factors, action)
    shape = metadata.bounds.shape
    lengths = _checked(chunks, shape, action, "chunks") if chunks is not None else default_chunks(dims, shape)
    outer = None if shards is None else _checked(shards, shape, action, "shards")
    if outer is not None and format == "0.4":
        raise UnsupportedError(f"{action}: OME-Zarr 0.4 has no shards; format='0.5' has")
    filling = _filling(fill_value, metadata.dtype, action)
    arrays, named = [], format != "0.4"
    for number, factor in enumerate(factors):
        sizes = [max(min(n, 1), int(n // by)) for n, by in zip(shape, factor, strict=True)]
        cut = [min(length, max(n, 1)) for length, n in zip(lengths, sizes, strict=True)]
        whole = None if outer is None else _multiples(outer, cut, sizes)
        one = {
            "shape": _on_disk(sizes, dims, axes),
            "chunks": _on_disk(cut, dims, axes),
            "shards": None if whole is None else _on_disk(whole, dims, axes),
            "dtype": metadata.dtype,
            "fill_value": filling,
            "compressors": compressors,
            "zarr_format": 3 if named else 2,
            "dimension_names": list(axes) if named else None,
            "chunk_key_encoding": {"name": "default" if named else "v2", "separator": "/"},
        }
        arrays.append(("" if image is None else image.datasets[number].path, one))
    ours = _ours(metadata, with_sizes=image is None) | dict(kept or {})
    more = {} if image is None else documents.multiscales(image, "0.4" if format == "0.4" else "0.5", metadata.dtype)
    return New(arrays, {**more, OURS: ours}, action)


def build(new: New, client: Client, path: str, begin: Callable[[], Call]) -> None:
    """Create what is planned at a path of a hierarchy.

    Parameters
    ----------
    new : New
        The plan.
    client : Client
        Of the hierarchy, open for writing.
    path : str
        Where nothing is.
    begin : callable
        Begins an operation.
    """
    for name, one in new.arrays:
        made = functools.partial(zarr.create_array, client.store, name=joined(path, name) or None, **one)
        client.do(begin(), new.action, made)
    attributes = _of_labels(new.attributes) if _is_labels(path) else new.attributes
    change_attributes(client, path, begin(), lambda found: {**found, **attributes})
    if _is_labels(path):
        _list_labels(client, path, begin)


def _image(name: str, metadata: VoxelsMetadata, factors: Sequence[Sequence[float]], action: str) -> documents.Image:
    """Describe the image. It says where its first voxel lies, the volume where its voxel 0 does."""
    behind = metadata.dims[1:]
    sides = zip(
        metadata.translation or (0.0,) * len(behind), metadata.bounds.start[1:], metadata.resolution, strict=True
    )
    places = [place + first * size for place, first, size in sides]
    found = Physical(
        dict(zip(behind, metadata.resolution, strict=True)),
        dict(zip(behind, metadata.units, strict=True)),
        dict(zip(behind, places, strict=True)),
    )
    labels = metadata.labels[0] or ()
    return image_for(metadata.dims, found, factors=factors, channels=labels, name=name, action=action)


def disk_order(dims: str) -> str:
    """Return the axes of an array in the order of OME-Zarr: others such as t, then c, z, y and x."""
    behind = dims[:0:-1]
    return "".join(axis for axis in behind if axis not in "zyx") + dims[0] + "".join(a for a in behind if a in "zyx")


def default_chunks(dims: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of chunks: one channel, cubes or squares of about 64³ voxels, 1 along others."""
    lengths = [1] * len(dims)
    while math.prod(lengths) * 2 <= CHUNK_VOXELS:
        open_axes = [at for at, dim in enumerate(dims) if dim in "xyz" and lengths[at] < shape[at]]
        if not open_axes:
            break
        lengths[min(open_axes, key=lambda at: lengths[at])] *= 2
    return tuple(min(length, max(n, 1)) for length, n in zip(lengths, shape, strict=True))


def _on_disk(values: Sequence[int], dims: str, axes: str) -> tuple[int, ...]:
    by_dim = dict(zip(dims, values, strict=True))
    return tuple(by_dim[axis] for axis in axes)


def _checked(lengths: Sequence[int], shape: Sequence[int], action: str, name: str) -> tuple[int, ...]:
    found = tuple(arguments.integer(n, action, f"a length of {name}", least=1) for n in lengths)
    if len(found) != len(shape):
        raise MetadataError(f"{action}: expected {len(shape)} lengths of {name}, channel first, and found {found}")
    return found


def _filling(value: float, dtype: np.dtype[Any], action: str) -> Any:
    """Return a fill value as a voxel.

    Raises
    ------
    TypeError
        If it is no number.
    MetadataError
        If no voxel can have it.
    """
    try:
        found = dtype.type(value)
    except TypeError:
        raise TypeError(f"{action}: expected a number as fill_value and found {arguments.brief(value)}") from None
    except (ValueError, OverflowError):
        found = None
    if found is None or (dtype.kind in "iub" and found != value):
        raise MetadataError(f"{action}: expected a fill_value of {dtype} and found {arguments.brief(value)}")
    return found


def _multiples(outer: Sequence[int], cut: Sequence[int], sizes: Sequence[int]) -> tuple[int, ...]:
    """Return shards of whole chunks, no larger than the array needs."""
    wanted = (min(each, -(-n // chunk) * chunk) for each, n, chunk in zip(outer, sizes, cut, strict=True))
    return tuple(max(chunk, each // chunk * chunk) for each, chunk in zip(wanted, cut, strict=True))


def _factors(levels: Levels, metadata: VoxelsMetadata, action: str) -> tuple[tuple[float, ...], ...]:
    """Return the factors of all levels along the axes of the volume, the first ones 1."""
    dims, shape = metadata.dims, metadata.bounds.shape
    ones = (1.0,) * len(dims)
    if levels is None:
        return (ones,)
    if levels == "auto" or not isinstance(levels, Sequence):
        space = [dim for dim in "xyz" if dim in dims]
        places = [dims.index(dim) for dim in space]
        count = None if levels == "auto" else arguments.integer(levels, action, "levels", least=1)
        found = proposed_factors([shape[at] for at in places], [metadata.resolution[at - 1] for at in places], count)
        return tuple(tuple(float(dict(zip(space, each, strict=True)).get(dim, 1)) for dim in dims) for each in found)
    given = tuple(tuple(float(arguments.number(n, action, "a factor")) for n in each) for each in levels)
    if any(len(each) != len(dims) or min(each) < 1 for each in given) or given[:1] != (ones,):
        raise MetadataError(
            f"{action}: expected {len(dims)} factors for each level, 1 for the first, and found {levels!r}"
        )
    return given


def _ours(metadata: VoxelsMetadata, *, with_sizes: bool) -> dict[str, Any]:
    """Return what pyvolume keeps of the description."""
    found: dict[str, Any] = {"dims": "".join(metadata.dims), "units": list(metadata.units)}
    if any(metadata.bounds.start):
        found["origin"] = list(metadata.bounds.start)
    if with_sizes:
        found["resolution"] = list(metadata.resolution)
    return found


def _prepare(opening: Opening, action: str, *, overwrite: bool) -> None:
    """Refuse what is there, or delete it if it is of zarr.

    Raises
    ------
    ExistsError
        If something is there that may not be replaced.
    FileNotFoundError
        If there is no folder for the hierarchy.
    """
    address = opening.address
    root = None if address.is_remote else Path(address.root)
    if root is not None and not root.parent.is_dir():
        raise FileNotFoundError(f"{action}: there is no folder {root.parent}")
    with contextlib.ExitStack() as stack:
        try:
            client = opening.client()
            stack.callback(client.close)
            open_any(client, address.path, "r+", opening.call())
        except NotFoundError:
            node = None if root is None else root / address.path
            if node is not None and node.exists() and (not node.is_dir() or any(node.iterdir())):
                raise ExistsError(f"{action}: something is there that is not of zarr", action=action) from None
            return
        if not overwrite:
            raise ExistsError(f"{action}: it exists; overwrite=True replaces it", action=action)
        client.do(opening.call(), action, lambda: sync(client.store.delete_dir(address.path)))


def _is_labels(path: str) -> bool:
    """Whether a path is that of an image of labels, in a group of this name."""
    return path.rpartition("/")[0].rpartition("/")[2] == "labels"


def _of_labels(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an image of labels, which names the image that they are of."""
    said = {"image-label": {"source": {"image": "../../"}}}
    if "ome" in attributes:
        return {**attributes, "ome": {**attributes["ome"], **said}}
    return {**attributes, **(said if "multiscales" in attributes else {})}


def _list_labels(client: Client, path: str, begin: Callable[[], Call]) -> None:
    """Add an image in a group ``labels`` to the list of that group, as OME-Zarr wants it."""
    parent, _, name = path.rpartition("/")

    def listed(found: dict[str, Any]) -> dict[str, Any]:
        place = found.setdefault("ome", {}) if "ome" in found or "labels" not in found else found
        place["labels"] = sorted({*place.get("labels", ()), name})
        return found

    change_attributes(client, parent, begin(), listed)
