"""A value of DVID as a file to read from, by HTTP Range."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from pyvolume.errors import AnswerError, StoreError
from pyvolume.transport.answer import Answer

Ask = Callable[[int, int, Callable[[Answer], int]], int]
"""Asks for the bytes from the first to the last one, and lets the answer be received."""


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
            answer.expect(wanted, "application/octet-stream")
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
