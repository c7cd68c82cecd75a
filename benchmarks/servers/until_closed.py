"""How a server process serves: listening sockets, and the conversation with whoever started it."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable

from benchmarks.congestion import PINNED, can_pin


def listener() -> socket.socket:
    """Listen on a free port, pinned to cubic where that is possible; what is accepted inherits it."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if can_pin():
        listening.setsockopt(*PINNED)
    listening.bind(("127.0.0.1", 0))
    listening.listen(256)
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the url of what listens."""
    host, port = listening.getsockname()[:2]
    return f"http://{host}:{port}"


def accept(listening: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Serve every connection in a thread of its own, from a thread of its own."""

    def forever() -> None:
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=forever, daemon=True).start()


def converse(url: str, answer: Callable[[str], object] = str) -> None:
    """Say where the server is, then answer each line of input until it ends."""
    print(url, flush=True)
    for line in sys.stdin:
        print(answer(line.strip()), flush=True)
