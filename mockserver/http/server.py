"""The listening socket and the threads of a server."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from socketserver import BaseRequestHandler
from typing import Any

from mockserver.http.connection import Connection
from mockserver.http.shared import Shared

log = logging.getLogger(__name__)


class Backend(ThreadingHTTPServer):
    """A server on 127.0.0.1 that gives each connection a thread; it is ready when the constructor returns.

    Parameters
    ----------
    port : int
        The port to listen on; 0 takes a free one.
    shared : Shared
        What all connections use together.

    Raises
    ------
    OSError
        If the port is in use.
    """

    request_queue_size = 128

    def __init__(self, port: int, shared: Shared) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._serving: list[threading.Thread] = []
        super().__init__(("127.0.0.1", port), BaseRequestHandler)  # `finish_request` makes a Connection instead
        self._acceptor = threading.Thread(target=self._accept, name="mockserver", daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        """Address of the server, as ``http://127.0.0.1:54321``."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread that `stop` waits for."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="mockserver", daemon=True
        )
        with self._lock:
            self._open.add(request)
            thread.start()
            self._serving = [*filter(threading.Thread.is_alive, self._serving), thread]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection until it ends."""
        Connection(request, client_address, self, self._shared)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base class calls it so
        """Accept no connection while the server closes."""
        return not self._shared.closing.is_set()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log an error of this program."""
        log.exception("serving %s", client_address)

    def stop(self) -> None:
        """Close all connections, also those in the middle of a request, and wait for their threads."""
        self._shared.closing.set()
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
        while not self._shared.closing.is_set():
            self.handle_request()
