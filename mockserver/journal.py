"""Journal: the changes that a server keeps between runs. Each is on disk before its request is answered."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

HEADER = b'{"mockserver journal": 1}\n'
"""The first line of a journal; a file without it is not a journal."""


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
        self._file: BinaryIO = self._path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BlockingIOError(f"another server uses the folder {folder}") from None
        # completes a header that a crash cut short
        self._file.write(HEADER[self._path.stat().st_size :])
        self._file.flush()
        self._next = max((int(path.stem) + 1 for path in self._voxels.glob("*.raw") if path.stem.isdigit()), default=0)
        _sync_folder(Path(folder))

    def changes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield operation and arguments of every change so far; an incomplete last line is removed."""
        kept = len(HEADER)
        with self._path.open("rb") as file:
            file.seek(kept)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # a crash cut it short, so it was never answered
                change = json.loads(line)
                kept += len(line)
                yield change["operation"], change["arguments"]
        os.truncate(self._path, kept)

    def append(self, operation: str, arguments: dict[str, Any]) -> None:
        """Write a change; it is on disk when this returns."""
        self._file.write(json.dumps({"operation": operation, "arguments": arguments}).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def read_body(self, name: str) -> BinaryIO:
        """Open the body of voxels that a change names."""
        return (self._voxels / name).open("rb")

    @contextmanager
    def new_body(self) -> Iterator[tuple[str, BinaryIO]]:
        """Open a new file for a body of voxels; at the end of the block it is on disk, on an error it is removed."""
        with self._numbers:
            name, self._next = f"{self._next}.raw", self._next + 1
        path = self._voxels / name
        try:
            with path.open("xb") as file:
                yield name, file
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self._voxels)
        except FileExistsError:
            raise
        except BaseException:
            with suppress(FileNotFoundError):
                path.unlink()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


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
    is_ours = HEADER.startswith(begun) and set(folder.iterdir()) <= {journal, voxels}
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
