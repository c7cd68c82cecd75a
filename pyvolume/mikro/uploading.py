"""Uploads: chunks first, then the metadata of the array, then the image; a crash leaves no image or a whole one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from pyvolume.calls.progress import Progress, Reporter
from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.mikro import documents
from pyvolume.mikro.arrays import DIMS, MICROMETERS, SPACE, default_chunks, matrix_of, new_document
from pyvolume.mikro.bucket import METADATA
from pyvolume.mikro.client import ask
from pyvolume.mikro.creating import created
from pyvolume.mikro.grants import Grant, grant_of
from pyvolume.mikro.naming import checked_name, checked_tags, id_of
from pyvolume.mikro.store import Place, UploadStore
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.units import readable
from pyvolume.stores.catalogue import ARRAY_ATTRIBUTE
from pyvolume.uploading import Arranged, arranged
from pyvolume.volume import Volume
from pyvolume.zarr.nodes import OURS

BANDWIDTH = 10e6
"""Bytes in a second that the way to the store carries, where nobody says more."""

Resolution: TypeAlias = "float | Sequence[float] | Mapping[str, float]"
"""The size of a voxel in micrometres: of all axes, along x, y and z, or by the letter of the axis."""


@dataclass(frozen=True)
class Wishes:
    """What an upload makes of an array, see `pyvolume.mikro.Mikro.from_xarray`.

    Parameters
    ----------
    name : str or None
        Of the image; by default that of the array.
    origin : str
        The id of the image that it is derived from; empty for none.
    """

    name: str | None
    dims: Sequence[str] | None = None
    tags: tuple[str, ...] = ()
    dataset: str = ""
    channels: tuple[str, ...] = ()
    resolution: Resolution | None = None
    chunks: Sequence[int] | Literal["auto"] | None = "auto"
    bandwidth: float = BANDWIDTH
    progress: Progress = None
    origin: str = ""

    @classmethod
    def of(
        cls,
        name: str | None,
        *,
        dims: Sequence[str] | None = None,
        tags: Sequence[str] = (),
        dataset: Any = None,
        channels: Sequence[str] | None = None,
        resolution: Resolution | None = None,
        chunks: Sequence[int] | Literal["auto"] | None = "auto",
        bandwidth: float = BANDWIDTH,
        progress: Progress = None,
        origin: str = "",
    ) -> Self:
        """Check what needs no array.

        Raises
        ------
        MetadataError
            For a name or a tag that the server would change.
        """
        if name is not None:
            checked_name(name, ACTION)
        if not arguments.number(bandwidth, ACTION, "bandwidth") > 0:
            raise MetadataError(f"{ACTION}: expected a bandwidth above 0 and found {bandwidth}")
        folder = "" if dataset is None else id_of(dataset, ACTION, "a dataset")
        names = () if channels is None else tuple(arguments.text(each, ACTION, "a channel") for each in channels)
        return cls(
            name, dims, checked_tags(tags, ACTION), folder, names, resolution, chunks, bandwidth, progress, origin
        )


ACTION = "upload an image"


def uploaded(place: Place, array: Any, wishes: Wishes) -> str:
    """Upload an array, and return the id of its image.

    Raises
    ------
    MetadataError
        If the array is no image, see `canonical`, or the wishes do not fit it.
    UnsupportedError
        For other voxels than numbers, and if the keys of the store would end before the upload does.
    StoreError
        If a server does not do it. The message says what is left.
    """
    given = arranged(array, wishes.dims, DIMS)
    name = checked_name(given.name if wishes.name is None else wishes.name, ACTION)
    metadata = _described(given, wishes)
    document = new_document(metadata, _chunks(wishes.chunks, metadata), _attributes(given, metadata, wishes.channels))
    if wishes.dataset:
        ask(place.connection, ACTION, documents.DATASET, {"id": wishes.dataset})
    if wishes.origin:
        ask(place.connection, ACTION, documents.ORIGIN, {"id": wishes.origin})
    began = time.monotonic()
    found = ask(place.connection, ACTION, documents.UPLOAD, {"input": {}}, changes=True)
    grant, store_id = grant_of(found, began, ACTION), str(found["store"])
    _check_time(grant, metadata, wishes.bandwidth)
    store = UploadStore(place, store_id, grant, document)
    try:
        _write(Volume(store, store.metadata, retry=place.retry), given, wishes.progress)
        _write_document(store)
    finally:
        store.close()
    ask(place.connection, ACTION, documents.FINISH, {"input": {"storeId": store_id}})
    return created(place.connection, store_id, name, _views(metadata, wishes) | _facts(wishes))


def _described(given: Arranged, wishes: Wishes) -> VoxelsMetadata:
    """Describe the volume, with the sizes and the channels that are wished."""
    found = given.metadata
    if found.dtype.kind not in "biufc":
        raise UnsupportedError(f"{ACTION}: expected numbers and found {found.dtype}")
    resolution, units = list(found.resolution), list(found.units)
    for dim, size in _sizes(wishes.resolution).items():
        resolution[DIMS.index(dim) - 1], units[DIMS.index(dim) - 1] = size, MICROMETERS
    if wishes.channels and len(wishes.channels) != found.shape[0]:
        raise MetadataError(f"{ACTION}: expected {found.shape[0]} channels and found {len(wishes.channels)}")
    words: dict[str, Any] = {"labels": {"c": wishes.channels}} if wishes.channels else {}
    dtype = np.dtype(found.dtype).newbyteorder("=")
    return VoxelsMetadata.of(found.shape, dtype, dims=DIMS, resolution=resolution, units=units, **words)


def _sizes(given: Resolution | None) -> dict[str, float]:
    """Return the sizes that are given, by axis, in micrometres."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        unknown = [dim for dim in given if dim not in SPACE]
        if unknown:
            raise MetadataError(f"{ACTION}: expected resolutions along x, y and z and found one along {unknown[0]!r}")
        return {dim: arguments.number(size, ACTION, "a resolution") for dim, size in given.items()}
    listed = list(given) if isinstance(given, Sequence | np.ndarray) else [given] * 3
    if len(listed) != 3:
        raise MetadataError(f"{ACTION}: expected a resolution along x, y and z and found {len(listed)} numbers")
    return {dim: arguments.number(size, ACTION, "a resolution") for dim, size in zip(SPACE, listed, strict=True)}


