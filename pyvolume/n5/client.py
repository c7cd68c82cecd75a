"""Files of N5: attributes and blocks, read and written below one folder."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Slots
from pyvolume.errors import AnswerError, MetadataError, NotFoundError
from pyvolume.model.units import readable
from pyvolume.n5.refusals import told
from pyvolume.stores.base import at_once
from pyvolume.stores.whole import check_absent, store_whole
from pyvolume.transport.documents import JsonReader

ATTRIBUTES = "attributes.json"
"""The file of the attributes of a group or a dataset."""

LARGEST_DOCUMENT = 16 << 20
"""Bytes of the largest attributes that are read."""


class Client:
    """Reads and writes the files below a folder; it can be pickled, and used in a process made by fork.

    Parameters
    ----------
    folder : Path
        Absolute. The paths of all methods are relative to it, with slashes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._slots = Slots(at_once())

    def __reduce__(self) -> tuple[type[Client], tuple[Path]]:
        return Client, (self.folder,)

    @contextlib.contextmanager
    def working(self, call: Call) -> Iterator[None]:
        """Hold one of the slots of this folder."""
        hold = threading.Lock()
        try:
            with hold:
                call.take(self._slots, hold)
                yield
        finally:
            call.give_back(hold)

    def full(self, path: str) -> str:
        """Return the full path of a file, for messages."""
        return inside(self.folder.as_posix(), path) if path else str(self.folder)

    def get(self, path: str, memory: memoryview, call: Call) -> memoryview | None:
        """Read a file into memory, and return the filled part; None if there is no such file.

        Parameters
        ----------
        path : str
            Of the file.
        memory : memoryview
            Flat bytes; a larger file is refused.
        call : Call
            The operation that this belongs to; its deadline is kept.

        Raises
        ------
        AnswerError
            If it is no file, a larger one, or a link to a file that is not there.
        ForbiddenError, OSError
            If it cannot be read.
        """
        call.remaining()
        call.count(requests=1)
        full = self.full(path)
        try:
            with told("read", full):
                data = _read(full, lambda size: memory[:size], len(memory))
        except FileNotFoundError:
            check_absent(full)
            return None
        call.count(bytes_fetched=len(data))
        call.touch()
        return data

    def document(self, path: str, most: int) -> bytes | None:
        """Read a small file, None if there is none.

        Parameters
        ----------
        path : str
            Of the file.
        most : int
            A larger file is refused, in bytes.

        Raises
        ------
        AnswerError, ForbiddenError, OSError
            As for `get`.
        """
        full = self.full(path)
        try:
            with told("read", full):
                return bytes(_read(full, lambda size: memoryview(bytearray(size)), most))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, path: str, parts: Sequence[bytes | memoryview], call: Call) -> None:
        """Write a file under another name, which then gets its own: nobody reads a half of it.

        Missing folders are made.

        Raises
        ------
        ForbiddenError, OSError
            If it cannot be written; what was there stays.
        """
        call.remaining()
        call.count(requests=1, bytes_sent=sum(map(len, parts)))
        with told("write", self.full(path)):
            store_whole(self.full(path), parts)
        call.touch()

    def has(self, path: str, call: Call | None = None) -> bool:
        """Whether there is a file or a folder."""
        if call is not None:
            call.remaining()
            call.count(requests=1)
        full = self.full(path)
        try:
            with told("look for", full):
                os.stat(full)  # noqa: PTH116
        except FileNotFoundError:
            return False
        return True

    def folders(self, path: str = "") -> list[str]:
        """Return the names of the folders in a folder, sorted; none if there is no such folder."""
        full = self.full(path)
        try:
            with told("list", full), os.scandir(full) as found:
                return sorted(each.name for each in found if each.is_dir() and not each.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def attributes(self, path: str) -> dict[str, Any] | None:
        """Read the attributes of a group or a dataset, None if it has none.

        Raises
        ------
        MetadataError
            If the file holds no JSON object.
        """
        name = inside(path, ATTRIBUTES)
        data = self.document(name, LARGEST_DOCUMENT)
        if data is None:
            return None
        action = f"read {self.full(name)}"
        try:
            document = JsonReader(action, "a file", LARGEST_DOCUMENT).document(data)
        except AnswerError:
            raise MetadataError(f"{action}: expected JSON and found {data[:80]!r}", path="$") from None
        if not isinstance(document, dict):
            raise MetadataError(f"{action}: expected an object and found {type(document).__name__}", path="$")
        return document

    def gone(self, path: str) -> NotFoundError:
        """Return the error for a dataset that is not there."""
        action = f"read {self.full(path)}"
        return NotFoundError(f"{action}: there is no such dataset any more", action=action)


def inside(folder: str, name: str) -> str:
    """Return the path of something in a folder; the empty path is the folder of the client."""
    return f"{folder}/{name}" if folder else name


def _read(path: str, room: Callable[[int], memoryview], most: int) -> memoryview:
    """Read a whole file into memory that `room` returns for its size."""
    with open(path, "rb", buffering=0, opener=_open) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise AnswerError(f"read {path}: expected a file and found something else")
        if found.st_size > most:
            raise AnswerError(
                f"read {path}: expected up to {readable(most)} and found {readable(found.st_size)}",
                expected=most,
                found=found.st_size,
            )
        memory, done = room(found.st_size), 0
        while done < len(memory) and (more := file.readinto(memory[done:])):
            done += more
    return memory[:done]


def _open(path: str, flags: int) -> int:
    """Open a file; a pipe does not keep the caller waiting."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
