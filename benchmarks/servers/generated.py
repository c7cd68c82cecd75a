"""A server of voxels that it makes by arithmetic, of volumes of any size; what is POSTed is looked at and dropped.

It answers what a mock DVID behind it would, but for the raw voxels. The first voxels of each POST are compared with
those that a GET gives.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.servers.shaping import PACED_BYTES, Line, Pace
from benchmarks.servers.until_closed import accept, address_of, converse, listener

RAW = re.compile(r"/api/node/\w+/\w+/raw/0_1_2/(\d+)_(\d+)_(\d+)/(\d+)_(\d+)_(\d+)")
HEAD_LIMIT = 1 << 16
HEAD = "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
SLAB = 1 << 20
"""Voxels that are made at once."""

FACTORS = (2, 6, 14)
"""A voxel is the sum of its coordinates, each times a factor, modulo 256."""

Corner = tuple[int, int, int]


def slabs(shape: Corner, offset: Corner) -> Iterator[NDArray[np.uint8]]:
    """Give the voxels of a box, some planes at a time."""
    x, y, z = (
        ((low + np.arange(n)) * factor).astype(np.uint8) for n, low, factor in zip(shape, offset, FACTORS, strict=True)
    )
    plane = (y[:, np.newaxis] + x).ravel()
    planes = max(1, SLAB // plane.size)
    buffer = np.empty((min(planes, z.size), plane.size), np.uint8)
    for first in range(0, z.size, planes):
        some = z[first : first + planes]
        yield np.add(some[:, np.newaxis], plane, out=buffer[: some.size]).reshape(-1)


@dataclass(frozen=True)
class Request:
    """The head of a request."""

    method: str
    path: str
    length: int

    @property
    def box(self) -> tuple[Corner, Corner] | None:
        """The shape and the offset of raw voxels."""
        found = RAW.match(self.path)
        if found is None:
            return None
        x, y, z, *offset = map(int, found.groups())
        return (x, y, z), (offset[0], offset[1], offset[2])


class GeneratingServer:
    """Serves voxels.

    Parameters
    ----------
    target : str
        Url of the mock DVID.
    line : Line
        Latency and rates, the same in both directions.
    """

    def __init__(self, target: str, line: Line) -> None:
        self._target = urllib.parse.urlsplit(target)
        self._line = line
        self._shared = {"GET": Pace(line.shared), "POST": Pace(line.shared)}
        self._lock = threading.Lock()
        self._wrong = 0

    def answer(self, question: str) -> object:
        """Tell how many POSTs had other voxels than a GET gives."""
        return self._wrong if question == "wrong" else "?"

    def serve(self, client: socket.socket) -> None:
        """Answer the requests of a connection."""
        pace = Pace(self._line.per_connection)
        with client, contextlib.suppress(OSError), client.makefile("rb") as stream:
            while (request := _request(stream)) is not None:
                time.sleep(self._line.latency)
                box = request.box
                if box is None:
                    self._pass_on(client, request, stream.read(request.length))
                elif request.method == "GET":
                    self._send(client, *box, pace)
                else:
                    self._take(stream, request.length, *box, pace)
                    client.sendall(HEAD.format(200, "OK", "text/plain", 0).encode())

    def _send(self, client: socket.socket, shape: Corner, offset: Corner, pace: Pace) -> None:
        nbytes = shape[0] * shape[1] * shape[2]
        client.sendall(HEAD.format(200, "OK", "application/octet-stream", nbytes).encode())
        for slab in slabs(shape, offset):
            voxels = slab.data
            for start in range(0, len(voxels), self._step):
                part = voxels[start : start + self._step]
                client.sendall(part)
                pace.wait(len(part))
                self._shared["GET"].wait(len(part))

    def _take(self, stream: BinaryIO, nbytes: int, shape: Corner, offset: Corner, pace: Pace) -> None:
        buffer = np.empty(self._step, np.uint8)
        first = next(slabs(shape, offset))[: self._step]
        for start in range(0, nbytes, self._step):
            part = buffer[: nbytes - start]
            stream.readinto(part.data)  # type: ignore[attr-defined]
            pace.wait(part.size)
            self._shared["POST"].wait(part.size)
            if not start and not np.array_equal(part[: first.size], first[: part.size]):
                with self._lock:
                    self._wrong += 1

    @property
    def _step(self) -> int:
        return PACED_BYTES if self._line.per_connection or self._line.shared else SLAB

    def _pass_on(self, client: socket.socket, request: Request, body: bytes) -> None:
        connection = http.client.HTTPConnection(self._target.hostname or "localhost", self._target.port)
        connection.request(request.method, request.path, body or None)
        answer = connection.getresponse()
        content = answer.read()
        kind = answer.headers.get("Content-Type", "text/plain")
        client.sendall(HEAD.format(answer.status, answer.reason, kind, len(content)).encode() + content)
        connection.close()


def _request(stream: BinaryIO) -> Request | None:
    first = stream.readline(HEAD_LIMIT).decode("latin-1").split()
    if len(first) < 3:
        return None
    length = 0
    while line := stream.readline(HEAD_LIMIT).strip().lower():
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return Request(first[0], first[1], length)


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    Line.add_options(parser)
    options = parser.parse_args()
    server = GeneratingServer(options.target, Line.from_options(options))
    listening = listener()
    accept(listening, server.serve)
    converse(address_of(listening), server.answer)


if __name__ == "__main__":
    main()
