"""A numpy array as a store: the reference driver."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.processes import OfProcess
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.tiles import copy_tiled
from pyvolume.stores.base import StoreTraits


class MemoryStore:
    """The voxels of a channel-first numpy array.

    Parameters
    ----------
    array : ndarray
        Used as it is, not copied: a write through the store changes it, until the store has to grow.
    metadata : VoxelsMetadata
        Of the array, which begins at voxel 0.
    block_shape : tuple of int
        One entry per axis behind the channel: only whole blocks are written, as a block store would have it.
    growable : bool
        Whether a write beyond the array makes it larger, on any side.
    """

    def __init__(
        self, array: NDArray[Any], metadata: VoxelsMetadata, *, block_shape: tuple[int, ...], growable: bool
    ) -> None:
        self._array = array
        self._metadata = metadata
        self._bounds = metadata.bounds
        self._locks = OfProcess(threading.RLock)
        self._is_shared = not growable
        self.address = self._new_address()
        self.traits = StoreTraits(
            write_grid=(1, *block_shape),
            max_read_bytes=sys.maxsize,
            max_write_bytes=sys.maxsize,
            writable=array.flags.writeable,
            growable=(False, *(growable,) * (array.ndim - 1)),
            fill=0 if growable else None,
            lasting=False,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in {"_locks", "address"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._locks = OfProcess(threading.RLock)
        self.address = self._new_address()

    def _new_address(self) -> str:
        # a store that may grow takes another array then; two that may not stay with the one they share
        return f"memory://{id(self._array if self._is_shared else self):x}"

    @property
    def memory(self) -> NDArray[Any]:
        """The present array."""
        return self._array

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        return dataclasses.replace(self._metadata, bounds=self._bounds)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        with self._locks[os.getpid()]:
            inside = box.intersection(self._bounds)
            if inside != box:
                out[...] = 0
            if inside is not None:
                copy_tiled(out[inside.slices_from(box.start)], self._array[inside.slices_from(self._bounds.start)])

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        with self._locks[os.getpid()]:
            if not self._bounds.contains(box):
                self._grow(box)
            np.copyto(self._array[box.slices_from(self._bounds.start)], voxels, casting="unsafe")

    def _grow(self, box: Box) -> None:
        old = self._bounds
        start = box.start if old.size == 0 else tuple(map(min, old.start, box.start))
        stop = box.stop if old.size == 0 else tuple(map(max, old.stop, box.stop))
        new = Box((0, *start[1:]), (old.stop[0], *stop[1:]))
        grown = np.zeros(new.shape, self._array.dtype, order="F")
        if old.size:
            grown[old.slices_from(new.start)] = self._array
        self._array, self._bounds = grown, new

    def close(self) -> None:
        """Nothing is held open."""
