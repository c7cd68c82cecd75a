"""A proxy that makes a line worse, for every contender alike, and counts the requests that pass.

A request begins where a client sends after the server has: nobody here sends a second request before the answer to
the first.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import threading
import time
import urllib.parse

from benchmarks.congestion import PINNED, can_pin
from benchmarks.servers.shaping import PACED_BYTES, Line, Pace
from benchmarks.servers.until_closed import accept, address_of, converse, listener

PIECE = 1 << 20
PROCESSORS = 4
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """What all connections share.

    Parameters
    ----------
    target : str
        Url of the server behind.
    line : Line
    """

    def __init__(self, target: str, line: Line) -> None:
        parts = urllib.parse.urlsplit(target)
        self._target = (parts.hostname or "localhost", parts.port or 80)
        self._line = line
        self._shared = Pace(line.shared)
        self._lock = threading.Lock()
        self._requests = 0
        self._processors = threading.Semaphore(PROCESSORS)

    def answer(self, question: str) -> object:
        """Tell how many requests have passed since this was asked last."""
        with self._lock:
            count, self._requests = self._requests, 0
        return count if question == "requests" else "?"

    def serve(self, client: socket.socket) -> None:
        """Forward one connection."""
        time.sleep(self._line.latency)
        with client, socket.create_connection(self._target) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if can_pin():
                server.setsockopt(*PINNED)
            idle = threading.Event()
            idle.set()
            back = threading.Thread(target=self._answers, args=(server, client, idle), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                self._requests_of(client, server, idle)
            _hang_up(server)
            back.join()

    def _requests_of(self, client: socket.socket, server: socket.socket, idle: threading.Event) -> None:
        buffer = memoryview(bytearray(PIECE))
        pace = Pace(self._line.per_connection)
        most = self._most()
        while count := client.recv_into(buffer[:most]):
            if idle.is_set():
                idle.clear()
                if self._fails():
                    client.sendall(REFUSAL)
                    return
                time.sleep(self._line.latency)
                if self._line.work:
                    with self._processors:
                        time.sleep(self._line.work)
            self._carry(server, buffer[:count], pace)

    def _answers(self, server: socket.socket, client: socket.socket, idle: threading.Event) -> None:
        buffer = memoryview(bytearray(PIECE))
        pace = Pace(self._line.per_connection)
        most = self._most()
        with contextlib.suppress(OSError):
            while count := server.recv_into(buffer[:most]):
                idle.set()
                self._carry(client, buffer[:count], pace)
        _hang_up(client)

    def _carry(self, receiver: socket.socket, data: memoryview, pace: Pace) -> None:
        receiver.sendall(data)
        pace.wait(len(data))
        self._shared.wait(len(data))

    def _most(self) -> int:
        return PACED_BYTES if self._line.per_connection or self._line.shared else PIECE

    def _fails(self) -> bool:
        with self._lock:
            self._requests += 1
            return self._line.failing is not None and self._requests % self._line.failing == 0


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Forward until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    Line.add_options(parser)
    options = parser.parse_args()
    proxy = Proxy(options.target, Line.from_options(options))
    listening = listener()
    accept(listening, proxy.serve)
    converse(address_of(listening), proxy.answer)


if __name__ == "__main__":
    main()
