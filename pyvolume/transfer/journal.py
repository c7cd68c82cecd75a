"""Journal: which pieces of a copy are finished, in a file that outlives the process."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pyvolume.errors import MetadataError
from pyvolume.model.box import Box

FORM = 1
"""Goes up when the lines change their meaning."""


class Journal:
    """The finished pieces of one copy: a file of JSON lines that is only ever appended to.

    The first line says which copy it is of, each other line holds one finished piece. A line that was torn by the end
    of the process, or that cannot be read, is ignored: its piece is copied again. The file is not locked.

    Parameters
    ----------
    path : path
        Made if it is not there.
    copied : mapping of str to str
        What tells this copy from any other.
    pieces : sequence of Box
        All of them, in order.

    Attributes
    ----------
    finished : dict of Box to str
        The finished pieces, and the checksums of their voxels.

    Raises
    ------
    MetadataError
        If the file is the journal of another copy, or no journal at all. It is left as it is.
    """

    def __init__(self, path: str | os.PathLike[str], copied: Mapping[str, str], pieces: Sequence[Box]) -> None:
        try:
            self._path = Path(path)
            self._path.stat()
        except FileNotFoundError:
            pass
        except (TypeError, ValueError):
            raise TypeError(f"journal: expected a path and found {path!r}") from None
        self._numbers = {box: number for number, box in enumerate(pieces)}
        self._lock = threading.Lock()
        self.finished: dict[Box, str] = {}
        header = {"pyvolume copy": FORM, **copied, "plan": _hash_of(pieces)}
        is_begun, is_torn = self._load(header)
        self._file = self._path.open("ab", buffering=0)
        if is_torn:
            self._file.write(b"\n")
        if not is_begun:
            self._append(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; pieces that finish later are not written down."""
        with self._lock:
            self._file.close()

    def add(self, box: Box, checksum: str) -> None:
        """Write down that a piece is finished; it is on the disk when this returns."""
        with self._lock:
            # a thread that Ctrl-C left behind may come after the end
            if not self._file.closed:
                self._append({"piece": self._numbers[box], "box": [box.start, box.stop], "checksum": checksum})
                self.finished[box] = checksum

    def _append(self, line: Mapping[str, Any]) -> None:
        self._file.write(_encoded(line))
        os.fsync(self._file.fileno())

    def _load(self, header: Mapping[str, Any]) -> tuple[bool, bool]:
        """Read what is there; return whether it has a header, and whether its last line is torn."""
        lines = list(_lines_of(self._path))
        is_torn = bool(lines) and not lines[-1].endswith(b"\n")
        readable = [document for document in map(_decoded, lines) if document is not None]
        if readable:
            self._check_header(readable[0], header)
        elif not all(_encoded(header).startswith(line.rstrip(b"\n")) for line in lines):
            raise MetadataError(f"resume copy: {self._path} is not the journal of a copy")
        for document in readable[1:]:
            self._note(document)
        return bool(readable), is_torn

    def _check_header(self, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        if "pyvolume copy" not in found:
            raise MetadataError(f"resume copy: {self._path} is not the journal of a copy")
        for name, value in expected.items():
            if found.get(name) != value:
                raise MetadataError(
                    f"resume copy: {self._path} is the journal of another copy: "
                    f"expected {name} {value} and found {found.get(name)}",
                    path=f"$.{name}",
                )

    def _note(self, document: Mapping[str, Any]) -> None:
        """Count a piece as finished if the line is whole and of this plan."""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            start, stop = document["box"]
            box = Box(tuple(start), tuple(stop))
            if self._numbers.get(box) == document["piece"]:
                self.finished[box] = str(document["checksum"])


def _lines_of(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from file


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _hash_of(pieces: Sequence[Box]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for box in pieces:
        digest.update(str(box).encode())
    return f"{len(pieces)} pieces {digest.hexdigest()}"
