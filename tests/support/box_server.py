"""A server of boxes that counts how many requests it is asked at once, and a store that speaks to it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyvolume import Box, Connection, RetryPolicy, Volume, VoxelsMetadata
from pyvolume.calls.call import Call
from pyvolume.codecs import raw
from pyvolume.stores.base import StoreTraits
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload

OCTETS = "application/octet-stream"


def path_of(box: Box) -> str:
    return "/" + "_".join(map(str, box.start)) + "/" + "_".join(map(str, box.stop))


def box_of(path: str) -> Box:
    start, stop = (tuple(map(int, part.split("_"))) for part in path.partition("?")[0].strip("/").split("/"))
    return Box(start, stop)


class BoxServer:
    """Serves boxes of an array, which it takes a copy of.

    Parameters
    ----------
    array : ndarray
    gate : callable, optional
        Called with the box of each request before it is answered, in a thread of its own.
    """

    def __init__(self, array: NDArray[Any], gate: Callable[[Box], object] | None = None) -> None:
        self.array = np.array(array, order="F")
        self.gate = gate
        self.most_at_once = 0
        self.sockets = 0
        self.asked: list[tuple[str, Box]] = []
        self._now = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _begin(self, method: str, box: Box) -> None:
        with self._lock:
            self.asked.append((method, box))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        if self.gate is not None:
            self.gate(box)

    def _end(self) -> None:
        with self._lock:
            self._now -= 1

    def _handler(served) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with served._lock:
                    served.sockets += 1

            def do_GET(self) -> None:
                box = box_of(self.path)
                served._begin("GET", box)
                self._answer(served.array[box.slices_from((0,) * box.ndim)].tobytes("F"))

            def do_POST(self) -> None:
                box = box_of(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                served._begin("POST", box)
                voxels = np.frombuffer(body, served.array.dtype).reshape(box.shape, order="F")
                served.array[box.slices_from((0,) * box.ndim)] = voxels
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {OCTETS}\r\nContent-Length: {len(body)}\r\n\r\n"
                answer = head.encode() + body
                # the request is over with its last byte, after which the client may send the next one
                self.wfile.write(answer[:-1])
                served._end()
                self.wfile.write(answer[-1:])

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *args: object) -> None:
        """A client that hangs up is no error here."""


class BoxStore:
    """The store of a box server."""

    def __init__(self, connection: Connection, array: NDArray[Any], most: int, **traits: Any) -> None:
        self.connection = connection
        self.address = connection.url
        self.metadata = VoxelsMetadata.of(array.shape, array.dtype)
        every = StoreTraits(
            write_grid=(1,) * array.ndim,
            max_read_bytes=most,
            max_write_bytes=most,
            preferred_concurrency=connection.concurrency,
        )
        self.traits = dataclasses.replace(every, **traits)

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        return self.metadata

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        def receive(answer: Answer) -> None:
            answer.expect(out.nbytes, OCTETS)
            raw.decode_into(answer, out)
            answer.finish()

        self.connection.exchange(Request("read", "GET", path_of(box)), receive, call)

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        dtype = self.metadata.dtype
        upload = Upload(box.size * dtype.itemsize, lambda: raw.encode(voxels, dtype))
        self.connection.exchange(Request("write", "POST", path_of(box), upload=upload), Answer.read, call)

    def close(self) -> None:
        """The connection is somebody else's."""

    def volume(self, retry: RetryPolicy | None = None) -> Volume:
        retry = self.connection.retry if retry is None else retry
        return Volume(self, self.metadata, retry=retry)
