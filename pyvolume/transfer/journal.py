"""Journal: which pieces of a copy are finished, in a file that outlives the process."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pyvolume.errors import BusyError, MetadataError, SelectionError
from pyvolume.model.box import Box

if sys.platform != "win32":
    import fcntl

LONGEST = 1 << 16
"""Bytes of a line, at most."""

FORM = 3
"""Goes up when the lines change their meaning."""


class Journal:
    """The finished pieces of one copy: a file of JSON lines that is only ever appended to.

    The first line says which copy it is of, each other line holds one finished piece. A line that was torn by the end
    of the process, or that cannot be read, is ignored: its piece is copied again. Where another header follows, the
    copy began anew. The file is locked until it is closed.

    Parameters
    ----------
    path : path
        Made if it is not there.
    copied : mapping of str to str
        What tells this copy, and how it is cut into pieces, from any other.
    box : Box
        What is copied.
    source : str
        Names what the source has now.
    destination : callable
        Names what the destination has now, after each piece.

    Attributes
    ----------
    path : Path
        The file.
    finished : dict of Box to str
        The finished pieces, and the checksums of their voxels.
    knows_source, knows_destination : bool
        Whether the source, and the destination, are known to be those of the finished pieces.

    Raises
    ------
    MetadataError
        If the file is the journal of another copy, or no journal at all. It is left as it is.
    BusyError
        If another copy uses the journal.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        copied: Mapping[str, str],
        box: Box,
        *,
        source: str,
        destination: Callable[[], str],
    ) -> None:
        try:
            self.path = Path(path)
            self._file = self.path.open("a+b", buffering=0)
        except (TypeError, ValueError):
            raise TypeError(f"journal: expected a path and found {path!r}") from None
        self._box = box
        self._lock = threading.Lock()
        self._identity = destination
        self.finished: dict[Box, str] = {}
        self._header = {"pyvolume copy": FORM, **copied, "source identity": source}
        self._found: dict[str, Any] = {"source identity": source, "destination identity": ""}
        try:
            self._hold()
            self._begin()
        except BaseException:
            self._file.close()
            raise
        self.knows_source = self._found["source identity"] == source
        self.knows_destination = self._found["destination identity"] == destination() != ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; pieces that finish later are not written down."""
        with self._lock:
            self._file.close()

    def renew(self) -> None:
        """Forget the finished pieces."""
        with self._lock:
            self._append(self._header)
            self.finished.clear()

    def add(self, box: Box, checksum: str) -> None:
        """Write down that a piece is finished; it is on the disk when this returns."""
        with self._lock:
            # a thread that Ctrl-C left behind may come after the end
            if not self._file.closed:
                piece = {"box": [box.start, box.stop], "checksum": checksum}
                self._append({**piece, "destination identity": self._identity()})
                self.finished[box] = checksum

    def _append(self, line: Mapping[str, Any]) -> None:
        self._write(_encoded(line))

    def _write(self, encoded: bytes) -> None:
        try:
            if self._file.write(encoded) < len(encoded):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(error.errno, f"write the journal {self.path}: {error.strerror}") from error

    def _hold(self) -> None:
        """Keep the file from other copies, where the system has locks."""
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"resume copy: another copy uses the journal {self.path}") from None
        except OSError:  # some file systems have no locks
            return

    def _begin(self) -> None:
        """Read what is there, and write the header if there is none."""
        is_begun, last = False, b"\n"
        for last in self._lines():
            document = _decoded(last)
            is_begun = is_begun or (document is not None and "pyvolume copy" in document)
            # a header can be torn
            if not is_begun and (document is not None or not _encoded(self._header).startswith(last.rstrip(b"\n"))):
                raise MetadataError(f"resume copy: {self.path} is not the journal of a copy")
            if document is not None:
                self._note(document)
        if not last.endswith(b"\n"):
            self._write(b"\n")
        if not is_begun:
            self._append(self._header)

    def _lines(self) -> Iterator[bytes]:
        """Read the lines of a file; what is longer than a line can be comes in parts."""
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise MetadataError(f"resume copy: {self.path} is not the journal of a copy")
        with open(self._file.fileno(), "rb", closefd=False) as reader:
            reader.seek(0)
            yield from iter(lambda: reader.readline(LONGEST), b"")

    def _note(self, document: Mapping[str, Any]) -> None:
        """Follow one line: a header, or a piece."""
        if "pyvolume copy" in document:
            self._check_header(document)
            self.finished.clear()
            self._found = {"source identity": document.get("source identity"), "destination identity": ""}
            return
        with contextlib.suppress(KeyError, TypeError, ValueError, SelectionError):
            start, stop = document["box"]
            box = Box(start, stop)
            if self._box.contains(box):
                self.finished[box] = str(document["checksum"])
                self._found["destination identity"] = document.get("destination identity")

    def _check_header(self, found: Mapping[str, Any]) -> None:
        for name, value in self._header.items():
            if name != "source identity" and found.get(name) != value:
                raise MetadataError(
                    f"resume copy: {self.path} is the journal of another copy: "
                    f"expected {name} {value} and found {found.get(name)}",
                    path=f"$.{name}",
                )


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
