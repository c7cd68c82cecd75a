"""DataStore: a server, and its datasets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from pyvolume.errors import AnswerError, MetadataError, NotFoundError, StoreError
from pyvolume.hpc.accessor import DataStoreVolume
from pyvolume.hpc.client import dataset_path, delete, post
from pyvolume.hpc.dataset import Dataset
from pyvolume.hpc.documents import DIMS, VOXEL_TYPES, dataset_of
from pyvolume.hpc.levels import LevelInfo, checked_levels, propose
from pyvolume.hpc.schemas import SCHEMAS
from pyvolume.hpc.store import MAX_BODY
from pyvolume.model import arguments
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.transport.auth import Auth
from pyvolume.transport.bearer import only_auth
from pyvolume.transport.connection import Connection
from pyvolume.transport.handle import ServerHandle

UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""The form of the uuids that the server gives."""

SHOWN = 100
"""Characters that a message shows of an answer that is no uuid."""

MOST_TIMEPOINTS = 1_000_000

SMALLEST, LARGEST = 1e-30, 1e30
"""Sizes of voxels that somebody can mean."""

LONGEST_LABEL = 255
"""Bytes of a label: it is the name of a file on the server."""


class DataStore(ServerHandle):
    """An HPC DataStore. It cannot list its datasets: keep their uuids.

    Parameters
    ----------
    server : Connection or str
        A connection, which `close` leaves open; or a url, for which a connection is made that `close` closes.
    token : str, optional
        Sent as a bearer token; only with a url.
    auth : Auth or str, optional
        Says who asks, see `Connection`; only with a url, and without a token.
    owns_connection : bool
        Close a given connection too.

    Raises
    ------
    AddressError
        If the url is not one of an HTTP server.
    """

    def __init__(
        self,
        server: Connection | str,
        *,
        token: str | None = None,
        auth: Auth | str | None = None,
        owns_connection: bool = False,
    ) -> None:
        asking = only_auth("DataStore", token, auth)
        if isinstance(server, Connection) and asking is not None:
            raise TypeError("DataStore: token and auth belong to the connection, which is given")
        super().__init__(server, lambda url: Connection(url, auth=asking), owns_connection=owns_connection)

    def dataset(self, uuid: str) -> Dataset:
        """Return a dataset by its uuid; one request.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        found = Dataset(self.connection, uuid)
        found.info()
        return found

    def create_dataset(
        self,
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        timepoints: int | Sequence[int] = 1,
        channels: int = 1,
        angles: int = 1,
        levels: Sequence[LevelInfo | tuple[Sequence[int], Sequence[int]]] | None = None,
        resolution: float | Sequence[float] = 1.0,
        unit: str = "um",
        time_resolution: tuple[float, str] = (0.0, ""),
        compression: str = "gzip",
        label: str = "pyvolume",
    ) -> Dataset:
        r"""Create a dataset without voxels, and ask the server for it.

        The request is not repeated: if its answer is lost, the error says that a dataset may exist.

        Parameters
        ----------
        shape : sequence of int
            Voxels along x, y and z in full resolution.
        dtype : dtype-like
            An integer of 8 to 64 bits, float32 or float64.
        timepoints : int or sequence of int
            How many time points there are, with the ids 0, 1, …; or their ids.
        channels, angles : int
            How many there are.
        levels : sequence, optional
            For each resolution level its factors and its block shape along x, y and z, the full resolution first. By
            default levels that become roughly isotropic, down to 256 voxels along the longest side, in blocks of 64³
            voxels, as BigDataViewer proposes them.
        resolution : float or sequence of float
            Size of a voxel along x, y and z.
        unit : str
            Of the resolution, up to 255 characters.
        time_resolution : (float, str)
            Distance of two time points, and its unit.
        compression : "raw", "gzip", "bzip2", "lz4" or "xz"
            How the server stores blocks.
        label : str
            A name for people. The server makes a file of this name: it cannot hold ``:\/*"?|<>'``, and cannot be a
            number. The C++ client opens no dataset without a label.

        Returns
        -------
        Dataset

        Raises
        ------
        MetadataError
            If an argument has a value that the server would refuse, change or lose.
        NotFoundError
            If the server gives a uuid, but has no such dataset.
        StoreError
            If the server could not do it.
        """
        action = "create a dataset"
        size = [arguments.integer(n, action, "a shape", 1) for n in arguments.each_of(shape, action, "shape")]
        sizes = _sizes(resolution, action)
        ids = _timepoint_ids(timepoints, action)
        value, time_unit = _quantity(time_resolution, action)
        if len(size) != 3 or len(sizes) != 3:
            raise MetadataError(
                f"{action}: expected shape and resolution along x, y and z and found {size} and {sizes}"
            )
        chosen = propose(size, sizes) if levels is None else checked_levels(levels, action)
        voxel_type = np.dtype(dtype)
        if voxel_type.name not in VOXEL_TYPES:
            raise MetadataError(f"{action}: expected one of the dtypes {', '.join(VOXEL_TYPES)} and found {voxel_type}")
        _check_blocks(action, chosen, voxel_type.itemsize)
        _check_label(action, label)
        none = {"value": 0.0, "unit": None}
        document = {
            "voxelType": voxel_type.name,
            "dimensions": size,
            "timepoints": len(ids),
            "timepointIds": ids,
            "channels": arguments.integer(channels, action, "channels", 1),
            "angles": arguments.integer(angles, action, "angles", 1),
            "voxelUnit": arguments.text(unit, action, "a unit"),
            "voxelResolution": sizes,
            "timepointResolution": {"value": value, "unit": time_unit or None},
            "channelResolution": none,
            "angleResolution": none,
            "compression": compression,
            "resolutionLevels": [
                {"resolutions": list(level.factors), "blockDimensions": list(level.block_shape)} for level in chosen
            ],
            "label": label,
        }
        SCHEMAS.validate("hpc-create-dataset-1", document, action)
        uuid = _created(self.connection, action, json.dumps(document))
        try:
            return self.dataset(uuid)
        except NotFoundError as error:
            raise NotFoundError(
                f"{action}: the server gave the uuid {uuid}, but has no such dataset; "
                "it loses a dataset whose unit is too long",
                **vars(error),
            ) from None
        except StoreError as error:
            error.as_uncertain(f"the server gave the uuid {uuid}")
            raise

    @property
    def volume_dims(self) -> tuple[str, ...]:
        """The axes of volumes of a DataStore, which are channel, x, y, z, time and angle."""
        return DIMS

    def create_described(
        self, name: str, metadata: VoxelsMetadata, block_shape: Sequence[int] | None = None
    ) -> DataStoreVolume:
        """Create a dataset of one resolution level, and open its first version.

        Parameters
        ----------
        name : str
            The label of the dataset, see `create_dataset`.
        metadata : pyvolume.VoxelsMetadata
            Of axes c, x, y, z, t and a. The labels are not kept; the time points have the ids 0, 1, …
        block_shape : sequence of int, optional
            Voxels of a block along x, y and z; by default 64 along each.

        Raises
        ------
        MetadataError
            If x, y and z have different units; also as for `create_dataset`.
        NotFoundError, StoreError
            As for `create_dataset`.
        """
        arguments.text(name, "create a dataset", "a name")
        facts = dataset_of(metadata, block_shape, None, "create a dataset")
        return self.create_dataset(label=name, **facts).volume()

    def delete(self, uuid: str) -> None:
        """Delete a dataset with all its versions.

        Raises
        ------
        AddressError
            If this can be no uuid.
        NotFoundError
            If there is none.
        StoreError
            If the server could not do it.
        """
        delete(self.connection, f"delete dataset {uuid}", dataset_path(uuid))


def _sizes(resolution: float | Sequence[float], action: str) -> list[float]:
    """Return the size of a voxel along each axis; one number is that of all three."""
    given = list(resolution) if isinstance(resolution, Iterable) else [resolution] * 3
    sizes = [arguments.number(each, action, "a resolution") for each in given]
    if not all(SMALLEST <= each <= LARGEST for each in sizes):
        raise MetadataError(f"{action}: expected a resolution from {SMALLEST} to {LARGEST} and found {sizes}")
    return sizes


def _timepoint_ids(timepoints: int | Sequence[int], action: str) -> list[int]:
    """Return the ids of the time points, sorted."""
    if isinstance(timepoints, Iterable):
        each_one = arguments.each_of(timepoints, action, "timepoints")
        return sorted(arguments.integer(each, action, "a time point", 0) for each in each_one)
    count = arguments.integer(timepoints, action, "timepoints", 1)
    if count > MOST_TIMEPOINTS:
        raise MetadataError(f"{action}: expected at most {MOST_TIMEPOINTS} time points and found {count}")
    return list(range(count))


def _quantity(given: tuple[float, str], action: str) -> tuple[float, str]:
    """Return a finite number and its unit."""
    try:
        value, unit = given
    except (TypeError, ValueError):
        raise MetadataError(
            f"{action}: expected time_resolution as a number and a unit and found {arguments.brief(given)}"
        ) from None
    found = arguments.number(value, action, "time_resolution")
    if not 0 <= found <= LARGEST:
        raise MetadataError(f"{action}: expected time_resolution from 0 to {LARGEST} and found {found}")
    return found, arguments.text(unit, action, "a unit")


def _created(connection: Connection, action: str, document: str) -> str:
    """Create a dataset, and return its uuid."""
    try:
        answer = post(connection, action, "/datasets", document, "application/json").strip()
        if not re.fullmatch(UUID, answer):
            raise AnswerError(
                f"{action}: expected a uuid and found {answer[:SHOWN]!r}; is a proxy in between?"
            ).as_uncertain()
    except StoreError as error:
        if error.uncertain:
            error.as_uncertain("a dataset may exist on the server, which cannot list its datasets")
        raise
    return answer


def _check_blocks(action: str, levels: Sequence[LevelInfo], itemsize: int) -> None:
    """Refuse blocks that the server would not take."""
    for level in levels:
        x, y, z = level.block_shape
        if x * y * z * itemsize + 12 > MAX_BODY:
            raise MetadataError(f"{action}: blocks of {level.block_shape} are larger than a request, {MAX_BODY} bytes")


def _check_label(action: str, label: str) -> None:
    """Refuse a label that the server would take for a version, or cannot store."""
    arguments.text(label, action, "a label")
    is_name = label.isprintable() and not label.isdigit() and label not in {".", ".."}
    if not is_name or len(label.encode()) > LONGEST_LABEL:
        raise MetadataError(
            f"{action}: expected a printable label of up to {LONGEST_LABEL} bytes that is no number and found "
            f"{arguments.brief(label)}"
        )
