"""A server that keeps the answers of another one in memory, so that what is measured is the client and the line."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import socket
import threading
import urllib.parse
from dataclasses import dataclass

from benchmarks.servers.shaping import PACED_BYTES, Line, Pace
from benchmarks.servers.until_closed import accept, address_of, converse, listener

PIECE = 1 << 20
HEAD_LIMIT = 1 << 16
HEAD = "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"


@dataclass(frozen=True)
class Kept:
    """An answer."""

    status: int
    reason: str
    kind: str
    body: bytes


class KeepingServer:
    """Answers GET without a body, from memory where the same was asked before.

    Parameters
    ----------
    target : str
        Url of the server behind.
    line : Line
        Only its rates count here.
    """

    def __init__(self, target: str, line: Line) -> None:
        self._target = urllib.parse.urlsplit(target)
        self._line = line
        self._shared = Pace(line.shared)
        self._kept: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self._sent = 0

    def answer(self, question: str) -> object:
        """Tell how many bytes of bodies were sent since this was asked last."""
        with self._lock:
            count, self._sent = self._sent, 0
        return count if question == "bytes" else "?"

    def serve(self, client: socket.socket) -> None:
        """Answer the requests of a connection."""
        pace = Pace(self._line.per_connection)
        with client, contextlib.suppress(OSError), client.makefile("rb") as stream:
            while line := stream.readline(HEAD_LIMIT):
                while stream.readline(HEAD_LIMIT).strip():
                    pass
                method, path, _ = line.decode("latin-1").split()
                if method != "GET":
                    return
                self._send(client, self._found(path), pace)

    def _found(self, path: str) -> Kept:
        with self._lock:
            kept = self._kept.get(path)
        if kept is None:
            connection = http.client.HTTPConnection(self._target.hostname or "localhost", self._target.port)
            connection.request("GET", path)
            answer = connection.getresponse()
            kind = answer.headers.get("Content-Type", "application/octet-stream")
            kept = Kept(answer.status, answer.reason, kind, answer.read())
            connection.close()
            with self._lock:
                self._kept[path] = kept
        return kept

    def _send(self, client: socket.socket, kept: Kept, pace: Pace) -> None:
        client.sendall(HEAD.format(kept.status, kept.reason, kept.kind, len(kept.body)).encode())
        with self._lock:
            self._sent += len(kept.body)
        is_limited = self._line.per_connection or self._line.shared
        step, body = PACED_BYTES if is_limited else PIECE, memoryview(kept.body)
        for start in range(0, len(body), step):
            part = body[start : start + step]
            client.sendall(part)
            pace.wait(len(part))
            self._shared.wait(len(part))


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    Line.add_options(parser)
    options = parser.parse_args()
    server = KeepingServer(options.target, Line.from_options(options))
    listening = listener()
    accept(listening, server.serve)
    converse(address_of(listening), server.answer)


if __name__ == "__main__":
    main()
