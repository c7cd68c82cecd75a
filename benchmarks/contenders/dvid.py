"""Three ways to speak with DVID: a bare socket, requests as one writes it, and pyvolume."""

from __future__ import annotations

import http.client
import socket
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import requests

import pyvolume
from benchmarks.congestion import PINNED, can_pin
from benchmarks.contenders.base import THREADS, CannotDo, Contender, Corner, Place, Voxels, read_in_threads

BLOCK = 64
"""Edge of the blocks that DVID stores, and takes."""

SLABS = 4
"""Threads of a reader that is written by hand."""


def raw_path(place: Place, start: Corner, shape: Corner) -> str:
    """Return the path of a box."""
    size, offset = ("_".join(map(str, three)) for three in (shape, start))
    return f"/api/node/{place.uuid}/{place.name}/raw/0_1_2/{size}/{offset}"


def flat_bytes(array: Voxels) -> memoryview:
    """View the memory of a Fortran-ordered array."""
    flat: Any = array.reshape(-1, order="F").view(np.uint8)
    return memoryview(flat)


def whole_blocks(start: Corner, shape: Corner) -> tuple[Corner, Corner]:
    """Return start and shape of the smallest box of whole blocks around a box."""
    low = tuple(first // BLOCK * BLOCK for first in start)
    high = (-(-(first + size) // BLOCK) * BLOCK for first, size in zip(start, shape, strict=True))
    return low, tuple(stop - first for first, stop in zip(low, high, strict=True))  # type: ignore[return-value]


class BareSocket:
    """One connection, and as little HTTP as the server makes necessary."""

    order: Literal["F", "C"] = "F"

    def __init__(self, place: Place) -> None:
        self._place = place
        parts = urllib.parse.urlsplit(place.url)
        self._host = parts.netloc
        self._address = (parts.hostname or "localhost", parts.port or 80)
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if can_pin():
            self._socket.setsockopt(*PINNED)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def read(self, start: Corner, shape: Corner) -> Voxels:
        out = np.empty(shape, np.uint8, order="F")
        self.read_into(start, out)
        return out

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:  # noqa: ARG002
        raise CannotDo("has one connection")

    def read_into(self, start: Corner, out: Voxels) -> None:
        shape: Any = out.shape
        path = raw_path(self._place, start, shape)
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        length = self._head()
        view, got = flat_bytes(out), 0
        if length is not None:
            self._fill(view[:length])
            return
        while size := int(self._file.readline(), 16):
            self._fill(view[got : got + size])
            self._file.readline()
            got += size
        self._file.readline()

    def write(self, start: Corner, voxels: Voxels) -> None:
        """Write a box; where it does not fill whole blocks, complete them in one piece."""
        shape: Any = voxels.shape
        low, size = whole_blocks(start, shape)
        if size != shape:
            voxels = _pasted(self.read(low, size), low, start, voxels)
        self._post(raw_path(self._place, low, size), np.asfortranarray(voxels))

    def _post(self, path: str, voxels: Voxels) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {voxels.nbytes}\r\n\r\n"
        self._socket.sendall(head.encode())
        self._socket.sendall(flat_bytes(voxels))
        self._file.read(self._head() or 0)

    def _head(self) -> int | None:
        """Read the head of an answer; return the length of the body, None where it comes in chunks."""
        status = self._file.readline()
        if b" 200 " not in status:
            raise ConnectionError(f"expected status 200 and found {status!r}")
        length: int | None = None
        while (line := self._file.readline().lower()) != b"\r\n":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return length

    def _fill(self, view: memoryview) -> None:
        got = 0
        while got < len(view):
            count = self._file.readinto(view[got:])
            if not count:
                raise ConnectionError("the connection broke")
            got += count


def _pasted(blocks: Voxels, low: Corner, start: Corner, voxels: Voxels) -> Voxels:
    place = tuple(slice(a - b, a - b + n) for a, b, n in zip(start, low, voxels.shape, strict=True))
    blocks[place] = voxels
    return blocks


class PlainRequests:
    """A session of requests, ``.content``, ``frombuffer`` and a copy: what one writes first."""

    order: Literal["F", "C"] = "F"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._session = requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def read(self, start: Corner, shape: Corner) -> Voxels:
        return self._get(start, shape).copy(order="F")

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
        return read_in_threads(self.read, starts, shape)

    def read_into(self, start: Corner, out: Voxels) -> None:
        shape: Any = out.shape
        out[...] = self._get(start, shape)

    def _get(self, start: Corner, shape: Corner) -> Voxels:
        answer = self._session.get(self._place.url + raw_path(self._place, start, shape), timeout=600)
        answer.raise_for_status()
        return np.frombuffer(answer.content, np.uint8).reshape(shape, order="F")

    def write(self, start: Corner, voxels: Voxels) -> None:
        """Write a box; where it does not fill whole blocks, complete them in one piece."""
        shape: Any = voxels.shape
        low, size = whole_blocks(start, shape)
        if size != shape:
            voxels = _pasted(self.read(low, size), low, start, voxels)
        url = self._place.url + raw_path(self._place, low, size)
        self._session.post(url, data=voxels.tobytes("F"), timeout=600).raise_for_status()


class HttpClient:
    """Python's own http.client, reading into an array: the yardstick for small requests."""

    order: Literal["F", "C"] = "F"

    def __init__(self, place: Place) -> None:
        self._place = place
        parts = urllib.parse.urlsplit(place.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def read(self, start: Corner, shape: Corner) -> Voxels:
        out = np.empty(shape, np.uint8, order="F")
        self.read_into(start, out)
        return out

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:  # noqa: ARG002
        raise CannotDo("has one connection")

    def read_into(self, start: Corner, out: Voxels) -> None:
        shape: Any = out.shape
        self._connection.request("GET", raw_path(self._place, start, shape))
        answer, view, got = self._connection.getresponse(), flat_bytes(out), 0
        while got < len(view) and (count := answer.readinto(view[got:])):
            got += count
        answer.read()

    def write(self, start: Corner, voxels: Voxels) -> None:
        shape: Any = voxels.shape
        body = flat_bytes(np.asfortranarray(voxels))
        self._connection.request("POST", raw_path(self._place, start, shape), body)
        self._connection.getresponse().read()


class HttpClientThreads:
    """Four threads, each reading a slab into its part of one array: what one would write by hand."""

    order: Literal["F", "C"] = "F"

    def __init__(self, place: Place) -> None:
        self._clients = [HttpClient(place) for _ in range(SLABS)]
        self._pool = ThreadPoolExecutor(SLABS)

    def close(self) -> None:
        """Close the connections."""
        self._pool.shutdown()
        for client in self._clients:
            client.close()

    def read(self, start: Corner, shape: Corner) -> Voxels:
        out = np.empty(shape, np.uint8, order="F")
        self.read_into(start, out)
        return out

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:  # noqa: ARG002
        raise CannotDo("reads one box at a time")

    def read_into(self, start: Corner, out: Voxels) -> None:
        step = -(-out.shape[2] // SLABS)
        x, y, z = start
        slabs = [out[:, :, low : low + step] for low in range(0, out.shape[2], step)]
        starts = [(x, y, z + i * step) for i in range(len(slabs))]
        list(self._pool.map(lambda client, at, slab: client.read_into(at, slab), self._clients, starts, slabs))

    def write(self, start: Corner, voxels: Voxels) -> None:  # noqa: ARG002
        raise CannotDo("only reads")


class Pyvolume:
    """pyvolume, with its defaults where nothing else is said."""

    order: Literal["F", "C"] = "F"

    def __init__(self, place: Place, concurrency: int | None = None) -> None:
        given: dict[str, Any] = {} if concurrency is None else {"concurrency": concurrency}
        self._connection = pyvolume.Connection(place.url, **given)
        self._volume = pyvolume.dvid.VoxelsAccessor(self._connection, place.uuid, place.name)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def read(self, start: Corner, shape: Corner) -> Voxels:
        stop = tuple(a + n for a, n in zip(start, shape, strict=True))
        voxels: Voxels = self._volume.get_ndarray((0, *start), (1, *stop))[0]
        return voxels

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
        boxes = (((0, *start), (1, *(a + n for a, n in zip(start, shape, strict=True)))) for start in starts)
        return [voxels[0] for _, voxels in self._volume.read_many(boxes)]

    def read_into(self, start: Corner, out: Voxels) -> None:
        stop = tuple(a + n for a, n in zip(start, out.shape, strict=True))
        self._volume.get_ndarray((0, *start), (1, *stop), out=out[None])

    def write(self, start: Corner, voxels: Voxels) -> None:
        stop = tuple(a + n for a, n in zip(start, voxels.shape, strict=True))
        self._volume.post_ndarray((0, *start), (1, *stop), voxels[None])


def pyvolume_with(concurrency: int) -> Any:
    """Make a factory of pyvolume with so many requests at once."""

    def make(place: Place) -> Contender:
        return Pyvolume(place, concurrency)

    return make
