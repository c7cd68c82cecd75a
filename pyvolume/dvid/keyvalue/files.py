"""Large values: read in parts, read as a file, and copied from and to files."""

from __future__ import annotations

import io
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol, TypeVar

from pyvolume.errors import AnswerError, MetadataError, StoreError, UnsupportedError
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Upload

_T = TypeVar("_T")

PIECE_BYTES = 1 << 20
"""Bytes of a value that are in memory at once, when it is copied to or from a file."""

PART_BYTES = 16 << 20
"""Bytes for which memory is taken before they have arrived: what a server says of its length costs no more."""

VALUE_TYPE = "application/octet-stream"

AskPart = Callable[[int, int, Callable[[Answer], int]], int]
"""Asks for the bytes from the first to the last one, and receives the answer with the third argument."""


class Ask(Protocol):
    """Asks for a value, or for a range of its bytes; returns `empty` if there are none."""

    def __call__(
        self, key: str, receive: Callable[[Answer], _T], empty: _T, byte_range: tuple[int, int | None] | None = None, /
    ) -> _T: ...


def read(ask: Ask, action: str, key: str, start: int = 0, stop: int | None = None) -> bytes:
    """Return the bytes from `start` to `stop` of a value, see `KeyValue.read`."""
    try:
        start, stop = operator.index(start), None if stop is None else operator.index(stop)
    except TypeError:
        raise TypeError(f"{action}: bytes are counted by integers, not {start!r}:{stop!r}") from None
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"{action}: bytes are counted from 0, not {start}:{stop}")
    if stop is not None and stop <= start:
        return read(ask, action, key, start, start + 1)[:0]  # it may be missing

    last = None if stop is None else stop - 1

    def receive(answer: Answer) -> bytes:
        nbytes, _ = part(action, answer, start, last)
        if last is None and nbytes > answer.max_document:
            raise MetadataError(
                f"{action}: {nbytes} bytes are more than {answer.max_document}, the max_document of the Connection; "
                "open and read_into take values of any size"
            )
        answer.expect(nbytes, VALUE_TYPE)
        data = answer.read(nbytes + 1)  # not into an array of this length: what a server says costs no memory
        if len(data) != nbytes:
            raise answer.wrong_length(nbytes, min(len(data), nbytes))
        return data

    return ask(key, receive, b"", (start, last))


def _check_file(action: str, file: object, method: str) -> None:
    """Refuse what is no file, and a file of text."""
    if isinstance(file, io.TextIOBase) or not (hasattr(file, method) and hasattr(file, "seekable")):
        raise TypeError(f"{action}: expected a file that was opened in binary mode and found {type(file).__name__}")


def read_into(ask: Ask, action: str, key: str, file: BinaryIO) -> int:
    """Write a value into a file, and return the number of bytes, see `KeyValue.read_into`."""
    _check_file(action, file, "write")
    if not file.seekable():
        raise UnsupportedError(f"{action}: expected a file that can seek; open(key) needs none")
    begin = file.tell()

    def receive(answer: Answer) -> int:
        file.seek(begin)
        file.truncate()
        answer.expect(None, VALUE_TYPE)
        return sum(file.write(piece) for piece in answer.pieces())

    return ask(key, receive, 0)


def upload(action: str, file: BinaryIO) -> Upload:
    """Return the rest of a file as the body of a request, see `KeyValue.write_from`."""
    _check_file(action, file, "read")
    if not file.seekable():
        raise UnsupportedError(f"{action}: expected a file that can seek, because its length is sent first")
    begin = file.tell()
    nbytes = file.seek(0, io.SEEK_END) - begin

    def chunks() -> Iterator[memoryview]:
        file.seek(begin)
        left = nbytes
        while left:
            piece = file.read(min(left, PIECE_BYTES))
            if not piece:
                raise ValueError(f"{action}: the file has become shorter by {left} bytes")
            left -= len(piece)
            yield memoryview(piece)

    return Upload(nbytes, chunks)


def open_value(ask: Ask, action: str, key: str) -> io.BufferedReader:
    """Return a value as a file to read from, see `KeyValue.open`."""

    def length(answer: Answer) -> int:
        answer.read()
        return part(action, answer, 0, 0)[1]

    def ask_part(first: int, last: int, receive: Callable[[Answer], int]) -> int:
        return ask(key, receive, 0, (first, last))

    return io.BufferedReader(ValueFile(action, ask(key, length, 0, (0, 0)), ask_part), PIECE_BYTES)


class ValueFile(io.RawIOBase):
    """A value as a file; each read asks for the bytes that it needs.

    Parameters
    ----------
    action : str
        What the user wants to do, for the messages of errors.
    nbytes : int
        Length of the value; if the length is another one later, the value has changed.
    ask : callable
        Asks for a part of the value.
    """

    def __init__(self, action: str, nbytes: int, ask: AskPart) -> None:
        super().__init__()
        self._action = action
        self._nbytes = nbytes
        self._ask = ask
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._nbytes}[whence]
        if begin + offset < 0:
            raise ValueError(f"{self._action}: there is no byte {begin + offset}")
        self._at = begin + offset
        return self._at

    def readall(self) -> bytes:
        pieces = []
        while left := max(0, self._nbytes - self._at):
            pieces.append(self.read(min(left, PART_BYTES)))
        return b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._nbytes - self._at))
        if not wanted:
            return 0

        first = self._at

        def receive(answer: Answer) -> int:
            if part(self._action, answer, first, first + wanted - 1)[1] != self._nbytes:
                return 0
            answer.expect(wanted, VALUE_TYPE)
            answer.read_into(view[:wanted])
            answer.finish()
            return wanted

        # BufferedReader would take a short answer for the end of the file
        if self._ask(first, first + wanted - 1, receive) != wanted:
            raise StoreError(f"{self._action}: the value has changed while it was read")
        self._at += wanted
        return wanted


def part(action: str, answer: Answer, first: int, last: int | None) -> tuple[int, int]:
    """Return how many bytes an answer holds, and how many the whole value has.

    Raises
    ------
    AnswerError
        If it does not say, or holds others than from the first to the last one, or to the end of the value.
    """
    said = answer.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", said)
    begin, end, total = map(int, found.groups()) if found else (-1, -1, -1)
    if begin != first or end < begin or end != min(total - 1, total - 1 if last is None else last):
        asked = f"{first} on" if last is None else f"{first} to {last}"
        raise AnswerError(f"{action}: expected the bytes from {asked} and found {said or 'no Content-Range'}")
    return end - first + 1, total
