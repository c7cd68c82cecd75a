"""Blocks on disk: one file for each, compressed and with a checksum."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import secrets
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lz4.block
import numpy as np
from numpy.typing import NDArray

from pyvolume.caching.memory import BlockKey
from pyvolume.calls.processes import OfProcess

_log = logging.getLogger(__name__)

SUFFIX, UNFINISHED = ".block", ".part"
"""How the names of complete files end, and of those that are being written."""

LZ4, RAW = b"pyvolume lz4", b"pyvolume raw"
"""What a file begins with: how its voxels are stored. A checksum of four bytes follows."""

HEAD = 16
"""Bytes in front of the voxels, which are aligned behind them."""

WORTH = 7 / 8
"""What LZ4 does not make this much smaller is stored as it is, and read twice as fast."""

CLUSTER = 4096
"""File systems store a file in units of so many bytes."""

LEFT = 0.9
"""What a full folder is reduced to, so that the next blocks need no further look at it."""

LOOKS = 16
"""A process looks at the folder again when it has written this part of the limit: others may write there, too."""

ABANDONED = 3600
"""Seconds after which an unfinished file is nobody's."""


class _File(NamedTuple):
    """A file of the folder; the one that was not used for the longest time comes first."""

    used: int
    nbytes: int
    path: Path


class DiskBlocks:
    """Blocks in the files of a folder, which several processes can share.

    A file appears under its name when it is complete. The checksum covers the key and the voxels: a file that is
    damaged, or has the name of another one, is no block. Nothing is locked, and there are no other files.

    Parameters
    ----------
    folder : Path
        Made if it is missing.
    most : int
        Bytes of all files together. Each further process can exceed it by a sixteenth.

    Raises
    ------
    OSError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._most = most
        self._seen: int | None = None
        self._written = 0
        self._locks = OfProcess(threading.RLock)
        self._has_warned = False

    @property
    def nbytes(self) -> int:
        """Bytes of the files; it looks at all of them."""
        return sum(each.nbytes for each in self._files())

    def get(self, key: BlockKey, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
        """Return a block in Fortran order, or None; a damaged file is removed."""
        path, nbytes = self._path(key), math.prod(shape) * dtype.itemsize
        try:
            with path.open("rb") as file:
                found = file.read(HEAD + nbytes + 1)
        except OSError:
            return None
        voxels = _decoded(found, key, nbytes)
        if voxels is None:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):  # the folder can be read-only
            os.utime(path)
        return voxels.view(dtype).reshape(shape, order="F")

    def put(self, key: BlockKey, block: NDArray[Any]) -> None:
        """Keep a block; where the disk is full or fails, a warning is logged once, and the block is not kept."""
        content = _encoded(key, block)
        nbytes = _in_clusters(len(content))
        if nbytes > self._most:
            return
        try:
            _write(self._path(key), content)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                _log.warning("blocks are not kept in %s: %s", self.folder, error.strerror or error)
            return
        with self._locks[os.getpid()]:
            self._written += nbytes
            if self._seen is None or self._seen + self._written > self._most or self._written > self._most // LOOKS:
                self._tidy()

    def discard(self, key: BlockKey) -> None:
        """Remove a block, if it is there."""
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def clear(self) -> None:
        """Remove all blocks; other files of the folder stay."""
        for each in self._files():
            with contextlib.suppress(OSError):
                each.path.unlink()

    def fits(self, nbytes: int) -> bool:
        """Whether a block of this size can be kept, however well it is compressed."""
        return _in_clusters(HEAD + nbytes) <= self._most

    def _tidy(self) -> None:
        """Count the bytes, and remove the files that were not used for the longest time if there are too many."""
        files = sorted(self._files())
        left, now = sum(each.nbytes for each in files), time.time_ns()
        wanted = self._most if left <= self._most else int(LEFT * self._most)
        for each in files:
            is_finished = each.path.suffix == SUFFIX
            if left > wanted if is_finished else now - each.used > ABANDONED * 10**9:
                with contextlib.suppress(OSError):
                    each.path.unlink()
                    left -= each.nbytes
        self._seen, self._written = left, 0

    def _files(self) -> Iterator[_File]:
        """Give the files of this cache."""
        for folder in _listed(self.folder):
            if len(folder.name) != 2 or not folder.is_dir():
                continue
            for file in _listed(Path(folder)):
                if file.name.endswith((SUFFIX, UNFINISHED)):
                    with contextlib.suppress(OSError):
                        facts = file.stat()
                        yield _File(facts.st_mtime_ns, _in_clusters(facts.st_size), Path(file))

    def _path(self, key: BlockKey) -> Path:
        digest = hashlib.blake2b(_text(key), digest_size=16).hexdigest()
        return self.folder / digest[:2] / f"{digest[2:]}{SUFFIX}"


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _text(key: BlockKey) -> bytes:
    return repr(key).encode()


def _encoded(key: BlockKey, block: NDArray[Any]) -> bytes:
    """Return the content of a file."""
    raw = block.reshape(-1, order="F").view(np.uint8)
    voxels = lz4.block.compress(raw, store_size=False)
    kind = LZ4 if len(voxels) < WORTH * raw.size else RAW
    voxels = voxels if kind is LZ4 else raw.tobytes()
    return kind + _checksum(key, kind, voxels) + voxels


def _decoded(found: bytes, key: BlockKey, nbytes: int) -> NDArray[np.uint8] | None:
    """Return the bytes of the voxels of a file, or None if it is damaged."""
    kind, voxels = found[: len(LZ4)], memoryview(found)[HEAD:]
    if kind not in {LZ4, RAW} or found[len(kind) : HEAD] != _checksum(key, kind, voxels):
        return None
    if kind == LZ4:
        try:
            voxels = lz4.block.decompress(voxels, uncompressed_size=nbytes)
        except lz4.block.LZ4BlockError:
            return None
    return np.frombuffer(voxels, np.uint8) if len(voxels) == nbytes else None


def _checksum(key: BlockKey, kind: bytes, voxels: bytes | memoryview) -> bytes:
    return zlib.crc32(voxels, zlib.crc32(_text(key) + kind)).to_bytes(HEAD - len(kind), "little")


def _write(path: Path, content: bytes) -> None:
    """Give a file its name when it is complete."""
    part = path.with_suffix(f".{secrets.token_hex(4)}{UNFINISHED}")
    try:
        try:
            part.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(content)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _in_clusters(nbytes: int) -> int:
    return -(-nbytes // CLUSTER) * CLUSTER
