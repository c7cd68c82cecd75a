"""Which pages are open in browsers: each holds a WebSocket, which ends with the page."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable
from email.message import Message

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""


def accepted(headers: Message) -> dict[str, str]:
    """Return the headers of an answer that makes a connection a WebSocket.

    Raises
    ------
    ValueError
        If the request is for none.
    """
    key = headers.get("Sec-WebSocket-Key")
    if key is None or headers.get("Upgrade", "").lower() != "websocket":
        raise ValueError("view: expected a request for a WebSocket")
    digest = hashlib.sha1(f"{key}{GUID}".encode(), usedforsecurity=False).digest()
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": base64.b64encode(digest).decode()}


class OpenPages:
    """The pages that are open now.

    Parameters
    ----------
    left : callable
        ``left()`` is called, in another thread, when the last page has been closed.
    grace : float
        Seconds that a page has to come back in, as it does when it is loaded again.
    """

    def __init__(self, left: Callable[[], None], grace: float) -> None:
        self._left = left
        self._grace = grace
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closings = 0
        self._has_ended = False

    def watch(self, connection: socket.socket) -> None:
        """Count a page as open until its connection ends, or until `end`; a page that comes later is let go at once."""
        with self._lock:
            if self._has_ended:
                return
            self._open.add(connection)
        try:
            while connection.recv(4096):
                pass
        except OSError:
            pass
        finally:
            self._close_one(connection)

    def end(self) -> None:
        """End the connections of all pages; none of them is told as closed."""
        with self._lock:
            self._has_ended = True
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _close_one(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
            self._closings += 1
            timer = threading.Timer(self._grace, self._leave, (self._closings,))
        timer.daemon = True
        timer.start()

    def _leave(self, closing: int) -> None:
        """Tell that all pages are closed, unless one has come or gone meanwhile."""
        with self._lock:
            is_last = not self._open and closing == self._closings and not self._has_ended
        if is_last:
            self._left()
