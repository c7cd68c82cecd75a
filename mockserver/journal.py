"""Journal: the changes that a server keeps between runs. Each is on disk before it is carried out and answered."""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

HEADER = b'{"mockserver journal": 1}\n'
"""The first line of a journal; a file without it is not a journal."""


class NotKeptError(Exception):
    """The disk did not take a change, which is not carried out then."""


class UnwritableError(NotKeptError):
    """JSON or Python could not take a change back."""


class DamagedError(OSError):
    """The folder has not what the journal wrote."""


class Journal:
    """An append-only file of changes, one JSON object per line, and one file for each body of voxels.

    Parameters
    ----------
    folder : str or path
        The folder of the journal, created if it does not exist. A folder must be empty or written by a journal.

    Raises
    ------
    OSError
        If another server uses the folder, or the folder holds files that no journal wrote.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._voxels = Path(folder) / "voxels"
        self._path = Path(folder) / "journal.jsonl"
        self._numbers = threading.Lock()
        _refuse_foreign(Path(folder), self._path, self._voxels)
        self._voxels.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BlockingIOError(f"another server uses the folder {folder}") from None
        # completes a header that a crash cut short
        _write(self._file, HEADER[self._path.stat().st_size :])
        self._next = max(
            (int(path.stem) + 1 for path in self._voxels.glob("*.raw") if path.stem.isdecimal()), default=0
        )
        _sync_folder(Path(folder))

    def changes(self, carry_out: Callable[[str, dict[str, Any]], None]) -> None:
        """Carry out every change so far, in order.

        An incomplete last line was never answered, and is removed. So is a last line that cannot be carried out.

        Raises
        ------
        DamagedError
            If a line, or a body of voxels, is not as it was written.
        """
        with self._path.open("rb") as file:
            kept = len(file.readline())
            for number, line in enumerate(file, start=2):
                if not line.endswith(b"\n"):
                    break
                try:
                    change = json.loads(line)
                    carry_out(change["operation"], change["arguments"])
                except (OSError, MemoryError):  # another start can carry it out
                    raise
                except Exception as error:
                    if not file.read(1):
                        break
                    raise DamagedError(f"line {number} of {self._path} cannot be carried out: {error!r}") from error
                kept += len(line)
        os.truncate(self._path, kept)

    @contextmanager
    def change(self, operation: str, arguments: dict[str, Any]) -> Iterator[Callable[[], None]]:
        """Write a change, which is on disk when the block begins; an error in the block takes it back.

        Gives a function that keeps the change all the same.

        Raises
        ------
        NotKeptError
            If the disk does not take the change, or nothing could take it back from there.
        """
        line = _encoded(operation, arguments)
        kept = False

        def keep() -> None:
            nonlocal kept
            kept = True

        before = os.fstat(self._file.fileno()).st_size
        try:
            with _kept():
                _write(self._file, line)
                os.fsync(self._file.fileno())
            yield keep
        except BaseException:
            if not kept:
                os.truncate(self._path, before)
            raise

    def read_body(self, name: str, nbytes: int) -> BinaryIO:
        """Open the body of voxels that a change names.

        Raises
        ------
        DamagedError
            If it is missing, or has another length.
        """
        if not re.fullmatch(r"[0-9]+\.raw", name):  # that of no file outside the folder
            raise DamagedError(f"{self._path} names {name!r}, which is no file of voxels")
        path = self._voxels / name
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            raise DamagedError(f"the voxels in {path} are missing") from None
        if found != nbytes:
            raise DamagedError(f"expected {nbytes} bytes of voxels in {path} and found {found}")
        return path.open("rb")

    @contextmanager
    def new_body(self) -> Iterator[Body]:
        """Open a new file for a body of voxels; an error in the block removes it.

        Raises
        ------
        NotKeptError
            If the disk does not take it.
        """
        with self._numbers:
            name, self._next = f"{self._next}.raw", self._next + 1
        path = self._voxels / name
        with _kept():
            file = path.open("xb", buffering=0)
        try:
            with file:
                yield Body(name, file)
        except BaseException:
            with suppress(FileNotFoundError):
                path.unlink()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Body:
    """A new file with a body of voxels."""

    def __init__(self, name: str, file: FileIO) -> None:
        self.name = name
        self._file = file

    def write(self, view: memoryview) -> None:
        """Add bytes."""
        with _kept():
            _write(self._file, view)

    def sync(self) -> None:
        """Let the file be on disk when this returns."""
        with _kept():
            os.fsync(self._file.fileno())
            _sync_folder(Path(self._file.name).parent)


def _write(file: FileIO, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


@contextmanager
def _kept() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotKeptError(f"the change cannot be kept: {error.strerror}") from error


def _encoded(operation: str, arguments: dict[str, Any]) -> bytes:
    """Return a line that gives the same arguments when it is read.

    Raises
    ------
    UnwritableError
    """
    try:
        line = json.dumps({"operation": operation, "arguments": arguments}, allow_nan=False).encode() + b"\n"
        json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnwritableError(f"the change cannot be kept as JSON: {error}") from None
    return line


def _refuse_foreign(folder: Path, journal: Path, voxels: Path) -> None:
    """Refuse a folder that is neither empty nor written by a journal."""
    if not folder.exists():
        return
    begun = b""
    if journal.is_file():
        with journal.open("rb") as file:
            begun = file.read(len(HEADER))
        if begun == HEADER:
            return
    is_other = os.path.lexists(journal) and not journal.is_file()  # opening a pipe could wait for ever
    is_ours = not is_other and HEADER.startswith(begun) and set(folder.iterdir()) <= {journal, voxels}
    if not is_ours or (voxels.exists() and any(voxels.iterdir())):
        raise FileExistsError(
            f"the folder {folder} holds files that the mock server did not write; choose an empty folder"
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
