"""Ends of a copy: a volume or an array, read and written box by box."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import SelectionError, UnsupportedError, VoxelsMismatchError
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits, VoxelStore
from pyvolume.transfer.casting import ArrayLike, castable
from pyvolume.transfer.checks import check_inside
from pyvolume.transfer.engine import Operation
from pyvolume.transfer.grid import aligned
from pyvolume.volume import Volume

Grid = tuple[int, ...]


class End(Protocol):
    """What is copied from or to; it is used by several threads.

    Attributes
    ----------
    name : str
        The same for the same end in another process.
    bounds : Box
        The box around all voxels.
    dtype : numpy.dtype
        The dtype of the voxels.
    grid : tuple of int or None
        Of the blocks that should not be shared by two pieces, if there are any.
    max_bytes : int
        The most that should be written at once.
    concurrency : int or None
        How many pieces it prefers to have under way.
    piece_bytes : tuple of int
        The lowest and the highest size of a piece.
    faithful : bool
        Whether a read returns what is stored.
    lasting : bool
        Whether the data outlives the process.
    call : Call
        Of this end's share in the copy.
    """

    name: str
    bounds: Box
    dtype: np.dtype[Any]
    grid: Grid | None
    max_bytes: int | None
    concurrency: int | None
    piece_bytes: tuple[int, int]
    faithful: bool
    lasting: bool
    call: Call

    def whole(self, box: Box, grid: Grid) -> Box:
        """Return the smallest box around `box` that consists of whole blocks."""

    def check_read(self, box: Box) -> None:
        """Refuse what cannot be read."""

    def check_write(self, box: Box) -> None:
        """Refuse what cannot be written."""

    def castable(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Refuse values that may not be stored here."""

    def read(self, box: Box) -> NDArray[Any]:
        """Return the voxels of a box."""

    def write(self, box: Box, voxels: NDArray[Any]) -> None:
        """Store the voxels of a box."""

    def flush(self) -> None:
        """Let what was written survive the end of the process."""

    def finish(self, box: Box) -> None:
        """Take note that all of `box` was written."""


def end_of(volume: object, action: str = "copy") -> End:
    """Return a volume or an array as the end of a copy, or as one side of another action.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(volume, Volume):
        return VolumeEnd(volume)
    if isinstance(volume, ArrayLike):
        return ArrayEnd(volume)
    raise TypeError(
        f"{action}: expected a volume, or an array-like with a shape, a dtype and slices, "
        f"and found {type(volume).__name__}"
    )


class VolumeEnd:
    """A volume; its store has one request for each piece under way, not several."""

    def __init__(self, volume: Volume) -> None:
        traits = volume.store.traits
        self._volume = volume
        self._transfer = dataclasses.replace(volume.transfer, store=_OneAtATime(volume.store))
        self.call = volume.transfer.begin()
        self.bounds = volume.bounds
        self.dtype = volume.dtype
        self.name = f"memory {volume.dtype} {''.join(volume.dims)}" if not traits.lasting else volume.store.address
        self.grid: Grid | None = traits.write_grid
        self.max_bytes: int | None = traits.max_write_bytes
        self.concurrency: int | None = traits.preferred_concurrency
        self.piece_bytes = traits.piece_bytes
        self.faithful = traits.faithful
        self.lasting = traits.lasting

    def whole(self, box: Box, grid: Grid) -> Box:
        return aligned(box, grid, self._volume.store.traits, self.bounds)

    def check_read(self, box: Box) -> None:
        check_inside(box, self._volume.metadata, self._volume.store.traits, growing=False)

    def check_write(self, box: Box) -> None:
        traits = self._volume.store.traits
        self._transfer.check_writable("copy into voxels")
        check_inside(box, self._volume.metadata, traits, growing=True)
        whole = self.whole(box, traits.write_grid)
        if whole != box:
            self._transfer.check_may_merge(Selection.of_box(box), whole)

    def castable(self, voxels: NDArray[Any]) -> NDArray[Any]:
        return castable(voxels, self.dtype, self._transfer.casting)

    def read(self, box: Box) -> NDArray[Any]:
        return self._transfer.read_box(box, None, self._operation())

    def write(self, box: Box, voxels: NDArray[Any]) -> None:
        self._transfer.post(box, voxels, self._operation())

    def flush(self) -> None:
        """Nothing is held back."""

    def finish(self, box: Box) -> None:
        if not self._volume.bounds.contains(self.whole(box, self._volume.store.traits.write_grid)):
            self._volume.refresh()

    def _operation(self) -> Operation:
        return Operation(self.call, progress=False)


class ArrayEnd:
    """Anything that is sliced like an array; its first voxel is at 0."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.call = Call(RetryPolicy())
        self.bounds = Box((0,) * len(array.shape), array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.name = f"{type(array).__name__} {self.dtype} {self.bounds.shape}"
        self.grid = _chunks_of(array)
        self.max_bytes: int | None = None
        self.concurrency: int | None = None
        self.piece_bytes = (16 << 20, 64 << 20)
        self.faithful = True
        self.lasting = not isinstance(array, np.ndarray) or isinstance(array, np.memmap)

    def whole(self, box: Box, grid: Grid) -> Box:
        edges = zip(self.bounds.start, self.bounds.stop, strict=True)
        return box.aligned_to(grid, list(edges))

    def check_read(self, box: Box) -> None:
        if not self.bounds.contains(box):
            raise SelectionError(f"box: {box} is not within {self.name}, which begins at 0")

    def check_write(self, box: Box) -> None:
        flags = getattr(self._array, "flags", None)
        if (
            not hasattr(self._array, "__setitem__")
            or not getattr(flags, "writeable", True)
            or getattr(self._array, "read_only", False)
        ):
            raise UnsupportedError(f"copy to {self.name}: it takes no voxels")
        self.check_read(box)

    def castable(self, voxels: NDArray[Any]) -> NDArray[Any]:
        return castable(voxels, self.dtype, "checked")

    def read(self, box: Box) -> NDArray[Any]:
        voxels = np.asarray(self._array[box.slices_from(self.bounds.start)])
        if voxels.shape != box.shape:
            raise VoxelsMismatchError(
                f"read {box} of {self.name}: expected the shape {box.shape} and found {voxels.shape}"
            )
        return voxels

    def write(self, box: Box, voxels: NDArray[Any]) -> None:
        self._array[box.slices_from(self.bounds.start)] = self.castable(voxels).astype(self.dtype, copy=False)

    def flush(self) -> None:
        flush = getattr(self._array, "flush", None)
        if flush is not None:
            flush()

    def finish(self, box: Box) -> None:
        """Nothing is left to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class _OneAtATime:
    """A store that is asked for one box at a time by each worker; the workers are many already."""

    store: VoxelStore

    @property
    def traits(self) -> StoreTraits:
        return dataclasses.replace(self.store.traits, preferred_concurrency=1)

    @property
    def address(self) -> str:
        return self.store.address

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        return self.store.read_metadata(call)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        self.store.read_box(box, out, call)

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        self.store.write_box(box, voxels, call)

    def close(self) -> None:
        self.store.close()


def _chunks_of(array: Any) -> Grid | None:
    """Return the shape of what an array stores as a unit, as h5py and zarr name it."""
    for name in ("shards", "chunks"):
        chunks = getattr(array, name, None)
        if isinstance(chunks, tuple) and chunks and all(isinstance(n, int) and n > 0 for n in chunks):
            return chunks
    return None
