"""The libraries beside pyvolume, each as its documentation would have it for speed.

They are imported by name when they are first used: none of them is needed to run the benchmark.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.contenders.base import Corner, Place, Reader, Voxels, read_in_threads
from benchmarks.servers.hsds import USER, access
from benchmarks.servers.tiled import API_KEY


def box(start: Corner, shape: Corner) -> tuple[slice, ...]:
    """Return a box as a key."""
    return tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))


class TensorStore(Reader):
    """TensorStore, neuroglancer_precomputed over HTTP, Fortran order, nothing cached."""

    def __init__(self, place: Place) -> None:
        tensorstore: Any = importlib.import_module("tensorstore")
        base = f"{place.url}/precomputed-{place.chunk}/{place.name}/"
        specification = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "http", "base_url": base}}
        context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0}})
        self._array = tensorstore.open(specification, context=context, read=True).result()[..., 0]

    def read(self, start: Corner, shape: Corner) -> Voxels:
        voxels: Voxels = self._array[box(start, shape)].read(order="F").result()
        return voxels

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
        futures = [self._array[box(start, shape)].read(order="F") for start in starts]
        return [future.result() for future in futures]


class _Zarr(Reader):
    """zarr on any store; format 3, uncompressed chunks, all in C order, which it writes three times as fast."""

    _array: Any

    def _open(self, store: Any) -> None:
        zarr: Any = importlib.import_module("zarr")
        zarr.config.set({"async.concurrency": 32})
        self._array = zarr.open_array(store, mode="r+", zarr_format=3)

    def read(self, start: Corner, shape: Corner) -> Voxels:
        return np.asarray(self._array[box(start, shape)])

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
        return read_in_threads(self.read, starts, shape)

    def write(self, start: Corner, voxels: Voxels) -> None:
        shape: Any = voxels.shape
        self._array[box(start, shape)] = voxels


class ZarrObstore(_Zarr):
    """zarr on obstore's HTTP store."""

    def __init__(self, place: Place) -> None:
        stores: Any = importlib.import_module("obstore.store")
        storage: Any = importlib.import_module("zarr.storage")
        url = f"{place.url}/zarr-{place.chunk}/{place.name}"
        http = stores.HTTPStore(url, client_options={"allow_http": True})
        self._open(storage.ObjectStore(http, read_only=False))


class ZarrFsspec(_Zarr):
    """zarr on fsspec's HTTP file system."""

    def __init__(self, place: Place) -> None:
        storage: Any = importlib.import_module("zarr.storage")
        url = f"{place.url}/zarr-{place.chunk}/{place.name}"
        self._open(storage.FsspecStore.from_url(url, read_only=False))


class CloudVolume(Reader):
    """CloudVolume on precomputed files over HTTP, nothing cached, in one process."""

    def __init__(self, place: Place) -> None:
        cloudvolume: Any = importlib.import_module("cloudvolume")
        url = f"precomputed://{place.url}/precomputed-{place.chunk}/{place.name}"
        self._volume = cloudvolume.CloudVolume(url, progress=False, cache=False, bounded=True)

    def read(self, start: Corner, shape: Corner) -> Voxels:
        return np.asarray(self._volume[box(start, shape)])[..., 0]

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
        return read_in_threads(self.read, starts, shape)


class Tiled(Reader):
    """tiled, whose client speaks with a server of its own."""

    def __init__(self, place: Place) -> None:
        os.environ.setdefault("TILED_PROFILES", os.devnull)
        client: Any = importlib.import_module("tiled.client")
        root = client.from_uri(f"{place.url}/api/v1/", api_key=API_KEY)
        self._array = root[f"{place.name}-{place.chunk}"]

    def read(self, start: Corner, shape: Corner) -> Voxels:
        return np.asarray(self._array[box(start, shape)])

    def read_many(self, starts: Sequence[Corner], shape: Corner) -> list[Voxels]:
        return read_in_threads(self.read, starts, shape)

    def write(self, start: Corner, voxels: Voxels) -> None:
        if voxels.shape == self._array.shape:
            self._array.write(voxels)
        else:
            self._array.patch(voxels, start)


def fill_tiled(url: str, name: str, volume: Voxels, chunk: int) -> None:
    """Create an array on a tiled server, in chunks of this edge."""
    client: Any = importlib.import_module("tiled.client")
    dask: Any = importlib.import_module("dask.array")
    root = client.from_uri(f"{url}/api/v1/", api_key=API_KEY)
    root.write_array(dask.from_array(np.ascontiguousarray(volume), chunks=chunk), key=f"{name}-{chunk}")


class H5pyd(Reader):
    """h5pyd, whose datasets an HSDS of two data nodes serves."""

    def __init__(self, place: Place) -> None:
        h5pyd: Any = importlib.import_module("h5pyd")
        self._file = h5pyd.File(_domain(place.name, place.chunk), "r+", use_cache=False, **access(place.url))
        self._dataset = self._file["voxels"]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, start: Corner, shape: Corner) -> Voxels:
        return np.asarray(self._dataset[box(start, shape)])

    def write(self, start: Corner, voxels: Voxels) -> None:
        shape: Any = voxels.shape
        self._dataset[box(start, shape)] = voxels
        self._file.flush()  # h5pyd holds back what is written


def fill_hsds(url: str, name: str, volume: Voxels, chunk: int) -> None:
    """Create a dataset on an HSDS, in chunks of this edge."""
    h5pyd: Any = importlib.import_module("h5pyd")
    with h5pyd.File(_domain(name, chunk), "w", **access(url)) as file:
        dataset = file.create_dataset("voxels", volume.shape, "u1", chunks=(chunk,) * 3)
        dataset[...] = np.ascontiguousarray(volume)


def _domain(name: str, chunk: int) -> str:
    return f"/home/{USER}/{name}-{chunk}.h5"
