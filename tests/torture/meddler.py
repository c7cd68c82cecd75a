"""Meddler: a relay between clients and a server that cuts connections at random bytes."""

from __future__ import annotations

import contextlib
import math
import random
import socket
import socketserver
import struct
import threading
from typing import Self

CUTS = (1e3, 1e9)
"""The least and the most bytes of a connection before it is cut; each power of ten is equally frequent."""


class Meddler:
    """Listens on a port of its own for the server at another one.

    Parameters
    ----------
    port : int
        Of the server.
    rng : random.Random
        Chooses where connections are cut.
    """

    def __init__(self, port: int, rng: random.Random) -> None:
        self.calm = False
        meddler = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                meddler._relay(self.request)

        self._port = port
        self._rng = rng
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _relay(self, client: socket.socket) -> None:
        budget = _Budget(10 ** self._rng.uniform(*map(math.log10, CUTS)), self)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as server:
            back = threading.Thread(target=_pour, args=(server, client, budget), daemon=True)
            back.start()
            _pour(client, server, budget)
            back.join()


class _Budget:
    """The bytes that both directions of a connection may still carry."""

    def __init__(self, count: float, meddler: Meddler) -> None:
        self._left = int(count)
        self._meddler = meddler
        self._lock = threading.Lock()

    def take(self, count: int) -> int:
        with self._lock:
            taken = count if self._meddler.calm else min(count, self._left)
            self._left -= taken
            return taken


def _pour(source: socket.socket, target: socket.socket, budget: _Budget) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            allowed = budget.take(len(data))
            target.sendall(data[:allowed])
            if allowed < len(data):
                for each in (source, target):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    each.shutdown(socket.SHUT_RDWR)
                    each.close()
                return
        target.shutdown(socket.SHUT_WR)
