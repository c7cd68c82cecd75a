"""PatientAdapter: requests' adapter with connections that allow a slow upload."""

from __future__ import annotations

import urllib.parse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

POOL_SIZE = 16
"""Connections kept open to one server; at least as many as threads that use it."""


REDACTED = "REDACTED-BY-PYVOLUME"
"""Stands for the admin token in every url that a library could log or put into an error."""


class PatientAdapter(HTTPAdapter):
    """An adapter with two habits of its own.

    Its new connections send under the limit for silence, not under that for connecting: urllib3 leaves the connect
    timeout on the socket until the request is sent, and Python's `sendall` takes a timeout as the time for all of
    it, so an upload that takes longer would fail on a good line.

    The admin token is put into the request line only when that is sent: urllib3 logs urls, and requests puts them
    into its errors.

    Parameters
    ----------
    silence : float
        Seconds.
    admin_token : str, optional
    pool_size : int
        Connections that are kept open.
    """

    def __init__(self, silence: float, admin_token: str | None = None, pool_size: int = POOL_SIZE) -> None:
        self._pools = _pools(silence, urllib.parse.quote_plus(admin_token or ""))
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


def _pools(silence: float, secret: str) -> dict[str, type[HTTPConnectionPool]]:
    class Habits(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(silence)

        def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
            super().putrequest(method, url.replace(REDACTED, secret), *args, **kwargs)

    class PatientHTTP(Habits):
        pass

    class PatientHTTPS(Habits, HTTPSConnection):
        pass

    class HTTPPool(HTTPConnectionPool):
        ConnectionCls = PatientHTTP

    class HTTPSPool(HTTPSConnectionPool):
        ConnectionCls = PatientHTTPS

    return {"http": HTTPPool, "https": HTTPSPool}
