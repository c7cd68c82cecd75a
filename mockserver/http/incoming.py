"""Bodies of requests, with a length or in chunks, read on demand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from io import BufferedIOBase

from mockserver.http.messages import Refused

SCRATCH_BYTES = 1 << 20


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

    @classmethod
    def of(cls, headers: Message, stream: BufferedIOBase, invite: Callable[[], None]) -> IncomingBody:
        """Return the body that the headers describe."""
        waits = invite if headers.get("Expect", "").lower() == "100-continue" else None
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            return cls(stream, None, waits)
        text = headers.get("Content-Length", "0").strip()
        return cls(stream, int(text) if text.isdigit() else 0, waits)

    def readinto(self, view: memoryview) -> int:
        """Read up to ``len(view)`` bytes into `view`; return their number.

        Raises
        ------
        ConnectionError
            If the client disconnects first.
        Refused
            If its chunks are malformed.
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

    def read(self) -> bytes:
        """Return the rest of the body."""
        found = bytearray()
        scratch = memoryview(bytearray(SCRATCH_BYTES if self.length is None else min(self._left, SCRATCH_BYTES)))
        while not self.finished:
            found += scratch[: self.readinto(scratch)]
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
            raise ConnectionResetError("the client disconnected in the middle of a body")
        self.received += count
        self._left -= count
        if self._left == 0 and self.length is not None:
            self.finished = True
        return count

    def _next_chunk(self) -> None:
        if self.received:
            self._stream.readline(3)
        line = self._stream.readline(64).partition(b";")[0].strip()
        try:
            self._left = int(line, 16)
        except ValueError:
            self._broken = True
            raise Refused("invalid byte in chunk length") from None
        if self._left == 0:
            while self._stream.readline(65537).strip():
                pass
            self.finished = True
