"""A server of files that costs next to nothing, so that what is measured is the client.

It answers GET (with Range) and HEAD by sendfile, and stores what is PUT. A path of DVID's raw voxels is answered
with the bytes of one file of noise, as if that held a volume as wide as the box, or as the cube where a box spans that
in x; what is POSTed there is dropped.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers.shaping import PACED_BYTES, Line, Pace
from benchmarks.servers.until_closed import accept, address_of, converse, listener

RAW = re.compile(r"/api/node/\w+/\w+/raw/0_1_2/(\d+)_(\d+)_(\d+)/\d+_(\d+)_(\d+)")
HEAD_LIMIT = 1 << 16
NOISE = "noise.raw"
EDGE = 512
"""Of the volume, in voxels along each axis."""


@dataclass(frozen=True)
class Request:
    """The head of a request, and what has been received behind it."""

    method: str
    path: str
    headers: Mapping[str, str]
    rest: bytes

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return int(self.headers.get("content-length", 0))


@dataclass(frozen=True)
class Part:
    """A part of a file, as an answer: runs of bytes, each with its start and its length."""

    path: Path
    runs: Sequence[tuple[int, int]]
    size: int
    status: str = "200 OK"

    @property
    def nbytes(self) -> int:
        """Bytes of the body."""
        return sum(nbytes for _, nbytes in self.runs)


def _runs(x: int, y: int, z: int, first_y: int, first_z: int) -> list[tuple[int, int]]:
    """Return where the voxels of a box are in the file of noise."""
    if x < EDGE or y == EDGE:
        return [(first_z * x * y, x * y * z)]
    return [((plane * EDGE + first_y) * x, x * y) for plane in range(first_z, first_z + z)]


@dataclass
class FileServer:
    """Files below a folder.

    Parameters
    ----------
    root : Path
    line : Line
        Only its rates count here.
    """

    root: Path
    line: Line
    _shared: Pace = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._shared = Pace(self.line.shared)

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of a connection until it is closed."""
        pace, received = Pace(self.line.per_connection), b""
        with connection, contextlib.suppress(OSError):
            while (request := _head(connection, received)) is not None:
                received = self._answer(connection, request, pace)

    def _answer(self, connection: socket.socket, request: Request, pace: Pace) -> bytes:
        """Answer one request; return what has arrived behind it."""
        if request.method in {"GET", "HEAD"}:
            part = self._part(request)
            if part is None:
                connection.sendall(_plain("404 Not Found"))
            else:
                self._send(connection, part, pace, with_body=request.method == "GET")
            return request.rest
        received = request.rest[: request.length]
        if request.method == "PUT":
            self._store(connection, request, received)
        else:
            _drop(connection, request.length - len(received))
        connection.sendall(_plain("200 OK"))
        return request.rest[request.length :]

    def _part(self, request: Request) -> Part | None:
        raw = RAW.match(request.path)
        if raw is not None:
            path = self.root / NOISE
            return Part(path, _runs(*map(int, raw.groups())), path.stat().st_size)
        path = self.root / request.path.partition("?")[0].lstrip("/")
        if ".." in request.path or not path.is_file():
            return None
        size = path.stat().st_size
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if span is None:
            return Part(path, [(0, size)], size)
        start, last = int(span[1]), min(int(span[2] or size - 1), size - 1)
        return Part(path, [(start, last - start + 1)], size, "206 Partial Content")

    def _send(self, connection: socket.socket, part: Part, pace: Pace, *, with_body: bool) -> None:
        head = f"HTTP/1.1 {part.status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {part.nbytes}\r\n"
        if part.status.startswith("206"):
            ((start, nbytes),) = part.runs
            head += f"Content-Range: bytes {start}-{start + nbytes - 1}/{part.size}\r\n"
        more = getattr(socket, "MSG_MORE", 0) if with_body and part.nbytes else 0
        connection.send(f"{head}Accept-Ranges: bytes\r\n\r\n".encode(), more)
        if not with_body:
            return
        most = PACED_BYTES if self.line.per_connection or self.line.shared else part.size
        with part.path.open("rb", buffering=0) as file:
            for start, nbytes in part.runs:
                sent = 0
                while sent < nbytes:
                    count = os.sendfile(connection.fileno(), file.fileno(), start + sent, min(most, nbytes - sent))
                    pace.wait(count)
                    self._shared.wait(count)
                    sent += count

    def _store(self, connection: socket.socket, request: Request, received: bytes) -> None:
        path = self.root / request.path.partition("?")[0].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        body = bytearray(request.length)
        body[: len(received)] = received
        view, got = memoryview(body), len(received)
        while got < len(body):
            count = connection.recv_into(view[got:])
            if not count:
                raise ConnectionError("the client went away")
            got += count
        temporary = path.with_name(f"{path.name}.{threading.get_ident()}")
        temporary.write_bytes(body)
        temporary.replace(path)


def _head(connection: socket.socket, received: bytes) -> Request | None:
    while (end := received.find(b"\r\n\r\n")) < 0:
        more = connection.recv(HEAD_LIMIT)
        if not more:
            return None
        received += more
    first, *lines = received[:end].decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    fields = (line.partition(":") for line in lines)
    return Request(method, path, {name.lower(): value.strip() for name, _, value in fields}, received[end + 4 :])


def _drop(connection: socket.socket, nbytes: int) -> None:
    buffer = bytearray(min(nbytes, 1 << 20))
    while nbytes:
        count = connection.recv_into(buffer, min(nbytes, len(buffer)))
        if not count:
            raise ConnectionError("the client went away")
        nbytes -= count


def _plain(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    Line.add_options(parser)
    options = parser.parse_args()
    listening = listener()
    accept(listening, FileServer(options.root, Line.from_options(options)).serve)
    converse(address_of(listening))


if __name__ == "__main__":
    main()
