"""The mock server: starts, serves in threads of its own, and stops."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mockserver.dvid.api import DvidApi
from mockserver.dvid.jwt import make_token
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.repository import new_uuid, timestamp
from mockserver.dvid.model.settings import RESERVED_NAMES
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.policy import Policy
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.wire.geometry import Box
from mockserver.http.connection import Connection
from mockserver.http.faults import Fault, Faults
from mockserver.journal import Journal

MAX_AXES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RequestRecord:
    """One request that a server was asked.

    Parameters
    ----------
    method : str
        As sent.
    path : str
        With the query.
    headers : mapping
        As sent.
    length : int
        Bytes of its body.
    status : int or None
        Of the answer; None if there was none.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    length: int
    status: int | None


class Backend(ThreadingHTTPServer):
    """The listening socket, and what all connections share."""

    request_queue_size = 128

    def __init__(self, port: int, api: DvidApi, faults: Faults, policy: Policy) -> None:
        self.api = api
        self.faults = faults
        self.policy = policy
        self.closing = threading.Event()
        self.records: list[RequestRecord] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._serving: list[threading.Thread] = []
        super().__init__(("127.0.0.1", port), Connection)
        self._acceptor = threading.Thread(target=self._accept, name="mockserver", daemon=True)
        self._acceptor.start()

    def note(self, method: str, path: str, headers: Mapping[str, str], length: int, status: int | None) -> None:
        """Write a request down."""
        with self._lock:
            self.records.append(RequestRecord(method, path, headers, length, status))

    def noted(self) -> list[RequestRecord]:
        """Return a copy of what was written down."""
        with self._lock:
            return list(self.records)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread that `stop` knows of."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="mockserver", daemon=True
        )
        with self._lock:
            self._open.add(request)
            self._serving = [*filter(threading.Thread.is_alive, self._serving), thread]
            thread.start()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base class calls it so
        """Take no connection while closing."""
        return not self.closing.is_set()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.forget(request)
        super().shutdown_request(request)

    def forget(self, connection: socket.socket) -> None:
        """Let a connection be; it is about to be closed."""
        with self._lock:
            self._open.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Report a mistake of this program."""
        log.exception("serving %s", client_address)

    def stop(self) -> None:
        """Close all connections, whatever they are doing, and wait for their threads."""
        self.closing.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server_address[1]), timeout=5):
            pass  # wakes the acceptor
        self._acceptor.join()
        self.server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._serving:
            thread.join()

    def _accept(self) -> None:
        while not self.closing.is_set():
            self.handle_request()


class MockServer:
    """A server that speaks DVID's protocol as strictly as the real one, and can be told to fail.

    It listens on 127.0.0.1 and is ready when the constructor returns.

    Parameters
    ----------
    volumes : mapping of str to array, optional
        Channel-first arrays of two to six axes; the server opens with one repository that holds each as an
        instance of its name, at extents of exactly its shape. Without volumes it opens empty.
    port : int
        0 takes any free one.
    folder : path, optional
        Keeps everything there between runs. If the folder holds repositories already, `volumes` is left aside.
    root : str, optional
        Version uuid of the repository for `volumes`, 32 hexadecimal digits.
    faults : iterable of Fault
        Faults to begin with.
    throttle_slots : int
        How many throttled operations may run at a time.
    admin_token : str, optional
        Without one anybody may create repositories, as on DVID 1.0.0; with one only who sends it.
    auth : str
        ``"token"`` wants a token of `token` for everything in repositories, ``"none"`` wants nothing.
    jwt_secret : str, optional
        What tokens are signed with; a random one by default.
    read_only : bool
        Whether only who sends the admin token may change anything.
    cors : iterable of str
        Origins whose pages may ask, ``*`` for all; with ``auth="token"`` domains such as ``janelia.org``.

    Examples
    --------
    >>> import numpy as np
    >>> with MockServer({"gray": np.zeros((1, 64, 64, 32), np.uint8)}) as server:
    ...     server.voxels("gray").shape
    (1, 64, 64, 32)
    """

    def __init__(
        self,
        volumes: Mapping[str, ArrayLike] | None = None,
        *,
        port: int = 0,
        folder: str | os.PathLike[str] | None = None,
        root: str | None = None,
        faults: Iterable[Fault] = (),
        throttle_slots: int = 1,
        admin_token: str | None = None,
        auth: str = "none",
        jwt_secret: str | None = None,
        read_only: bool = False,
        cors: Iterable[str] = (),
    ) -> None:
        if root is not None and not re.fullmatch("[0-9a-f]{32}", root):
            raise ValueError(f"root: expected 32 hexadecimal digits, got {root!r}")
        if auth not in {"none", "token"}:
            raise ValueError(f"auth: expected 'none' or 'token', got {auth!r}")
        self._jwt_secret = jwt_secret or secrets.token_hex()
        secret = self._jwt_secret if auth == "token" else None
        self._policy = Policy(admin_token, read_only, secret, tuple(cors))
        arrays = {name: _checked(name, volume) for name, volume in (volumes or {}).items()}
        self.faults = Faults(*faults)
        self._changes = Changes(Journal(folder) if folder is not None else None)
        if volumes is not None and not self._changes.repositories.by_root:
            self._adopt(arrays, root or new_uuid())
        api = DvidApi(self._changes, Throttle(throttle_slots), self._policy)
        try:
            self._backend = Backend(port, api, self.faults, self._policy)
        except OSError:
            self._changes.close()
            raise

    @property
    def url(self) -> str:
        """Address of the server, as ``http://127.0.0.1:54321``."""
        host, port = self._backend.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def uuid(self) -> str:
        """Uuid of the root version of the first repository.

        Raises
        ------
        LookupError
            If there is no repository yet.
        """
        for root in self._changes.repositories.by_root:
            return root
        raise LookupError("uuid: this server holds no repository yet")

    @property
    def requests(self) -> list[RequestRecord]:
        """What the server was asked so far, in order."""
        return self._backend.noted()

    def token(self, user: str = "somebody", *, lifetime: float = 3600) -> str:
        """Return a token for ``Authorization: Bearer``, for servers with ``auth="token"``.

        Parameters
        ----------
        user : str
            Whom it names.
        lifetime : float
            Seconds until it expires; if negative it has.
        """
        return make_token(self._jwt_secret, {"user": user, "exp": time.time() + lifetime})

    def voxels(self, name: str, version: str | None = None) -> NDArray[Any]:
        """Return a copy of the voxels of an instance, from 0 to the upper end of its extents.

        Parameters
        ----------
        name : str
            Name of the instance.
        version : str, optional
            A version in any form that a URL takes; the root version by default.

        Returns
        -------
        ndarray
            Channel first, Fortran order; zeros where nothing is stored.
        """
        _, node = self._changes.repositories.find(version or self.uuid)
        instance, lineage = self._changes.repositories.at(node.uuid, name, Volume)
        _, high = instance.extents_in(lineage) or (None, (-1,) * instance.ndim)
        box = Box((0,) * instance.ndim, tuple(max(0, last + 1) for last in high))
        return instance.voxels.array(lineage, box)

    def close(self) -> None:
        """Stop serving and close every connection; again does nothing."""
        if not self._backend.closing.is_set():
            self._backend.stop()
            self._changes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _adopt(self, arrays: Mapping[str, NDArray[Any]], root: str) -> None:
        self._changes.make("create_repository", root=root, alias="mock", description="", now=timestamp())
        for name, array in arrays.items():
            self._changes.adopt(root, name, array)


def _checked(name: str, volume: ArrayLike) -> NDArray[Any]:
    if "/" in name or name in RESERVED_NAMES:
        raise ValueError(f"volume {name!r}: no url can name it")
    array = np.asarray(volume)
    if not 1 <= array.ndim - 1 <= MAX_AXES:
        raise ValueError(f"volume {name!r}: expected a channel axis and 1 to {MAX_AXES} more, got shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"volume {name!r}: expected numbers, got {array.dtype}")
    return array
