"""A zarr array behind a web server and in a bucket of the same server, and what a test does with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import zarr
from file_server import FileServer
from numpy.typing import NDArray

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.zarr.client import Client
from pyvolume.zarr.fetched import fetched_chunks_of
from pyvolume.zarr.opening import open_client

VOXELS = np.arange(1, 16**3 + 1, dtype="uint16").reshape(16, 16, 16)
CHUNK = (4, 4, 4)
CHUNKS = 64
KEYS = {"access_key_id": "AKIAGIVEN", "secret_access_key": "given-secret", "session_token": "given-token"}


def stored(folder: Path, **options: Any) -> Path:
    """Store the array in a bucket, which is a folder in a folder, and return the outer one."""
    fixed: dict[str, Any] = {"shape": VOXELS.shape, "dtype": VOXELS.dtype, "chunks": CHUNK, "compressors": None}
    zarr.create_array(folder / "bucket" / "x.zarr", **fixed, **options)[...] = VOXELS
    return folder


def address_of(server: FileServer, kind: str) -> str:
    """Return the url of the array, behind a web server ("http") or in a bucket ("s3")."""
    return f"{server.url}/bucket/x.zarr" if kind == "http" else f"s3+{server.url}/bucket/x.zarr"


def opened(server: FileServer, kind: str, **options: Any) -> Client:
    return open_client(address_of(server, kind), **options)


def new_call(**policy: Any) -> Call:
    return Call(pyvolume.RetryPolicy(**{"interval": 0.01, "max_interval": 0.02, **policy}))


def array_of(client: Client, mode: Any = "r", *, call: Call | None = None) -> Any:
    return client.do(call or new_call(), "open x", lambda: zarr.open_array(client.store, mode=mode))


class Reader(Protocol):
    """How a test reads voxels of the array."""

    def __call__(self, client: Client, array: Any, key: Any = ..., call: Call | None = None) -> NDArray[Any]: ...


def read_by_zarr(client: Client, array: Any, key: Any = ..., call: Call | None = None) -> NDArray[Any]:
    return client.do(call or new_call(), "read x", lambda: np.asarray(array[key]))


def read_by_threads(client: Client, array: Any, key: Any = ..., call: Call | None = None) -> NDArray[Any]:
    chunks = fetched_chunks_of(client, "", array)
    assert chunks is not None
    sides = [slice(0, n) for n in array.shape] if key is ... else [_side(each) for each in key]
    out = np.zeros([side.stop - side.start for side in sides], array.dtype)
    chunks.read(sides, out, call or new_call(), "read x")
    return out if key is ... else out[tuple(0 if isinstance(each, int) else slice(None) for each in key)]


def read(client: Client, array: Any, key: Any = ..., call: Call | None = None) -> NDArray[Any]:
    """Read as a `ZarrStore` of a bucket does."""
    reader = read_by_zarr if fetched_chunks_of(client, "", array) is None else read_by_threads
    return reader(client, array, key, call)


def _side(index: int | slice) -> slice:
    return slice(index, index + 1) if isinstance(index, int) else index


READERS = [read_by_zarr, read_by_threads]
"""A request of each chunk on zarr's event loop, and in threads that can be left behind."""


def write(client: Client, array: Any, values: Any, key: Any = ..., call: Call | None = None) -> None:
    client.do(call or new_call(), "write x", lambda: array.__setitem__(key, values))
