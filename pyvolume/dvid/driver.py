"""The driver of DVID: from a url to a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pyvolume.caching.cache import BlockCache
from pyvolume.calls.retry import RetryPolicy
from pyvolume.dvid import address
from pyvolume.dvid.auth import VARIABLES, Identity
from pyvolume.dvid.catalogue import DvidCatalogue
from pyvolume.dvid.documents import LABEL_TYPES
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.labels.accessor import LabelVolume
from pyvolume.dvid.options import Compression
from pyvolume.dvid.server import Server
from pyvolume.dvid.version import find_version
from pyvolume.dvid.voxels.accessor import VoxelsAccessor
from pyvolume.dvid.voxels.scales import Levels, check_levels_free, level_count
from pyvolume.errors import ForbiddenError, LockedError, UnsupportedError
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.registry import Driver
from pyvolume.transfer.casting import Casting
from pyvolume.transfer.locking import NamedLock
from pyvolume.transport.auth import Auth
from pyvolume.transport.connection import Connection, opening


class DvidDriver(Driver):
    """Opens volumes of DVID, see `Driver`."""

    forms = address.FORMS
    environment: ClassVar[Mapping[str, str]] = VARIABLES
    commands: ClassVar[Mapping[str, str]] = {
        "branch": "pyvolume.cli.dvid.versions",
        "commit": "pyvolume.cli.dvid.versions",
        "create": "pyvolume.cli.dvid.create",
        "keys": "pyvolume.cli.dvid.keys",
        "log": "pyvolume.cli.dvid.history",
        "new": "pyvolume.cli.dvid.versions",
        "roi": "pyvolume.cli.dvid.regions",
        "tag": "pyvolume.cli.dvid.versions",
        "tree": "pyvolume.cli.dvid.history",
    }
    ways_out: ClassVar[Mapping[type[Exception], str]] = {
        ForbiddenError: ", ".join(VARIABLES.values()),
        LockedError: "pyvolume new, pyvolume branch",
    }

    def recognises(self, url: str) -> bool:
        """Whether a url can be one of DVID."""
        return address.recognises(url)

    def server_of(self, url: str) -> str:
        """Return the server of a url."""
        return address.parse(url).server

    def names_volume(self, url: str) -> bool:
        """Whether a url names an instance, not a server or a version."""
        return bool(address.parse(url).name)

    def catalogue(self, url: str, *, retry: RetryPolicy | None = None, token: str | None = None) -> DvidCatalogue:
        """List the repositories of a server, or the instances of a version.

        Parameters
        ----------
        url : str
            Of a server, a version, or an instance there.
        retry, token : optional
            Arguments of the `Connection` that is made.
        """
        found = address.parse(url)
        given = {"retry": retry, "token": token}
        connection = _connect(found.server, given)
        return DvidCatalogue(connection, found)

    def connect(
        self,
        url: str,
        *,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        user: str | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
    ) -> Server:
        """Return the server at a url.

        Parameters
        ----------
        url : str
            Of a server, in one of the forms of `pyvolume.dvid.address`.
        retry, timeout, max_document : optional
            Arguments of the `Connection` that is made.
        user, token : str, optional
            Of its `Identity`.
        auth : Auth or str, optional
            Says who asks, in place of these, see `Connection`.

        Raises
        ------
        AddressError
            If the url names a version or an instance.
        """
        found = address.parse(url)
        found.check_server()
        given = {
            "retry": retry, "timeout": timeout, "max_document": max_document, "user": user, "token": token,
            "auth": auth,
        }  # fmt: skip
        return Server(_connect(found.server, given), owns_connection=True)

    def names_after(self, url: str, *, token: str | None = None) -> list[str]:
        """Return the versions of a server, or the instances of a version; one request, without patience.

        Parameters
        ----------
        url : str
            Of a server or a version.
        token : str, optional
            Of the `Identity`.
        """
        found = address.parse(url)
        if found.name:
            return []
        arguments = {"token": token, "retry": RetryPolicy(patience=0), "timeout": (0.5, 1.5)}
        with DvidCatalogue(_connect(found.server, arguments), found) as catalogue:
            return catalogue.names()

    def open(
        self,
        url: str,
        mode: Literal["r", "r+"] = "r",
        *,
        connection: Connection | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        user: str | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
        throttle: bool = False,
        partial_blocks: Literal["merge", "raise"] = "merge",
        casting: Casting = "checked",
        lock: NamedLock | None = None,
        lock_aligned: bool = True,
        cache: BlockCache | None = None,
        compression: Compression = "auto",
        ingest: bool = False,
    ) -> VoxelsAccessor:
        """Open the volume at a url.

        Parameters
        ----------
        url : str
            In one of the forms of `pyvolume.dvid.address`.
        mode : "r" or "r+"
            Read only, or read and write.
        connection : Connection, optional
            A connection to the same server, with a retry policy, timeouts and an `Identity` of its own. It stays
            open when the volume is closed. Without it the volume makes one and closes it.
        retry, timeout, max_document : optional
            Arguments of the `Connection` that is made.
        user, token : str, optional
            Of the `Identity` of that connection.
        auth : Auth or str, optional
            Says who asks, in place of these, see `Connection`.
        throttle : bool
            Allow the server to answer that it is busy, see `VoxelsAccessor`.
        partial_blocks, casting, lock, lock_aligned, cache
            See `VoxelsAccessor`.
        compression, ingest : optional
            Of labels only, see `LabelVolume`.

        Raises
        ------
        AddressError
            If the url names no volume, or a server other than that of the connection.
        TypeError
            If an argument of the connection is given together with a connection.
        NotFoundError, UnsupportedError, StoreError
            As for `VoxelsAccessor`.
        """
        found = address.parse(url)
        found.check_volume()
        given = {
            "retry": retry, "timeout": timeout, "max_document": max_document, "user": user, "token": token,
            "auth": auth,
        }  # fmt: skip
        with opening(found.server, connection, given, lambda: _connect(found.server, given)) as current:
            volume = VoxelsAccessor(
                current, found.version, found.name, found.view, throttle=throttle or found.throttle,
                partial_blocks=partial_blocks, casting=casting, lock=lock, lock_aligned=lock_aligned, cache=cache,
                compression=compression, ingest=ingest, mode=mode, owns_connection=connection is None,
            )  # fmt: skip
            if found.view and not isinstance(volume, LabelVolume):
                raise UnsupportedError(f"open {found}: {volume.typename} has no {' and no '.join(found.view)}")
            return volume.masked(found.roi, owns_connection=connection is None) if found.roi else volume

    def create(
        self,
        url: str,
        metadata: VoxelsMetadata,
        *,
        chunks: Sequence[int] | None = None,
        levels: Levels | None = None,
        overwrite: bool = False,
        typename: str | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | tuple[float, float] | None = None,
        max_document: int | None = None,
        user: str | None = None,
        token: str | None = None,
        auth: Auth | str | None = None,
    ) -> VoxelsAccessor:
        """Create an instance in an open version, and open it for writing.

        Parameters
        ----------
        url : str
            Of the new instance, in one of the forms of `pyvolume.dvid.address`.
        metadata : VoxelsMetadata
            Of axes c, x, y and z. The volume keeps the shape; what is below voxel 0 is none of it.
        chunks : sequence of int, optional
            One channel, and the shape of the blocks along x, y and z.
        levels : int, "auto" or sequence of sequences of int, optional
            The resolution levels, see `VoxelsAccessor.create_scales`; one by default. Those of labels are made by the
            server, see `pyvolume.dvid.voxels.create_new`.
        overwrite : bool
            DVID does not replace instances: only False is possible.
        typename : str, optional
            See `pyvolume.dvid.voxels.create_new`; labels have the typename ``"labelmap"``.
        retry, timeout, max_document, user, token, auth : optional
            As for `open`.

        Raises
        ------
        AddressError
            If the url names no instance.
        UnsupportedError
            For `overwrite`.
        LockedError, ExistsError, MetadataError, SelectionError, StoreError
            As for `Version.create_described` and `VoxelsAccessor.create_scales`.
        """
        found = address.parse(url)
        found.check_volume()
        count = 1 if levels is None else level_count(levels, metadata, f"create {found.name}")
        holds_labels = typename in LABEL_TYPES
        if overwrite:
            raise UnsupportedError(f"create {found}: DVID replaces no instance; delete it first, or take another name")
        given: dict[str, Any] = {
            "retry": retry,
            "timeout": timeout,
            "max_document": max_document,
            "user": user,
            "token": token,
            "auth": auth,
        }
        with _connect(found.server, given) as connection:
            version = find_version(connection, found.version)
            if not holds_labels:
                check_levels_free(Instance(connection, version.uuid, found.name), count)
            version.create_described(
                found.name, metadata, None if chunks is None else chunks[1:],
                typename=typename, levels=count if holds_labels else 1,
            )  # fmt: skip
            uuid = version.uuid
        volume = self.open(f"{address.SCHEME}{found.server}/{uuid}/{address.segment(found.name)}", "r+", **given)
        if count > 1 and not holds_labels:
            volume.create_scales(count)
        return volume


DRIVER = DvidDriver()


def _connect(server: str, given: Mapping[str, Any]) -> Connection:
    """Make a connection with the arguments that are given."""
    arguments = {name: value for name, value in given.items() if value is not None}
    user, token, auth = (arguments.pop(name, None) for name in ("user", "token", "auth"))
    if auth is not None and (user, token) != (None, None):
        raise TypeError("connect: expected auth=, or user= and token=, and found both")
    return Connection(server, auth=Identity(user, token=token) if auth is None else auth, **arguments)
