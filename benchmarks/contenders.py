"""Three ways to move the same voxels: a bare socket, requests as one writes it, and pyvolume."""

from __future__ import annotations

import socket
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

import pyvolume
from benchmarks.congestion import PINNED, can_pin

Voxels = NDArray[np.uint8]
Action = Callable[[], Any]

OPERATIONS = ("read, new array", "read into out=", "write, F order", "write, C order")
CONTENDERS = ("bare socket", "requests", "pyvolume")


@dataclass(frozen=True)
class Place:
    """Where the voxels are: a server, a version, the name of a uint8 instance."""

    url: str
    uuid: str
    name: str

    def path(self, shape: tuple[int, ...]) -> str:
        """Return the path of the box of this shape at voxel 0."""
        return f"/api/node/{self.uuid}/{self.name}/raw/0_1_2/{'_'.join(map(str, shape[1:]))}/0_0_0"


class BareSocket:
    """One connection, and as little HTTP as the server makes necessary."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if can_pin():
            self._socket.setsockopt(*PINNED)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def get(self, path: str, out: Voxels) -> Voxels:
        """Receive a body straight into the memory of a Fortran-ordered array."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        length = self._head()
        view, got = _bytes_of(out), 0
        if length is not None:
            self._fill(view[:length])
            return out
        while size := int(self._file.readline(), 16):
            self._fill(view[got : got + size])
            self._file.readline()
            got += size
        self._file.readline()
        return out

    def post(self, path: str, voxels: Voxels) -> None:
        """Send the memory of a Fortran-ordered array."""
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: {voxels.nbytes}\r\n\r\n"
        self._socket.sendall(head.encode())
        self._socket.sendall(_bytes_of(voxels))
        self._file.read(self._head() or 0)

    def _head(self) -> int | None:
        """Read the head of an answer; return the length of the body, None where it comes in chunks."""
        status = self._file.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"bare socket: expected status 200 and found {status!r}")
        length: int | None = None
        while (line := self._file.readline().lower()) != b"\r\n":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return length

    def _fill(self, view: memoryview) -> None:
        got = 0
        while got < len(view):
            got += self._file.readinto(view[got:])


def _bytes_of(array: Voxels) -> memoryview:
    flat: Any = array.reshape(-1, order="F").view(np.uint8)
    return memoryview(flat)


def _requests_get(place: Place, shape: tuple[int, ...]) -> Voxels:
    body = requests.get(place.url + place.path(shape), timeout=600).content
    return np.frombuffer(body, np.uint8).reshape(shape, order="F").copy(order="F")


def _requests_get_into(place: Place, out: Voxels) -> Voxels:
    body = requests.get(place.url + place.path(out.shape), timeout=600).content
    out[...] = np.frombuffer(body, np.uint8).reshape(out.shape, order="F")
    return out


def _requests_post(place: Place, voxels: Voxels) -> None:
    requests.post(place.url + place.path(voxels.shape), data=voxels.tobytes("F"), timeout=600).raise_for_status()


class Race:
    """All contenders, ready to move a box of one shape.

    Parameters
    ----------
    place : Place
    voxels : ndarray of uint8, channel first, Fortran order
        What is written, and compared with what is read.
    """

    def __init__(self, place: Place, voxels: Voxels) -> None:
        self.voxels = voxels
        self._bare = BareSocket(place.url)
        self._connection = pyvolume.Connection(place.url)
        self._volume = pyvolume.VoxelsAccessor(self._connection, place.uuid, place.name)
        self._place = place

    def close(self) -> None:
        """Close the connections."""
        self._bare.close()
        self._connection.close()

    def actions(self, operation: str) -> dict[str, Action]:
        """Return what each contender does for an operation; a read returns the array."""
        if operation == "read, new array":
            return self._reads_anew()
        if operation == "read into out=":
            return self._reads_into()
        return self._writes(np.ascontiguousarray(self.voxels) if "C order" in operation else self.voxels)

    def _reads_anew(self) -> dict[str, Action]:
        shape, path, place = self.voxels.shape, self._place.path(self.voxels.shape), self._place
        return {
            "bare socket": lambda: self._bare.get(path, np.empty(shape, np.uint8, order="F")),
            "requests": lambda: _requests_get(place, shape),
            "pyvolume": lambda: self._volume.get_ndarray((0,) * 4, shape),
        }

    def _reads_into(self) -> dict[str, Action]:
        shape, path, place = self.voxels.shape, self._place.path(self.voxels.shape), self._place
        out = np.zeros(shape, np.uint8, order="F")
        return {
            "bare socket": lambda: self._bare.get(path, out),
            "requests": lambda: _requests_get_into(place, out),
            "pyvolume": lambda: self._volume.get_ndarray((0,) * 4, shape, out=out),
        }

    def _writes(self, voxels: Voxels) -> dict[str, Action]:
        shape, path, place = voxels.shape, self._place.path(voxels.shape), self._place
        return {
            "bare socket": lambda: self._bare.post(path, np.asfortranarray(voxels)),
            "requests": lambda: _requests_post(place, voxels),
            "pyvolume": lambda: self._volume.post_ndarray((0,) * 4, shape, voxels),
        }
