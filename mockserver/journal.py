"""What a server keeps between runs: every change, written and synced before it is answered."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


class Journal:
    """An append-only file of changes, one JSON object a line, and one file for each body of voxels.

    Parameters
    ----------
    folder : str or path
        Made if it does not exist.

    Raises
    ------
    OSError
        If another server has the folder: what one of them adds, the other would take for left over.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._voxels = Path(folder) / "voxels"
        self._voxels.mkdir(parents=True, exist_ok=True)
        self._path = Path(folder) / "journal.jsonl"
        self._numbers = threading.Lock()
        self._next = 0
        self._file: BinaryIO = self._path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BlockingIOError(f"another server has the folder {folder}") from None
        _sync_folder(Path(folder))

    def changes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield operation and arguments of every change so far, and forget what was never completed."""
        kept, used = 0, set[str]()
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # a crash cut it short, so it was never answered
                change = json.loads(line)
                kept += len(line)
                used.add(change["arguments"].get("body", ""))
                yield change["operation"], change["arguments"]
        os.truncate(self._path, kept)
        for path in self._voxels.iterdir():
            self._next = max(self._next, int(path.stem) + 1)
            if path.name not in used:
                path.unlink()

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
        """Open a new file for a body of voxels; it is on disk at the end of the block, gone on an error."""
        with self._numbers:
            name, self._next = f"{self._next}.raw", self._next + 1
        path = self._voxels / name
        try:
            with path.open("wb") as file:
                yield name, file
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self._voxels)
        except BaseException:
            with suppress(FileNotFoundError):
                path.unlink()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
