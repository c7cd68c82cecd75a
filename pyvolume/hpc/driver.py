"""The driver of the HPC DataStore: from a url to a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pyvolume.caching.cache import BlockCache
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import UnsupportedError
from pyvolume.hpc import address
from pyvolume.hpc.accessor import DataStoreVolume
from pyvolume.hpc.documents import dataset_of
from pyvolume.hpc.server import DataStore
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.locking import NamedLock
from pyvolume.transport.auth import Auth
from pyvolume.transport.connection import Connection, connected, opening


class DataStoreDriver(Driver):
    """Opens volumes of the HPC DataStore, see `Driver`."""

    forms = address.FORMS
    environment: ClassVar[Mapping[str, str]] = {"token": "PYVOLUME_TOKEN"}

    def recognises(self, url: str) -> bool:
        """Whether a url begins with ``hpc://``."""
        return address.recognises(url)

    def server_of(self, url: str) -> str:
        """Return the server of a url."""
        return address.server_of(url)

    def connect(
        self,
        url: str,
        *,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
    ) -> DataStore:
        """Return the server at a url.

        Parameters
        ----------
        url : str
            ``hpc://http://HOST:PORT``.
        retry, timeout, max_document : optional
            Arguments of the `Connection` that is made.
        token : str, optional
            Sent as a bearer token.
        auth : Auth or str, optional
            Says who asks, see `Connection`; not together with a token.

        Raises
        ------
        AddressError
            If the url names a dataset.
        """
        given = {"retry": retry, "timeout": timeout, "max_document": max_document, "token": token, "auth": auth}
        return DataStore(connected(address.parse_server(url), given), owns_connection=True)

    def open(
        self,
        url: str,
        mode: Literal["r", "r+"] = "r",
        *,
        connection: Connection | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
        missing: Literal["fill", "raise"] = "fill",
        fill_value: float = 0,
        complete_from: Literal["older", "fill"] = "older",
        verify: bool = False,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
    ) -> DataStoreVolume:
        """Open the volume at a url.

        Parameters
        ----------
        url : str
            In the form of `pyvolume.hpc.address`.
        mode : "r" or "r+"
            Read only, or read and write.
        connection : Connection, optional
            A connection to the same server. It stays open when the volume is closed. Without it the volume makes one
            and closes it.
        retry, timeout, max_document : optional
            Arguments of the `Connection` that is made.
        token : str, optional
            Sent as a bearer token.
        auth : Auth or str, optional
            Says who asks, see `Connection`; not together with a token.
        missing, fill_value, complete_from, verify, partial_blocks, casting, lock, lock_aligned, cache
            See `DataStoreVolume`.

        Raises
        ------
        AddressError
            If the url names no volume, or a server other than that of the connection.
        TypeError
            If an argument of the connection is given together with a connection.
        NotFoundError, UnsupportedError, StoreError
            As for `DataStoreVolume`.
        """
        found = address.parse(url)
        view = found.view
        given = {"retry": retry, "timeout": timeout, "max_document": max_document, "token": token, "auth": auth}
        with opening(found.server, connection, given, lambda: connected(found.server, given)) as current:
            return DataStoreVolume(
                current, found.uuid, version=found.version, level=found.level, timepoint=view.timepoint,
                channel=view.channel, angle=view.angle, missing=missing, fill_value=fill_value,
                complete_from=complete_from, verify=verify, partial_blocks=partial_blocks, casting=casting, lock=lock,
                lock_aligned=lock_aligned, cache=cache, mode=mode, owns_connection=connection is None,
            )  # fmt: skip

    def create(
        self,
        url: str,
        metadata: VoxelsMetadata,
        *,
        chunks: Sequence[int] | None = None,
        overwrite: bool = False,
        label: str = "pyvolume",
        levels: Sequence[Sequence[float]] | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
    ) -> DataStoreVolume:
        """Create a dataset, and open its first version.

        Parameters
        ----------
        url : str
            Of the server, which names the dataset: ``hpc://http://HOST:PORT``.
        metadata : VoxelsMetadata
            Of axes c, x, y and z, and t and a if there are any. What is below voxel 0 is none of it.
        chunks : sequence of int, optional
            One entry per axis, of which those of x, y and z count; by default 64 along each.
        overwrite : bool
            A new dataset replaces none: only False is possible.
        label : str
            A name for people, see `DataStore.create_dataset`.
        levels : sequence, optional
            For each resolution level its factors along the axes of the volume, 1 for the first; whole numbers along x,
            y and z.
        retry, timeout, max_document, token, auth : optional
            As for `open`.

        Raises
        ------
        UnsupportedError
            For `overwrite`, other axes, or factors that the DataStore cannot have.
        AddressError, MetadataError, StoreError
            As for `DataStore.create_dataset`.
        """
        given: dict[str, Any] = {
            "retry": retry,
            "timeout": timeout,
            "max_document": max_document,
            "token": token,
            "auth": auth,
        }
        if overwrite:
            raise UnsupportedError(f"create {url}: a dataset has a new name, and replaces none")
        facts = dataset_of(metadata, None if chunks is None else chunks[1:4], levels, f"create a dataset on {url}")
        with DataStore(connected(address.parse_server(url), given), owns_connection=True) as server:
            uuid = server.create_dataset(label=label, **facts).uuid
        # an axis that the volume does not have is shown at its only index
        view = "&".join(f"{name}=0" for dim, name in (("t", "timepoint"), ("a", "angle")) if dim not in metadata.dims)
        return self.open(f"{url.rstrip('/')}/{uuid}{'?' if view else ''}{view}", "r+", **given)


DRIVER = DataStoreDriver()
