"""BlockCache: what several volumes keep of their blocks."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pyvolume.caching.disk import DiskBlocks
from pyvolume.caching.memory import BlockKey, MemoryBlocks
from pyvolume.calls.processes import OfProcess
from pyvolume.model.arguments import brief
from pyvolume.model.table import html_table
from pyvolume.model.units import bytes_of, readable

_LOCKS = OfProcess(threading.RLock)
"""One for all: it is held for a moment."""

_MADE: weakref.WeakValueDictionary[str, BlockCache] = weakref.WeakValueDictionary()
"""The caches of this process, so that volumes that are pickled one by one share them again."""


class BlockCache:
    """Blocks of volumes that cannot change, in memory and on disk.

    Several volumes can share a cache: ``pyvolume.open(url, cache=cache)``. It is used where the voxels never change, as
    in a committed version of DVID. Any other volume opens as well, and does not use it.

    It can be used by several threads, and after a fork. In another process, or unpickled there, it begins with an empty
    memory and the same folder.

    Parameters
    ----------
    memory : int or str
        Bytes of the blocks in memory at most, or a text such as ``"1 GiB"``; 0 keeps none in memory.
    folder : path, optional
        Keeps blocks on disk too, compressed by LZ4. Several processes can share a folder. It is made if it is missing.
        Who can read it can read the voxels, and who can write into it can change what is read.
    disk : int or str
        Bytes of the files in the folder at most. Each further process can exceed it by a sixteenth.

    Raises
    ------
    TypeError, ValueError
        For a size that is none, and for a folder that is no path.
    OSError
        If the folder cannot be made.

    Examples
    --------
    >>> import pyvolume
    >>> cache = pyvolume.BlockCache("512 MiB")
    >>> cache
    <BlockCache 0 B of 512 MiB in memory, 0 hits, 0 misses>
    """

    def __init__(
        self,
        memory: int | str = "1 GiB",
        *,
        folder: str | os.PathLike[str] | None = None,
        disk: int | str = "10 GiB",
    ) -> None:
        if folder is not None and not isinstance(folder, str | os.PathLike):
            raise TypeError(f"BlockCache: expected a folder as a path and found {brief(folder)}")
        self._memory_limit = bytes_of(memory, "BlockCache", "memory")
        self._disk_limit = bytes_of(disk, "BlockCache", "disk")
        self._memory = MemoryBlocks(self._memory_limit)
        self._disk = None if folder is None else DiskBlocks(Path(folder), self._disk_limit)
        self._hits = self._disk_hits = self._misses = 0
        self._name = uuid4().hex
        _MADE[self._name] = self

    def __reduce__(self) -> tuple[Callable[..., BlockCache], tuple[str, int, Path | None, int]]:
        return _restored, (self._name, self._memory_limit, self.folder, self._disk_limit)

    @property
    def folder(self) -> Path | None:
        """Where blocks are kept on disk, if they are."""
        return None if self._disk is None else self._disk.folder

    @property
    def hits(self) -> int:
        """How many blocks were found, in memory or on disk."""
        return self._hits

    @property
    def disk_hits(self) -> int:
        """How many of the blocks that were found came from the disk."""
        return self._disk_hits

    @property
    def misses(self) -> int:
        """How many blocks were not found, and requested."""
        return self._misses

    @property
    def blocks(self) -> int:
        """How many blocks are in memory."""
        return len(self._memory)

    @property
    def nbytes(self) -> int:
        """Bytes that the blocks in memory take; about 500 bytes are added to the voxels of each."""
        return self._memory.nbytes

    @property
    def disk_nbytes(self) -> int:
        """Bytes of the files in the folder, 0 without a folder; it looks at all files."""
        return 0 if self._disk is None else self._disk.nbytes

    def clear(self) -> None:
        """Remove all blocks from memory and from the folder; other files in the folder stay."""
        self._memory.clear()
        if self._disk is not None:
            self._disk.clear()

    def __repr__(self) -> str:
        disk = f", {readable(self._disk_limit)} at most in {self.folder}" if self._disk else ""
        return (
            f"<BlockCache {readable(self.nbytes)} of {readable(self._memory_limit)} in memory{disk}, "
            f"{self.hits} hits, {self.misses} misses>"
        )

    def _repr_html_(self) -> str:
        rows = {
            "memory": f"{readable(self.nbytes)} of {readable(self._memory_limit)}",
            "blocks in memory": str(self.blocks),
            "folder": str(self.folder or ""),
            "disk": f"{readable(self.disk_nbytes)} of {readable(self._disk_limit)}" if self._disk else "",
            "hits": str(self.hits),
            "hits on disk": str(self.disk_hits) if self._disk else "",
            "misses": str(self.misses),
        }
        return html_table(rows)

    def get(self, key: BlockKey, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Return a block, which is not to be changed, or None."""
        block = self._memory.get(key)
        if block is not None and block.shape == shape:
            self._count(hits=1)
            return block
        block = None if self._disk is None else self._disk.get(key, shape, dtype)
        if block is not None:
            self._count(hits=1, disk_hits=1)
            self._memory.put(key, block)
        return block

    def put(self, key: BlockKey, block: NDArray[Any]) -> None:
        """Keep a block, in Fortran order, which is not changed afterwards."""
        self._memory.put(key, block)
        if self._disk is not None:
            self._disk.put(key, block)

    def discard(self, key: BlockKey) -> None:
        """Remove a block, if it is there."""
        self._memory.discard(key)
        if self._disk is not None:
            self._disk.discard(key)

    def missed(self, count: int) -> None:
        """Count blocks that are requested."""
        self._count(misses=count)

    def fits(self, nbytes: int) -> bool:
        """Whether blocks of this size can be kept."""
        return self._memory.fits(nbytes) or (self._disk is not None and self._disk.fits(nbytes))

    def _count(self, *, hits: int = 0, disk_hits: int = 0, misses: int = 0) -> None:
        with _LOCKS[os.getpid()]:
            self._hits += hits
            self._disk_hits += disk_hits
            self._misses += misses


def _restored(name: str, memory: int, folder: Path | None, disk: int) -> BlockCache:
    """Return the cache of a name, which is made once in each process."""
    with _LOCKS[os.getpid()]:
        found = _MADE.get(name)
        if found is None:
            found = BlockCache(memory, folder=folder, disk=disk)
            found._name = name  # noqa: SLF001 - of this module
            _MADE[name] = found
        return found
