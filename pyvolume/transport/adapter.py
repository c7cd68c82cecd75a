"""PatientAdapter: requests' adapter with connections that allow a slow upload."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

POOL_SIZE = 16
"""Connections kept open to one server; at least as many as threads that use it."""


class PatientAdapter(HTTPAdapter):
    """An adapter whose new connections send under the limit for silence, not under that for connecting.

    urllib3 leaves the connect timeout on the socket until the request is sent, and Python's `sendall` takes a
    timeout as the time for all of it: an upload that takes longer would fail on a good line.

    Parameters
    ----------
    silence : float
        Seconds.
    """

    def __init__(self, silence: float) -> None:
        self._pools = _pools(silence)
        super().__init__(pool_connections=4, pool_maxsize=POOL_SIZE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager for direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pool manager for connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(silence: float) -> dict[str, type[HTTPConnectionPool]]:
    class PatientHTTP(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(silence)

    class PatientHTTPS(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(silence)

    class HTTPPool(HTTPConnectionPool):
        ConnectionCls = PatientHTTP

    class HTTPSPool(HTTPSConnectionPool):
        ConnectionCls = PatientHTTPS

    return {"http": HTTPPool, "https": HTTPSPool}
