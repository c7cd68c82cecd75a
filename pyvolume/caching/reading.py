"""Reads that look into a cache first."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.caching.cache import BlockCache
from pyvolume.caching.cells import cells_of, joined
from pyvolume.caching.memory import BlockKey
from pyvolume.calls.call import Call
from pyvolume.errors import UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.tiles import copy_tiled
from pyvolume.model.units import readable
from pyvolume.stores.base import StoreTraits, VoxelStore, identity_of, never_changes
from pyvolume.stores.locks import process_locks


class CachedReads:
    """The reads of a store whose voxels never change, through a cache of its blocks.

    Parameters
    ----------
    store : VoxelStore
        Serves the blocks that the cache does not have.
    cache : BlockCache
        Keeps them.
    metadata : VoxelsMetadata
        Of the store.
    """

    def __init__(self, store: VoxelStore, cache: BlockCache, metadata: VoxelsMetadata) -> None:
        self._store = store
        self._cache = cache
        self._dtype = metadata.dtype
        self._cell = _cell_of(store.traits)
        sides = zip(metadata.bounds.start, metadata.bounds.stop, store.traits.growable, strict=True)
        self._edges = [None if growable else (low, high) for low, high, growable in sides]
        # one string for all keys; a volume that is made anew under the same address has another identity
        self._voxels = f"{store.address} {identity_of(store)} {metadata.dtype.str} {self._cell}"

    @property
    def traits(self) -> StoreTraits:
        """What the store can do, with reads of whole blocks."""
        return dataclasses.replace(self._store.traits, read_grid=self._cell)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        """Fill `out` with the voxels of a box of any shape; missing blocks are requested, and kept.

        Threads that miss the same blocks at the same time wait for the one that requests them.
        """
        cells = list(cells_of(box, self._cell, self._edges))
        missing = self._put_known(cells, box, out)
        if missing:
            locks, hold = process_locks(), threading.Lock()
            try:
                with hold:
                    with contextlib.suppress(UnsupportedError):  # a callback of this very request asks for the blocks
                        locks.take(f"cache of {self._voxels}", functools.reduce(Box.union, missing), hold, call)
                    missing = self._put_known(missing, box, out)
                    self._fetch(missing, box, out, call)
            finally:
                locks.give_back(hold)
        call.count(cache_hits=len(cells) - len(missing), cache_misses=len(missing))

    def forget(self, box: Box) -> None:
        """Remove the blocks that a box touches."""
        for cell in cells_of(box, self._cell, self._edges):
            self._cache.discard(self._key(cell))

    def _put_known(self, cells: Sequence[Box], box: Box, out: NDArray[Any]) -> list[Box]:
        """Put what the cache has into `out`, and return the other cells."""
        missing = []
        for cell in cells:
            block = self._cache.get(self._key(cell), cell.shape, self._dtype)
            if block is None:
                missing.append(cell)
            else:
                _copy(block, cell, out, box)
        return missing

    def _fetch(self, missing: Sequence[Box], box: Box, out: NDArray[Any], call: Call) -> None:
        """Request blocks, put their voxels into `out`, and keep them."""
        self._cache.missed(len(missing))
        for asked in joined(missing, self._dtype.itemsize) if missing else ():
            is_inside = box.contains(asked)
            into = out[asked.slices_from(box.start)] if is_inside else np.empty(asked.shape, self._dtype, order="F")
            self._store.read_box(asked, into, call)
            if not is_inside:
                _copy(into, asked, out, box)
            for cell in missing:
                if asked.contains(cell):
                    block = np.array(into[cell.slices_from(asked.start)], order="F")
                    block.flags.writeable = False
                    self._cache.put(self._key(cell), block)

    def _key(self, cell: Box) -> BlockKey:
        return self._voxels, cell.start


def check_cache(cache: BlockCache | None) -> None:
    """Refuse an option that is no cache.

    Raises
    ------
    TypeError
    """
    if cache is not None:
        arguments.instance_of(cache, BlockCache, "volume: cache")


def reads_of(store: VoxelStore, cache: BlockCache | None, metadata: VoxelsMetadata) -> VoxelStore | CachedReads:
    """Return what serves the reads of a volume: the store itself, where no cache is used."""
    if cache is None or why_unused(store, cache, metadata):
        return store
    return CachedReads(store, cache, metadata)


def why_unused(store: VoxelStore, cache: BlockCache, metadata: VoxelsMetadata) -> str:
    """Say why a volume does not use its cache; empty if it does."""
    if not never_changes(store):
        return "the voxels can change"
    if not store.traits.lasting:
        return "the voxels are in memory"
    cell = _cell_of(store.traits)
    if math.prod(cell[1:]) == 1:
        return "the store has no blocks"
    nbytes = math.prod(cell) * metadata.dtype.itemsize
    if nbytes > store.traits.max_read_bytes or not cache.fits(nbytes):
        return f"a block has {readable(nbytes)}"
    return ""


def _cell_of(traits: StoreTraits) -> tuple[int, ...]:
    """Return the shape of what is kept as a unit: that of the blocks, where they can be read."""
    pairs = zip(traits.chunks, traits.read_grid, strict=True)
    return tuple(chunk if chunk % least == 0 else least for chunk, least in pairs)


def _copy(block: NDArray[Any], place: Box, out: NDArray[Any], box: Box) -> None:
    """Put the voxels that two boxes have in common into the array of the second one."""
    common = place.intersection(box)
    if common is not None:
        copy_tiled(out[common.slices_from(box.start)], block[common.slices_from(place.start)])
