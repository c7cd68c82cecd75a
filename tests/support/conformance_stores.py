"""The kinds of store that the conformance suite runs on, and voxels to put into them."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import numpy as np
from cached import use_cache
from n5_by_hand import COMPRESSIONS, write_version
from numpy.typing import NDArray

import pyvolume
import pyvolume.hpc
import pyvolume.local
import pyvolume.mikro
import pyvolume.n5
from pyvolume.dvid import general, voxels
from pyvolume.icechunk import IcechunkVolume
from pyvolume.mikro.accessor import opened
from pyvolume.mikro.address import Address
from pyvolume.mikro.arrays import new_document
from pyvolume.mikro.client import ask
from pyvolume.mikro.documents import UPLOAD
from pyvolume.mikro.grants import grant_of
from pyvolume.mikro.store import Place, UploadStore
from pyvolume.n5.driver import DRIVER as N5


class Backend(Protocol):
    """A kind of store: makes volumes that hold an array at voxel 0, and can grow."""

    examples: int

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume: ...


class MemoryBackend:
    examples = 150

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        return pyvolume.from_array(array.copy(order="F"), block_shape=blocks, growable=True)


class CachedBackend:
    """The store in memory behind a cache that holds a part of each volume, and reads back what the volume writes."""

    examples = 60

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        volume = MemoryBackend().new(array, blocks)
        block = int(np.prod(blocks)) * array.dtype.itemsize
        return use_cache(volume, pyvolume.BlockCache(max(array.nbytes // 2, 4 * block)))


class DvidBackend:
    """Instances on a server that speaks DVID's protocol."""

    examples = 40

    def __init__(self, url: str, admin_token: str | None) -> None:
        self.connection = pyvolume.Connection(url, auth=pyvolume.dvid.Identity(admin_token=admin_token), concurrency=8)
        self.admin_token = admin_token
        self.uuid = general.create_repo(self.connection, "conformance", duplicate_alias=True)
        self._names = (f"volume{i}" for i in itertools.count())

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.dvid.VoxelsAccessor:
        name = next(self._names)
        empty = pyvolume.VoxelsMetadata.of(
            (array.shape[0], 0, 0, 0), array.dtype, resolution=(4, 4, 40), units="nanometers"
        )
        voxels.create_new(self.connection, self.uuid, name, empty, block_shape=blocks)
        volume = pyvolume.dvid.VoxelsAccessor(self.connection, self.uuid, name)
        volume.post_ndarray((0,) * 4, array.shape, array)
        return volume


class OwnDatasets(pyvolume.hpc.DataStore):
    """A server on which the datasets that were made here are deleted at the end."""

    def __init__(self, connection: pyvolume.Connection) -> None:
        super().__init__(connection)
        self._made: list[pyvolume.hpc.Dataset] = []

    def create_dataset(self, *facts: Any, **options: Any) -> pyvolume.hpc.Dataset:
        made = super().create_dataset(*facts, **options)
        self._made.append(made)
        return made

    def delete_all(self) -> None:
        for dataset in self._made:
            self.delete(dataset.uuid)


class DataStoreBackend:
    """Datasets on a server that speaks the protocol of the HPC DataStore, at their only time point and angle."""

    examples = 40

    def __init__(self, url: str) -> None:
        self.connection = pyvolume.Connection(url, concurrency=8)
        self.server = OwnDatasets(self.connection)

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.hpc.DataStoreVolume:
        dataset = self.server.create_dataset(
            array.shape[1:], array.dtype, channels=array.shape[0], levels=[((1, 1, 1), blocks)], resolution=(4, 4, 40),
            unit="nanometers",
        )  # fmt: skip
        volume = dataset.volume(timepoint=0, angle=0)
        volume.post_ndarray((0,) * 4, array.shape, array)
        return volume


MOST_FILES, MOST_OBJECTS = 5, 3
"""Chunks along an axis: many small files take long to make, and to remove, and each object of a bucket is a request."""


