"""Anything that is sliced like an array, as a store."""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.errors import ClosedError, VoxelsMismatchError
from pyvolume.model.axes import default_dims, default_labels
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.tiles import copy_tiled
from pyvolume.stores.base import StoreTraits
from pyvolume.stores.locks import process_locks
from pyvolume.stores.space import FULL, check_free, reserve_part

HDF5_BYTES = 4 << 20
"""What HDF5 may write besides voxels: an index, and chunks that it holds back."""


@runtime_checkable
class Sliceable(Protocol):
    """Something that slices turn into arrays: a dataset in a file, a dask array, another volume."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, key: Any, /) -> Any: ...


class ArrayStore:
    """The voxels of an array in memory, in a file, or of any object with a shape, a dtype and slices.

    Parameters
    ----------
    array : array-like
        Used by several threads at once.
    metadata : VoxelsMetadata, optional
        Of the volume; by default it has the axes of the array, channel first, and it begins at voxel 0.
    axes : str, optional
        One letter for each axis of the array, in its order. Axes of the volume that the array lacks have one voxel.
    path : path, optional
        The file or folder that holds the array, if the array itself cannot tell.
    writable : bool, optional
        Whether voxels can be written; by default what the array says.
    close : callable, optional
        Called by `close`. The store then refuses to be used.
    reopening : callable, optional
        Returns what is pickled in place of the array: a function, and arguments with which it opens the store again.
    address : str, optional
        The url of the volume; by default that of the array, which names the voxels for locks in each case.
    """

    def __init__(
        self,
        array: Any,
        metadata: VoxelsMetadata | None = None,
        *,
        axes: str = "",
        path: Path | None = None,
        writable: bool | None = None,
        close: Callable[[], object] | None = None,
        reopening: Callable[[], tuple[Callable[..., ArrayStore], tuple[object, ...]]] | None = None,
        address: str = "",
    ) -> None:
        self._array = array
        self._metadata = metadata_of(array) if metadata is None else metadata
        self._close = close
        self._reopening = reopening
        self._is_closed = False
        self._chunks = _chunks_of(array)
        dims = self._metadata.dims
        held = tuple(axes) or dims
        self._order = tuple(dims.index(axis) for axis in held)
        self._place = tuple(held.index(axis) for axis in dims if axis in held)
        self._missing = tuple(at for at, axis in enumerate(dims) if axis not in held)
        self._path = path_of(array) or path
        place = address_of(array) or (f"file://{path.resolve()}" if path else "")
        self.address = address or place or f"memory://{id(array):x}"
        chunks = dict(zip(self._order, self._chunks or (), strict=False))
        self.traits = StoreTraits(
            write_grid=(1,) * len(dims),
            chunks=tuple(chunks.get(at, 1) for at in range(len(dims))),
            writable=_is_writable(array) if writable is None else writable,
            lasting=bool(place),
            crash_safe=not _is_hdf5(array),
            voxels=place if address else "",
        )

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return super().__reduce_ex__(protocol) if self._reopening is None else self._reopening()

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        return self._metadata

    def take(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box, as a view where the array is in memory."""
        with self._using("read voxels"):
            voxels = np.asarray(self._array[self._key(box)])
        expected = tuple(box.shape[at] for at in self._order)
        if voxels.shape != expected:
            raise VoxelsMismatchError(
                f"read {box} of {self.address}: expected the shape {expected} and found {voxels.shape}"
            )
        return np.expand_dims(voxels.transpose(self._place), self._missing)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        copy_tiled(out, self.take(box))

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        present = voxels.transpose((*self._order, *self._missing)).reshape([box.shape[at] for at in self._order])
        key = self._key(box)
        hold, locks, chunks = threading.Lock(), process_locks(), self._whole_chunks(key)
        try:
            with hold:
                if chunks is not None:  # zarr reads, completes and writes those that it fills in part
                    locks.take(f"chunks of {self.address}", chunks, hold, call)
                with self._using("write voxels"):
                    self._take_space(key)
                    for part, voxels in in_chunks(key, present, self._chunks if is_zarr(self._array) else None):
                        self._array[part] = voxels.astype(self._metadata.dtype, copy=False)
        finally:
            locks.give_back(hold)

    def _take_space(self, key: tuple[slice, ...]) -> None:
        """Refuse what does not go onto the disk where such a write would end the process."""
        if self._path is None:
            return
        if isinstance(self._array, np.memmap):
            reserve_part(self._path, *_span_in_file(self._array[key]))
        elif _is_hdf5(self._array) and self._array.id.get_storage_size() < self._array.nbytes:
            chunks = self._whole_chunks(key)
            written = self._array.nbytes if chunks is None else chunks.size * self._array.dtype.itemsize
            check_free(self._path, written + HDF5_BYTES)

    @contextlib.contextmanager
    def _using(self, action: str) -> Iterator[None]:
        """Use the array, which another thread may close in the meantime.

        Raises
        ------
        ClosedError
        """
        closed = ClosedError(f"{action} of {self.address}: the volume is closed")
        if self._is_closed:
            raise closed
        try:
            yield
        except Exception as error:
            if self._is_closed:
                raise closed from None
            if isinstance(error, OSError) and error.errno in FULL:
                raise OSError(error.errno, f"{action} of {stored_at(self.address)}: {error.strerror}") from error
            raise

    def _whole_chunks(self, key: tuple[slice, ...]) -> Box | None:
        """Return the box of the chunks that a write touches, if the array has chunks."""
        return None if self._chunks is None else box_of_chunks(key, self._chunks)

    @property
    def memory(self) -> NDArray[Any] | None:
        """The array, if it is one of numpy."""
        return self._array if isinstance(self._array, np.ndarray) else None

    @property
    def can_travel(self) -> bool:
        """Whether a process that unpickles the store has the same voxels, and not a copy of them."""
        return self._reopening is not None or (self.traits.lasting and is_zarr(self._array))

    def identity(self) -> str:
        """Name the file by its number, its size and its time; a folder of zarr by those of its metadata."""
        if self._path is None:
            return ""
        for each in (self._path / "zarr.json", self._path / ".zarray", self._path):
            with contextlib.suppress(OSError):
                found = each.stat()
                return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"
        return ""

    def flush(self) -> None:
        """Let what was written survive the end of the process."""
        with self._using("flush voxels"):
            owner = getattr(self._array, "file", self._array)  # the flush of an HDF5 dataset leaves its file unreadable
            flush = getattr(owner, "flush", None)
            if flush is not None:
                flush()

    def close(self) -> None:
        """Close the file, if it was opened for this store."""
        if self._close is not None:
            self._is_closed = True
            self._close()

    def _key(self, box: Box) -> tuple[slice, ...]:
        slices = box.slices_from(self._metadata.bounds.start)
        return tuple(slices[at] for at in self._order)


