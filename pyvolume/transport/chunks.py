"""Chunks: a body with ``Transfer-Encoding: chunked``, as a stream of what the chunks hold."""

from __future__ import annotations

import contextlib
import http.client
import io
import re
from typing import Any, Protocol

WINDOW = 1 << 17
"""Bytes that are received at a time, and then searched for chunks."""

IN_PLACE = 1 << 16
"""So many bytes of one chunk are received where they belong."""

MOST_BESIDE = 1 << 12
"""Bytes of what is between two chunks, and of each trailer; Go's client has the same limit."""

MOST_TRAILERS = 100
"""Lines behind the last chunk."""

FIRST = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
"""The line in front of the first chunk."""

NEXT = re.compile(rb"\r\n" + FIRST.pattern)
"""What is between two chunks."""


class Stream(Protocol):
    """What arrives on a connection."""

    def readinto(self, view: memoryview, /) -> int:
        """Fill a view, unless the connection ends before; return how many bytes have come."""

    def read1(self, most: int, /) -> bytes:
        """Return some bytes, none at the end of the connection."""


class ChunkedBody(io.RawIOBase):
    """What the chunks of one body hold.

    http.client would do the same, with several calls in Python and two copies for each chunk.

    Parameters
    ----------
    stream : Stream
        The connection, whose next byte is that of the first chunk.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._window = b""
        self._at = 0
        self._left = 0
        self._begin = FIRST
        self._has_ended = False

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, target: Any, /) -> int:
        """Fill a flat view of bytes, unless the body ends before.

        Raises
        ------
        http.client.HTTPException
            If the connection ends inside the body, or something is between two chunks that does not belong there.
        """
        view, got = memoryview(target), 0
        while got < len(view) and (self._left or self._begin_chunk()):
            count = min(self._left, len(view) - got)
            if self._at < len(self._window):
                got += self._give(view[got:])
            elif count < IN_PLACE:
                self._receive()
            else:
                received = self._stream.readinto(view[got : got + count])
                if not received:
                    raise http.client.IncompleteRead(b"")
                got += received
                self._left -= received
        return got

    def _give(self, view: memoryview) -> int:
        """Copy what is in the window, from this chunk and from those that follow; return how many bytes."""
        window, held, at, left = self._window, memoryview(self._window), self._at, self._left
        got, want, end = 0, len(view), len(window)
        while count := min(left, want - got, end - at):
            view[got : got + count] = held[at : at + count]
            got += count
            at += count
            left -= count
            if not left and (found := NEXT.match(window, at)) and (size := int(found[1], 16)):
                at, left = found.end(), size
        self._at, self._left = at, left
        return got

    @property
    def has_rest(self) -> bool:
        """Whether bytes were received that do not belong to the chunks that were given."""
        return self._at < len(self._window)

    def _begin_chunk(self) -> bool:
        """Read the length of the next chunk; return False at the end of the body."""
        if self._has_ended:
            return False
        while not (found := self._begin.match(self._window, self._at)):
            if not self._may_begin():
                raise http.client.HTTPException(f"no chunk begins with {self._window[self._at : self._at + 20]!r}")
            self._receive()
        self._at, self._left, self._begin = found.end(), int(found[1], 16), NEXT
        if not self._left:
            self._skip_trailers()
            self._has_ended = True
        return not self._has_ended

    def _may_begin(self) -> bool:
        """Whether what is in front of a chunk may only be incomplete."""
        rest = self._window[self._at : self._at + MOST_BESIDE]
        if len(rest) == MOST_BESIDE:
            return False
        return b"\n" not in rest if self._begin is FIRST else b"\r\n".startswith(rest[:2]) and rest.count(b"\n") < 2

    def _skip_trailers(self) -> None:
        """Read what is behind the last chunk, up to an empty line; as for http.client, the connection may end there."""
        with contextlib.suppress(http.client.IncompleteRead):
            for _ in range(MOST_TRAILERS + 1):
                if self._line() in {b"\r\n", b"\n"}:
                    return
            raise http.client.HTTPException(f"more than {MOST_TRAILERS} lines behind the last chunk")

    def _line(self) -> bytes:
        """Read a line with its end."""
        while not (end := self._window.find(b"\n", self._at) + 1):
            if len(self._window) - self._at > MOST_BESIDE:
                raise http.client.LineTooLong("trailer")
            self._receive()
        line, self._at = self._window[self._at : end], end
        return line

    def _receive(self) -> None:
        """Receive some bytes more."""
        more = self._stream.read1(WINDOW)
        if not more:
            raise http.client.IncompleteRead(b"")
        self._window = self._window[self._at :] + more
        self._at = 0
