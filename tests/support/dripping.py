"""A server that is never silent and never done."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

EVERY = 0.02
"""Seconds between two drops."""

LONGEST = 20.0
"""Seconds after which it stops: a client that waits until then has not given up."""


class DrippingServer:
    """Sends some bytes to each client and then, until the client goes, one drop after the other.

    Parameters
    ----------
    first, drop : bytes
        What it sends; without a drop it is silent.
    reads : bool
        Whether it reads the head of a request first.

    Attributes
    ----------
    dripping : threading.Event
        Whether a client waits for the end.
    left : threading.Event
        Whether the client has closed its connection before the end.
    """

    def __init__(self, first: bytes, drop: bytes, *, reads: bool = True) -> None:
        self._first = first
        self._drop = drop
        self._reads = reads
        self.dripping = threading.Event()
        self.left = threading.Event()
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(LONGEST)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._socket.accept()
            with client:
                client.settimeout(LONGEST)
                self._drip(client)

    def _drip(self, client: socket.socket) -> None:
        try:
            if self._reads:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(1)
            client.sendall(self._first)
            for _ in range(int(LONGEST / EVERY)):
                client.sendall(self._drop)
                self.dripping.set()
                if self._stopped.wait(EVERY) or self._has_left(client):
                    return
        except ConnectionError:
            self.left.set()

    def _has_left(self, client: socket.socket) -> bool:
        """Whether the client has closed its side; what it has sent is left unread."""
        client.setblocking(False)
        try:
            if not client.recv(1, socket.MSG_PEEK):
                self.left.set()
        except BlockingIOError:
            pass
        finally:
            client.settimeout(LONGEST)
        return self.left.is_set()