def metadata_of(array: Sliceable) -> VoxelsMetadata:
    """Describe an array whose axes are those of a volume, channel first; it begins at voxel 0.

    Raises
    ------
    MetadataError
        If it has too many axes.
    """
    shape = tuple(array.shape)
    return VoxelsMetadata(
        bounds=Box((0,) * len(shape), shape),
        dtype=np.dtype(array.dtype),
        dims=default_dims(len(shape)),
        resolution=(1.0,) * (len(shape) - 1),
        units=("",) * (len(shape) - 1),
        labels=default_labels(shape),
    )


def address_of(array: Any) -> str:
    """Return where an array is stored, the same in every process; empty for an array in memory."""
    path = path_of(array)
    if path is None:
        place = str(getattr(array, "store_path", ""))  # zarr
        return "" if place.startswith("memory://") else place
    return f"file://{path.resolve()}{_part_of_file(array)}"


def path_of(array: Any) -> Path | None:
    """Return the file or folder that holds an array, if there is one."""
    if isinstance(array, np.memmap):
        is_stored = array.mode != "c" and isinstance(array.filename, str | os.PathLike)  # copy on write: the file stays
        return Path(str(array.filename)) if is_stored else None
    scheme, _, place = str(getattr(array, "store_path", "")).partition("://")  # zarr
    if scheme:
        return Path(place) if scheme == "file" else None
    return Path(array.file.filename) if _is_hdf5(array) else None


def box_of_chunks(key: Sequence[slice], chunks: Sequence[int]) -> Box:
    """Return the box of the chunks that a key touches, along the axes of the array."""
    pairs = list(zip(key, chunks, strict=True))
    start = [each.start // length * length for each, length in pairs]
    return Box(start, [-(-each.stop // length) * length for each, length in pairs])


def in_chunks(
    key: Sequence[slice], voxels: NDArray[Any], chunks: Sequence[int] | None
) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
    """Cut what is written into an array at its chunks.

    zarr writes the chunks of one key at the same time, and does not end the others after the error of one.
    """
    if chunks is None:
        yield tuple(key), voxels
        return
    along = []
    for each, length in zip(key, chunks, strict=True):
        edges = [each.start, *range((each.start // length + 1) * length, each.stop, length), each.stop]
        along.append([slice(low, high) for low, high in itertools.pairwise(edges)])
    for part in itertools.product(*along):
        pairs = zip(part, key, strict=True)
        yield part, voxels[tuple(slice(a.start - b.start, a.stop - b.start) for a, b in pairs)]


def stored_at(address: str) -> str:
    """Return an address without its view, and without the place of a memmap in its file."""
    return address.partition("?")[0].partition("#offset=")[0]


def is_zarr(array: Any) -> bool:
    """Whether an array is one of zarr."""
    return hasattr(array, "store_path")


def _is_hdf5(array: Any) -> bool:
    return isinstance(getattr(getattr(array, "file", None), "filename", None), str)


def _part_of_file(array: Any) -> str:
    """Return which part of its file an array is."""
    if not isinstance(array, np.memmap):
        return f"#{array.name}" if _is_hdf5(array) else ""
    return f"#offset={_first_byte(array)},strides={array.strides}"


def _first_byte(array: np.memmap[Any, Any]) -> int:
    """Return the place of the first voxel in the file."""
    source: Any = array
    start = np.frombuffer(source._mmap, np.uint8).ctypes.data  # noqa: SLF001 - has no public name
    return int(array.offset - array.offset % mmap.ALLOCATIONGRANULARITY + array.ctypes.data - start)


def _span_in_file(array: Any) -> tuple[int, int]:
    """Return the first byte of a part of a file, and how many bytes there are to its last one."""
    reach = [(length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)]
    before = sum(each for each in reach if each < 0)
    return _first_byte(array) + before, sum(map(abs, reach)) + array.itemsize


def _is_writable(array: Any) -> bool:
    if not hasattr(array, "__setitem__") or getattr(array, "read_only", False):
        return False
    is_read_only_file = getattr(getattr(array, "file", None), "mode", "r+") == "r"
    return not is_read_only_file and bool(getattr(getattr(array, "flags", None), "writeable", True))


def _chunks_of(array: Any) -> tuple[int, ...] | None:
    """Return the shape of what an array stores as a unit, as h5py and zarr name it."""
    for name in ("shards", "chunks"):
        chunks = getattr(array, name, None)
        if isinstance(chunks, tuple) and chunks and all(isinstance(n, int) and n > 0 for n in chunks):
            return chunks
    return None
