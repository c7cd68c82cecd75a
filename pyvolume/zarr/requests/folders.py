"""Folders: zarr's store of local files, which tells of which state of a file the bytes are."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from pyvolume.stores.whole import check_absent
from pyvolume.zarr.requests.parts import NOTHING, Part, span


class Folder(LocalStore):
    """zarr's store of local files. It replaces a file as a whole, under its name."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return what is stored under a key, or a part of it; None if nothing is."""
        found = await super().get(key, prototype, byte_range)
        if found is None:
            check_absent(f"{self.root}/{key}")
        return found

    async def part(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest) -> Part:
        """Return a range of bytes of a file, with a stamp that changes when the file does."""
        return await asyncio.to_thread(_part, self.root / key, prototype, byte_range)


def _part(path: Path, prototype: BufferPrototype, byte_range: ByteRequest) -> Part:
    try:
        file = path.open("rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):  # as zarr's own get
        check_absent(str(path))
        return NOTHING
    with file:
        facts = os.fstat(file.fileno())
        wanted = span(byte_range, facts.st_size)
        file.seek(wanted.start)
        found = file.read(max(0, wanted.stop - wanted.start))
    return prototype.buffer.from_bytes(found), (facts.st_ino, facts.st_size, facts.st_mtime_ns)