class ZarrBackend:
    """Images of OME-Zarr in a folder or in a bucket.

    Parameters
    ----------
    root : str
        A folder, or a url.
    shards : int
        How many chunks a shard has along x; 0: none.
    most : int
        How many chunks an array has along an axis.
    **options
        Of `pyvolume.create`, or of a bucket.
    """

    examples = 10

    def __init__(self, root: str, shards: int = 0, most: int = MOST_FILES, **options: Any) -> None:
        self._root = root
        self._shards = shards
        self._most = most
        self._options = options
        self._names = (f"volume{i}.zarr" for i in itertools.count())

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        others = (1,) * (array.ndim - len(blocks) - 1)
        sides = [max(block, -(-n // self._most)) for block, n in zip(blocks, array.shape[1:], strict=False)]
        chunks = (1, *sides, *others)
        shards: dict[str, Any] = {"shards": (1, sides[0] * self._shards, *chunks[2:])} if self._shards else {}
        volume: pyvolume.Volume = pyvolume.create(
            f"{self._root}/{next(self._names)}", array.shape, array.dtype, dims="cxyzt"[: array.ndim], chunks=chunks,
            resolution=(4, 4, 40, 1)[: array.ndim - 1], units="nanometers", **shards, **self._options,
        )  # fmt: skip
        volume.post_ndarray((0,) * array.ndim, array.shape, array)
        return volume


class N5Backend:
    """Datasets of N5 in a folder, with the compressions in turn."""

    examples = 15

    def __init__(self, folder: Path) -> None:
        self._names = (folder / "conformance.n5" / f"volume{i}" for i in itertools.count())
        self._compressions = itertools.cycle(["raw", "gzip", "lz4", "zstd"])

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.n5.N5Volume:
        metadata = pyvolume.VoxelsMetadata.of(array.shape, array.dtype, resolution=(4, 4, 40), units="nanometers")
        volume = N5.create(str(next(self._names)), metadata, chunks=(1, *blocks), compression=next(self._compressions))
        volume.post_ndarray((0,) * 4, array.shape, array)
        return volume


class FolderBackend:
    """Datasets of an HPC DataStore in folders made by hand, read only, at their only time point and angle."""

    examples = 15

    def __init__(self, folder: Path) -> None:
        self._names = (folder / f"dataset{i}" for i in itertools.count())
        self._compressions = itertools.cycle(COMPRESSIONS)

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.n5.N5Volume:
        path = next(self._names)
        views = {(channel, 0, 20): voxels for channel, voxels in enumerate(array)}
        write_version(path, 0, views, blocks=blocks, compression=next(self._compressions))
        return pyvolume.open(f"n5://{path}?timepoint=20&angle=0", kind=pyvolume.n5.N5Volume)


class LocalBackend:
    """Files in a folder database, each an array that is mapped into memory and has no blocks."""

    examples = 15

    def __init__(self, folder: Path) -> None:
        pyvolume.local.LocalStore(folder, "w-", fsync=False)
        self._names = (f"fsdb://{folder}/scan/volumes/volume{i}" for i in itertools.count())

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        volume: pyvolume.Volume = pyvolume.create(
            next(self._names), array.shape, array.dtype, resolution=(4, 4, 40), units="nanometers"
        )
        volume.post_ndarray((0,) * 4, array.shape, array)
        return volume


class ServedBackend:
    """Images of OME-Zarr in a folder, read behind a web server.

    Parameters
    ----------
    made : ZarrBackend
        Makes them in the folder.
    url : str
        Of the server of the folder.
    """

    def __init__(self, made: ZarrBackend, url: str) -> None:
        self._made = made
        self._url = url
        self.examples = made.examples

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        with self._made.new(array, blocks) as volume:
            return pyvolume.open(f"{self._url}/{volume.name}")


class IcechunkBackend:
    """Images of Icechunk, each in a repository of its own; their voxels are in a session, and not committed.

    Parameters
    ----------
    root : str
        The beginning of the url of a repository.
    most : int
        How many chunks an array has along an axis.
    **options
        Of a bucket.
    """

    examples = 10

    def __init__(self, root: str, most: int = MOST_FILES, **options: Any) -> None:
        self._root = root
        self._most = most
        self._options = options
        self._names = (f"repository{i}" for i in itertools.count())

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        sides = [max(block, -(-n // self._most)) for block, n in zip(blocks, array.shape[1:], strict=False)]
        chunks = (1, *sides, *(1,) * (array.ndim - len(blocks) - 1))
        volume: pyvolume.Volume = pyvolume.create(
            f"{self._root}/{next(self._names)}:main/gray", array.shape, array.dtype, dims="cxyzt"[: array.ndim],
            chunks=chunks, resolution=(4, 4, 40, 1)[: array.ndim - 1], units="nanometers", **self._options,
        )  # fmt: skip
        volume.post_ndarray((0,) * array.ndim, array.shape, array)
        return volume


SIDE = 32
"""The length of the axes of the volumes in which versions are made."""


class VersionedBackend(Protocol):
    """A kind of store that keeps versions.

    Attributes
    ----------
    main : str
        The branch on which a repository begins.
    """

    main: str

    def new_version(self) -> Any:
        """Return an open version in a new repository, with a volume "gray" of `SIDE`³ voxels of 8 bits."""

    def fresh(self, name: str) -> str:
        """Return a name that nobody has used."""


class DvidVersions:
    """Repositories on a server that speaks DVID's protocol."""

    main = "master"

    def __init__(self, backend: DvidBackend) -> None:
        self._server = pyvolume.dvid.Server(backend.connection)

    def new_version(self) -> Any:
        repo = self._server.create_repo(self.fresh("versions"))
        repo.create_volume("gray", (SIDE,) * 3, "uint8", block_shape=(16, 16, 16))
        return repo.root

    def fresh(self, name: str) -> str:
        return f"{name}-{uuid4().hex[:8]}"


class IcechunkVersions:
    """Repositories of Icechunk in a folder."""

    main = "main"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_version(self) -> Any:
        url = f"icechunk://{self._folder}/{self.fresh('versions')}:main/gray"
        made = pyvolume.create(url, (1, SIDE, SIDE, SIDE), "uint8", chunks=(1, 16, 16, 16), kind=IcechunkVolume)
        return made.version

    def fresh(self, name: str) -> str:
        return f"{name}-{uuid4().hex[:8]}"


class MikroBackend:
    """Images of Mikro: uploaded as a whole, then only read."""

    examples = 10

    def __init__(self, mikro: pyvolume.mikro.Mikro) -> None:
        self._mikro = mikro

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        sides = [max(block, -(-n // MOST_FILES)) for block, n in zip(blocks, array.shape[1:], strict=False)]
        image = self._mikro.from_xarray(
            np.ascontiguousarray(array), "conformance", dims="cxyzt"[: array.ndim], chunks=[*sides, 1, 1][:3],
            resolution=(0.004, 0.004, 0.04),
        )  # fmt: skip
        if array.ndim == image.ndim:
            return image
        place = dataclasses.replace(
            image.store.place, address=dataclasses.replace(image.store.place.address, timepoint=0)
        )
        return opened(place)


class MikroUploadBackend:
    """Arrays of Mikro that are being uploaded, and have no image yet."""

    examples = 10

    def __init__(self, mikro: pyvolume.mikro.Mikro) -> None:
        self._mikro = mikro

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        shape = (*array.shape, *(1,) * 4)[:5]
        chunks = (1, *(*blocks, 1, 1)[:3], 1)
        found = ask(self._mikro.connection, "upload", UPLOAD, {"input": {}}, changes=True)
        time = 0 if array.ndim == 4 else None
        address = Address(self._mikro.connection.url, self._mikro.store_url, timepoint=time)
        described = pyvolume.VoxelsMetadata.of(shape, array.dtype, dims="cxyzt", resolution=(0.004, 0.004, 0.04, 1))
        document = new_document(described, [min(pair) for pair in zip(chunks, shape, strict=True)], {})
        grant = grant_of(found, monotonic(), "upload")
        store = UploadStore(Place(self._mikro.connection, address), str(found["store"]), grant, document)
        volume = pyvolume.Volume(store, store.metadata)
        volume[...] = array
        return volume


class InPieces:
    """Another backend, whose volumes move an eighth of themselves at once at most, and so many pieces at once."""

    def __init__(self, backend: Backend, concurrency: int) -> None:
        self._backend = backend
        self._concurrency = concurrency
        self.examples = backend.examples // 4

    def new(self, array: NDArray[Any], blocks: tuple[int, ...] = (16, 16, 16)) -> pyvolume.Volume:
        return in_pieces(self._backend.new(array, blocks), max(1, array.nbytes // 8), self._concurrency)


def ramp(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Make asymmetric voxels: every wrong axis order, byte order and offset shows."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return np.asarray(rng.normal(size=shape).astype(dtype), order="F")
    info = np.iinfo(dtype)
    return np.asarray(rng.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True), order="F")


def travelling(volume: pyvolume.Volume) -> pyvolume.Volume:
    """Return a volume with the same voxels that other processes can open: a session belongs to one."""
    if not isinstance(volume, IcechunkVolume):
        return volume
    volume.commit()
    return volume.at(volume.version_name)


AnyVolume = TypeVar("AnyVolume", bound=pyvolume.Volume)


def in_pieces(volume: AnyVolume, most: int, concurrency: int | None = None) -> AnyVolume:
    """Let the store of a volume move so many bytes at once at most, and so many pieces; return the volume."""
    store: Any = volume.store
    store.traits = dataclasses.replace(
        store.traits,
        max_read_bytes=most,
        max_write_bytes=most,
        preferred_concurrency=store.traits.preferred_concurrency if concurrency is None else concurrency,
    )
    return volume
