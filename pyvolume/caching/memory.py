"""Blocks in memory: the least recently used ones go first."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import OrderedDict
from typing import Any, TypeAlias

from numpy.typing import NDArray

from pyvolume.calls.processes import OfProcess

BlockKey: TypeAlias = "tuple[str, tuple[int, ...]]"
"""The name of the voxels, and the first voxel of a block."""

OVERHEAD = 512
"""Bytes that an entry needs besides its voxels: the array, the key, and the place in the table."""


class MemoryBlocks:
    """Blocks in the memory of this process, of so many bytes at most; safe for threads, forks and Ctrl-C.

    Parameters
    ----------
    most : int
        Bytes of all blocks, `OVERHEAD` included.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._blocks: OrderedDict[BlockKey, NDArray[Any]] = OrderedDict()
        self._nbytes = 0
        self._changes = 0
        self._is_torn = False
        self._locks = OfProcess(threading.RLock)  # a signal handler may come between any two statements

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks, `OVERHEAD` included."""
        with self._locks[os.getpid()]:
            return self._counted()

    def get(self, key: BlockKey) -> NDArray[Any] | None:
        """Return a block, which is not to be changed, or None."""
        with self._locks[os.getpid()]:
            block = self._blocks.get(key)
            if block is not None:
                with contextlib.suppress(KeyError):  # a signal handler has removed it meanwhile
                    self._blocks.move_to_end(key)
            return block

    def put(self, key: BlockKey, block: NDArray[Any]) -> None:
        """Keep a block, and remove those that were not used for the longest time."""
        self._change(key, block)

    def discard(self, key: BlockKey) -> None:
        """Remove a block, if it is there."""
        self._change(key, None)

    def clear(self) -> None:
        """Remove all blocks."""
        with self._locks[os.getpid()]:
            self._is_torn = True
            self._changes += 1
            self._blocks.clear()

    def fits(self, nbytes: int) -> bool:
        """Whether a block of this size can be kept."""
        return nbytes + OVERHEAD <= self._most

    def _change(self, key: BlockKey, block: NDArray[Any] | None) -> None:
        with self._locks[os.getpid()]:
            self._changes += 1
            change = self._changes
            self._nbytes = self._counted()
            self._is_torn = True
            old = self._blocks.pop(key, None)
            self._nbytes -= _cost(old)
            if block is not None and self.fits(block.nbytes):
                self._blocks[key] = block
                self._nbytes += _cost(block)
            while self._nbytes > self._most and self._blocks:
                self._nbytes -= _cost(self._blocks.popitem(last=False)[1])
            # another change came in between from a signal handler: the sum is not to be trusted
            self._is_torn = self._changes != change

    def _counted(self) -> int:
        """Return the sum of the bytes; it is added up anew after a change that did not end."""
        return sum(map(_cost, list(self._blocks.values()))) if self._is_torn else self._nbytes


def _cost(block: NDArray[Any] | None) -> int:
    return 0 if block is None else block.nbytes + OVERHEAD
