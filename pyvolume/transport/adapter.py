"""PatientAdapter: requests' adapter with connections that allow a slow upload."""

from __future__ import annotations

import contextlib
import http.client
import io
import secrets
import socket
import urllib.parse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

POOL_SIZE = 16
"""Connections kept open to one server; at least as many as threads that use it."""

MAX_INTERIM = 100
"""Interim answers (status 1xx) that may come before one final answer."""


class PatientAdapter(HTTPAdapter):
    """An adapter with three habits of its own.

    Its new connections send under the limit for silence, not under that for connecting: urllib3 leaves the connect
    timeout on the socket until the request is sent, and Python's `sendall` takes a timeout as the time for all of
    it, so an upload that takes longer would fail on a good line.

    The admin token is put into the request line only when that is sent: urllib3 logs urls, and requests puts them
    into its errors. Until then a random placeholder takes its place; nobody else can know it and write it into a url.

    Its connections skip interim answers, and are not used again if bytes are left behind the end of an answer.

    Parameters
    ----------
    silence : float
        Seconds.
    admin_token : str, optional
    pool_size : int
        Connections that are kept open.

    Attributes
    ----------
    placeholder : str
        Replaced by the admin token in the request line.
    """

    def __init__(self, silence: float, admin_token: str | None = None, pool_size: int = POOL_SIZE) -> None:
        self.placeholder = f"REDACTED-{secrets.token_hex(16)}"
        self._pools = _pools(silence, self.placeholder, urllib.parse.quote_plus(admin_token or ""))
        super().__init__(pool_connections=4, pool_maxsize=pool_size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager for direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pool manager for connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _LastReader(io.BufferedReader):
    """Reads one answer, and shuts the socket down if bytes are left when the answer has ended.

    They would be lost with this reader, and what follows them would be taken for the next answer.
    """

    def __init__(self, stream: io.RawIOBase, connected: socket.socket) -> None:
        super().__init__(stream)
        self._connected = connected

    def close(self) -> None:
        if not self.closed:
            # with a stream that has nothing to give, `peek` returns what is in the buffer
            self.raw.readinto = lambda _view: None  # type: ignore[method-assign]
            if self.peek(1):
                with contextlib.suppress(OSError):
                    self._connected.shutdown(socket.SHUT_RDWR)
        super().close()


class FinalResponse(http.client.HTTPResponse):
    """The final answer: interim ones (status 1xx) before it are skipped, which http.client does with 100 only."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = _LastReader(self.fp.detach(), sock)

    def begin(self) -> None:
        """Read the status line and the headers."""
        super().begin()
        skipped = 0
        while 100 <= self.status < 200:
            skipped += 1
            if skipped > MAX_INTERIM:
                raise http.client.HTTPException(f"more than {MAX_INTERIM} interim answers")
            self.headers = None  # type: ignore[assignment]
            super().begin()


def _pools(silence: float, placeholder: str, secret: str) -> dict[str, type[HTTPConnectionPool]]:
    class Habits(HTTPConnection):
        response_class = FinalResponse

        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(silence)

        def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            super().putrequest(method, url.replace(placeholder, secret), *args, **kwargs)

    class PatientHTTP(Habits):
        pass

    class PatientHTTPS(Habits, HTTPSConnection):
        pass

    class HTTPPool(HTTPConnectionPool):
        ConnectionCls = PatientHTTP

    class HTTPSPool(HTTPSConnectionPool):
        ConnectionCls = PatientHTTPS

    return {"http": HTTPPool, "https": HTTPSPool}