def _chunks(wished: Sequence[int] | str | None, metadata: VoxelsMetadata) -> tuple[int, ...]:
    """Return the shape of the chunks along all axes."""
    if wished is None or (isinstance(wished, str) and wished == "auto"):
        return default_chunks(metadata.shape)
    if isinstance(wished, str) or not isinstance(wished, Iterable):
        raise MetadataError(f"{ACTION}: expected chunks along x, y and z, or 'auto', and found {wished!r}")
    sides = [arguments.integer(n, ACTION, "a length of chunks", 1) for n in wished]
    if len(sides) != 3:
        raise MetadataError(f"{ACTION}: expected chunks along x, y and z, or 'auto', and found {len(sides)} lengths")
    return (1, *(min(side, n) for side, n in zip(sides, metadata.shape[1:4], strict=True)), 1)


def _attributes(given: Arranged, metadata: VoxelsMetadata, channels: Sequence[str]) -> dict[str, Any]:
    """Return the attributes of the array: those of the user, and what gives back the axes of the user."""
    own = given.attributes[ARRAY_ATTRIBUTE]
    coordinates = dict(own["coords"])
    for dim, size, unit in zip(metadata.dims[1:], metadata.resolution, metadata.units, strict=True):
        if dim in own["letters"] and unit:
            name = own["dims"][own["letters"].index(dim)]
            coordinates.setdefault(name, {"dims": [name], "start": 0.0, "step": size, "attrs": {"units": unit}})
    if channels and "c" in own["letters"]:
        name = own["dims"][own["letters"].index("c")]
        coordinates.setdefault(name, {"dims": [name], "values": list(channels), "attrs": {}})
    ours = {
        "dims": "".join(metadata.dims), "resolution": list(metadata.resolution), "units": list(metadata.units),
    }  # fmt: skip
    found = {**given.attributes, ARRAY_ATTRIBUTE: {**own, "coords": coordinates}, OURS: ours}
    try:
        kept: dict[str, Any] = json.loads(json.dumps(found, default=_plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise MetadataError(f"{ACTION}: expected attributes of JSON: {error}") from None
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _check_time(grant: Grant, metadata: VoxelsMetadata, bandwidth: float) -> None:
    """Refuse an upload whose keys would end before it does.

    Raises
    ------
    UnsupportedError
    """
    nbytes = metadata.bounds.size * metadata.dtype.itemsize
    left = grant.end - time.monotonic()
    if not grant.is_permanent and nbytes / bandwidth > left:
        raise UnsupportedError(
            f"{ACTION}: {readable(nbytes)} take {nbytes / bandwidth:.0f} s at {readable(bandwidth)} a second, and the "
            f"keys of the object store end after {left:.0f} s and cannot be renewed; nothing was written. Give "
            "bandwidth= if the way to the store is faster, upload parts, or ask for a longer "
            "session_duration_seconds on the server"
        )


def _write(volume: Volume, given: Arranged, progress: Progress) -> None:
    box = Box((0,) * len(DIMS), given.voxels.shape)
    if not given.is_dask:
        volume.write(box, given.voxels, progress=progress)
        return
    store: Any = volume.store
    with Reporter(progress, "upload", box.size * volume.dtype.itemsize) as reporter:
        store.report = lambda nbytes: reporter.moved(nbytes, 0)
        volume.from_dask(given.voxels, box=box)


def _write_document(store: UploadStore) -> None:
    """Write the metadata of the array, which makes it one; nothing is replaced."""
    data = default_buffer_prototype().buffer.from_bytes(json.dumps(store.document, indent=2).encode())
    store.client.do(store.place.call(), ACTION, lambda: sync(store.client.store.set_if_not_exists(METADATA, data)))


def _views(metadata: VoxelsMetadata, wishes: Wishes) -> dict[str, list[Any]]:
    """Return what the catalogue is told of the image."""
    found: dict[str, list[Any]] = {}
    matrix = matrix_of(metadata.resolution[:3], metadata.units[:3])
    if matrix is not None:
        found["transformationViews"] = [{"affineMatrix": matrix}]
    if wishes.channels:
        found["channelViews"] = [{"name": name, "cMin": at, "cMax": at + 1} for at, name in enumerate(wishes.channels)]
    if wishes.origin:
        found["derivedViews"] = [{"originImage": wishes.origin}]
    return found


def _facts(wishes: Wishes) -> dict[str, Any]:
    given = {"tags": list(wishes.tags), "dataset": wishes.dataset}
    return {name: value for name, value in given.items() if value}
