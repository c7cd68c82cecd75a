"""Bodies of requests, with a length or in chunks, read on demand; chunks are read and refused as in Go."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from io import BufferedIOBase

from mockserver.http.messages import Declined, Refused

SCRATCH_BYTES = 1 << 20

KEPT_BYTES = 256 << 20
"""The longest body that is kept as a whole; the voxels of ``raw`` are not."""

LINE_BYTES = 4096
"""The longest line before a chunk, and the longest trailer."""

EXCESS_BYTES = 16 * 1024
"""The most bytes that are not data, beyond 16 for each chunk and two for each byte of data."""


class IncomingBody:
    """The body of one request, read from the connection on demand.

    Parameters
    ----------
    stream : binary file
        The connection.
    length : int or None
        Bytes; None if the body is sent in chunks.
    invite : callable, optional
        Called before the first byte is read, for a client that sent ``Expect: 100-continue``.
    """

    def __init__(self, stream: BufferedIOBase, length: int | None, invite: Callable[[], None] | None = None) -> None:
        self.length = length
        self.received = 0
        self.finished = length == 0
        self._stream = stream
        self._left = length if length is not None else 0
        self._invite = invite
        self._broken = False
        self._excess = 0

    def readinto(self, view: memoryview) -> int:
        """Read up to ``len(view)`` bytes into `view`; return their number.

        Raises
        ------
        Refused
            If the body ends too early, or its chunks are malformed.
        """
        if self._invite and not self.finished:
            self._invite()
            self._invite = None
        filled = 0
        while filled < len(view) and not self.finished:
            if self._left == 0:
                self._next_chunk()
                continue
            filled += self._read_some(view[filled : filled + self._left])
        return filled

    def read(self, most: int | None = None) -> bytes:
        """Return the rest of the body, or the next `most` bytes of it.

        Raises
        ------
        Declined
            If this is more than a server keeps in memory.
        """
        found = bytearray()
        scratch = memoryview(bytearray(SCRATCH_BYTES if self.length is None else min(self._left, SCRATCH_BYTES)))
        while not self.finished and (most is None or len(found) < most):
            found += scratch[: self.readinto(scratch if most is None else scratch[: most - len(found)])]
            if len(found) > KEPT_BYTES:
                raise Declined(413, f"this mock server keeps bodies of at most {KEPT_BYTES} bytes")
        return bytes(found)

    def drain(self) -> int:
        """Discard the rest of the body; return the length of the whole body."""
        scratch = memoryview(bytearray(SCRATCH_BYTES))
        while not self.finished:
            self.readinto(scratch)
        return self.received

    def skip(self, limit: int) -> bool:
        """Discard the rest of the body if it is shorter than `limit`; return whether the body has ended."""
        if self.finished:
            return True
        if self._invite or self._broken or (self.length is not None and self._left >= limit):
            return False
        with suppress(Refused):
            self.readinto(memoryview(bytearray(limit)))
        return self.finished

    def _read_some(self, view: memoryview) -> int:
        count: int = self._stream.readinto(view)
        if count < len(view):
            raise self._refused("unexpected EOF")
        self.received += count
        self._left -= count
        if self._left == 0 and self.length is not None:
            self.finished = True
        return count

    def _next_chunk(self) -> None:
        if self.received and self._stream.read(2) != b"\r\n":
            raise self._refused("malformed chunked encoding")
        line = self._read_line("header line too long", LINE_BYTES)
        self._left = self._parse_size(line)
        self._excess = max(0, self._excess + len(line) + 2 - 16 - 2 * self._left)
        if self._excess > EXCESS_BYTES:
            raise self._refused("chunked encoding contains too much non-data")
        if self._left == 0:
            self._read_trailer()
            self.finished = True

    def _parse_size(self, line: bytes) -> int:
        digits = line.rstrip(b" \t\r\n").partition(b";")[0]
        if not digits:
            raise self._refused("empty hex number for chunk length")
        if not re.fullmatch(b"[0-9a-fA-F]+", digits):
            raise self._refused("invalid byte in chunk length")
        if len(digits) > 16:
            raise self._refused("http chunk length too large")
        return int(digits, 16)

    def _read_trailer(self) -> None:
        left = LINE_BYTES
        while line := self._read_line("http: suspiciously long trailer after chunked body", left).strip():
            if b":" not in line:
                raise self._refused(f'malformed MIME header: missing colon: "{line.decode("latin-1")}"')
            left -= len(line) + 2

    def _read_line(self, too_long: str, most: int) -> bytes:
        line = self._stream.readline(most + 1)
        if len(line) > most:
            raise self._refused(too_long)
        if not line.endswith(b"\n"):
            raise self._refused("unexpected EOF")
        if not line.endswith(b"\r\n"):
            raise self._refused("chunked line ends with bare LF")
        return line

    def _refused(self, complaint: str) -> Refused:
        """Return the refusal of a body that cannot be read further."""
        self._broken = True
        return Refused(complaint)
