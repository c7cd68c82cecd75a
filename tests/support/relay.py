"""A relay: the loopback address of IPv6 in front of a server that listens on IPv4."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator


def why_missing() -> str | None:
    """Say why there is no IPv6 here, or None where there is."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return None
    except OSError as error:
        return f"no IPv6 on this machine: {error}"


class _Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


@contextlib.contextmanager
def relayed(port: int) -> Iterator[str]:
    """Give the address, as in ``[::1]:8000``, behind which a server on 127.0.0.1 answers."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=_pour, args=(server, self.request), daemon=True)
                back.start()
                _pour(self.request, server)
                back.join()

    with _Server(("::1", 0), Handler) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        try:
            yield f"[::1]:{relay.server_address[1]}"
        finally:
            relay.shutdown()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
