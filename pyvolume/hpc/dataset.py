"""Dataset: an image of the DataStore, in all its versions and resolution levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pyvolume.errors import MetadataError, NotFoundError
from pyvolume.hpc import versions
from pyvolume.hpc.accessor import DataStoreVolume
from pyvolume.hpc.address import number_of
from pyvolume.hpc.client import dataset_path, get_text, post, read_info
from pyvolume.hpc.documents import DatasetInfo
from pyvolume.hpc.levels import LevelInfo
from pyvolume.model import arguments
from pyvolume.transport.connection import Connection

LONGEST_TEXT = 255
"""Characters of the common metadata."""


class Dataset:
    """A dataset of an HPC DataStore.

    Each property is one request.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        Names the dataset.
    """

    def __init__(self, connection: Connection, uuid: str) -> None:
        arguments.instance_of(connection, Connection, "Dataset")
        self.connection = connection
        self.uuid = arguments.text(uuid, "Dataset", "a uuid")

    def __repr__(self) -> str:
        return f"<Dataset {self.uuid} of {self.connection.url}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dataset):
            return NotImplemented
        return (self.connection.url, self.uuid) == (other.connection.url, other.uuid)

    def __hash__(self) -> int:
        return hash((self.connection.url, self.uuid))

    def info(self) -> DatasetInfo:
        """Return what the server says of the dataset.

        Raises
        ------
        NotFoundError
            If there is no such dataset.
        """
        return read_info(self.connection, self.uuid)

    @property
    def label(self) -> str:
        """A name for people, empty if there is none."""
        return self.info().label

    @property
    def levels(self) -> tuple[LevelInfo, ...]:
        """The resolution levels."""
        return self.info().levels

    @property
    def versions(self) -> tuple[int, ...]:
        """The numbers of the versions, sorted."""
        return self.info().versions

    @property
    def timepoints(self) -> tuple[int, ...]:
        """The ids of the time points, sorted; they need not begin at 0, and numbers may be missing."""
        return self.info().timepoints

    @property
    def channels(self) -> int:
        """How many channels there are; their ids begin at 0."""
        return self.info().channels

    @property
    def angles(self) -> int:
        """How many angles there are; their ids begin at 0."""
        return self.info().angles

    def timepoint(self, number: int) -> int:
        """Return the position of a time point on the axis of time, by its id.

        Raises
        ------
        NotFoundError
            If there is no time point of this id.
        """
        known = self.timepoints
        if number not in known:
            shown = ", ".join(map(str, known))
            raise NotFoundError(f"find a time point of {self.uuid}: no {number!r}; there are {shown}")
        return known.index(number)

    @property
    def metadata(self) -> str:
        """A text about the dataset, of up to 255 characters; it can be set."""
        return get_text(self.connection, f"read metadata of {self.uuid}", self._metadata_path)

    @metadata.setter
    def metadata(self, text: str) -> None:
        action = f"set metadata of {self.uuid}"
        arguments.text(text, action, "metadata")
        if len(text) > LONGEST_TEXT:
            raise MetadataError(f"{action}: expected at most {LONGEST_TEXT} characters and found {len(text)}")
        post(self.connection, action, self._metadata_path, text, "text/plain; charset=utf-8", repeatable=True)

    @property
    def _metadata_path(self) -> str:
        return f"{dataset_path(self.uuid)}/common-metadata"

    def add_channels(self, count: int = 1) -> None:
        """Add channels without voxels, in every version.

        The request is not repeated: if its answer is lost, the error says that the channels may be there.

        Parameters
        ----------
        count : int
            How many.

        Raises
        ------
        StoreError
            If the server could not do it.
        """
        action = f"add channels to {self.uuid}"
        wanted = arguments.integer(count, action, "count", 1)
        post(self.connection, action, f"{dataset_path(self.uuid)}/channels", str(wanted), "text/plain")

    def new_version(self) -> int:
        """Make a version without blocks, and return its number.

        The request is not repeated. If its answer is lost, the versions are looked up, and the one that was not there
        before is returned.

        Raises
        ------
        StoreError
            If the server could not do it. It is `uncertain` if a version may have been made.
        """
        return versions.make_version(self.connection, self.info(), 0)[1]

    def delete_versions(self, *numbers: int, force: bool = False) -> None:
        """Delete versions with their voxels.

        Parameters
        ----------
        *numbers : int
            Which.
        force : bool
            Delete version 0 too. The server cannot open the dataset without it any more.

        Raises
        ------
        NotFoundError
            If a version is not there. Nothing was deleted.
        MetadataError
            For version 0 without `force`, and for all versions.
        StoreError
            If the server could not do it.
        """
        versions.delete_versions(self.connection, self.info(), numbers, force=force)

    def volume(
        self,
        version: int | str = "latest",
        level: int | Sequence[int] = 0,
        *,
        mode: Literal["r", "r+"] = "r+",
        **options: Any,
    ) -> DataStoreVolume:
        """Open a resolution level in a version.

        Parameters
        ----------
        version, level, mode, **options
            See `DataStoreVolume`.

        Raises
        ------
        NotFoundError, UnsupportedError, StoreError
            As for `DataStoreVolume`.
        """
        return DataStoreVolume(self.connection, self.uuid, version=version, level=level, mode=mode, **options)

    def at(self, version: int | str) -> DataStoreVolume:
        """Open the first resolution level in a version; ``"mixedLatest"`` for reading only.

        Parameters
        ----------
        version : int or str
            As `version` of a `DataStoreVolume`; a number may be text.

        Raises
        ------
        NotFoundError, StoreError
            As for `DataStoreVolume`.
        """
        return self.volume(number_of(version), mode="r" if version == "mixedLatest" else "r+")

    def bdv_xml(self, version: int | Literal["all", "mixedLatest"] = "all") -> str:
        """Return the document with which BigDataViewer opens the dataset.

        Parameters
        ----------
        version : int, "all" or "mixedLatest"
            The version to describe.

        Raises
        ------
        NotFoundError
            If there is no such dataset or version.
        """
        if not isinstance(version, int):
            arguments.one_of(version, ("all", "mixedLatest"), "bdv_xml", "version")
        return get_text(self.connection, f"read the XML of {self.uuid}", f"{dataset_path(self.uuid)}/{version}")
