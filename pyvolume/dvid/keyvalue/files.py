"""Large values of DVID: as a file to read from, in parts, from and to files; methods of `KeyValue`."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from pyvolume.errors import AnswerError, StoreError, UnsupportedError
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Upload

if TYPE_CHECKING:
    from pyvolume.dvid.keyvalue.mapping import KeyValue

PIECE_BYTES = 1 << 20
"""Bytes of a value that are in memory at once, where it goes to a file or comes from one."""

VALUE_TYPE = "application/octet-stream"

Ask = Callable[[int, int, Callable[[Answer], int]], int]
"""Asks for the bytes from the first to the last one, and lets the answer be received."""


def read(self: KeyValue, key: str, start: int = 0, stop: int | None = None) -> bytes:
    """Return the bytes from `start` to `stop` of a value, as ``value[start:stop]``; no others are sent.

    Parameters
    ----------
    key : str
    start, stop : int
        Not below 0; None for the end.
    """
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"{self._action('read', key)}: bytes are counted from 0, not {start}:{stop}")
    if stop is not None and stop <= start:
        return read(self, key, start, start + 1)[:0]  # it may be missing
    action = self._action("read", key)

    def receive(answer: Answer) -> bytes:
        nbytes, _ = part(action, answer, start)
        answer.expect(nbytes, VALUE_TYPE)
        data = bytearray(nbytes)
        answer.read_into(memoryview(data))
        answer.finish()
        return bytes(data)

    return self._get(key, receive, b"", (start, None if stop is None else stop - 1))


def read_into(self: KeyValue, key: str, file: BinaryIO) -> int:
    """Write a value into a file, piece by piece, and return how many bytes that were.

    It is one request: the value is as it was at one moment. After an interruption it begins anew, at the same
    position of the file.

    Parameters
    ----------
    key : str
    file : binary file
        That can seek; use `open` for others.
    """
    if not file.seekable():
        raise UnsupportedError(f"{self._action('read', key)}: expected a file that can seek; open(key) needs none")
    begin = file.tell()

    def receive(answer: Answer) -> int:
        file.seek(begin)
        file.truncate()
        answer.expect(None, VALUE_TYPE)
        return sum(file.write(piece) for piece in iter(lambda: answer.read(PIECE_BYTES), b""))

    return self._get(key, receive, 0)


def write_from(self: KeyValue, key: str, file: BinaryIO) -> None:
    """Write what a file holds from its present position on, piece by piece.

    Parameters
    ----------
    key : str
    file : binary file
        That can seek, because the server wants to know the length first.
    """
    action = self._action("write", key)
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

    self._put(key, Upload(nbytes, chunks))


def open_value(self: KeyValue, key: str) -> io.BufferedReader:
    """Return a value as a file to read from, which asks for pieces when they are needed and can seek.

    If somebody writes the value meanwhile, the pieces do not belong together; another length is an error.
    """
    action = self._action("read", key)

    def length(answer: Answer) -> int:
        answer.read()
        return part(action, answer, 0)[1]

    def ask(first: int, last: int, receive: Callable[[Answer], int]) -> int:
        return self._get(key, receive, 0, (first, last))

    return io.BufferedReader(ValueFile(action, self._get(key, length, 0, (0, 0)), ask), PIECE_BYTES)


class ValueFile(io.RawIOBase):
    """A value that is read where and when it is needed.

    Parameters
    ----------
    action : str
        What the user wants, as errors say it.
    nbytes : int
        Length of the value; a value that has another one later has changed.
    ask : callable
    """

    def __init__(self, action: str, nbytes: int, ask: Ask) -> None:
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
        data = bytearray(max(0, self._nbytes - self._at))
        self.readinto(data)
        return bytes(data)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self._nbytes - self._at))
        if not wanted:
            return 0

        first = self._at

        def receive(answer: Answer) -> int:
            if part(self._action, answer, first)[1] != self._nbytes:
                return 0
            answer.expect(wanted, VALUE_TYPE)
            answer.read_into(view[:wanted])
            answer.finish()
            return wanted

        # an answer without bytes would pass for the end of the file
        if self._ask(first, first + wanted - 1, receive) != wanted:
            raise StoreError(f"{self._action}: the value has changed while it was read")
        self._at += wanted
        return wanted


def part(action: str, answer: Answer, first: int) -> tuple[int, int]:
    """Return how many bytes an answer holds, from the first one asked for on, and how many the whole value has.

    Raises
    ------
    AnswerError
        If it does not say, or holds others.
    """
    said = answer.headers.get("Content-Range", "")
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", said)
    if found is None or int(found[1]) != first:
        raise AnswerError(f"{action}: expected the bytes from {first} on and found {said or 'no Content-Range'}")
    return int(found[2]) - first + 1, int(found[3])
