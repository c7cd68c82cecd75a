"""A server that answers with the bytes it is given, whatever they are."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from typing import BinaryIO, Self, cast


class ScriptedServer:
    """Answers each request with the next of some byte strings, and closes the connection after those listed.

    Parameters
    ----------
    answers : iterable of bytes, or of iterables of bytes
        An iterable is sent piece by piece, until the client hangs up.
    closing : iterable of int
        Which answers are followed by the end of the connection.
    slow_start : threading.Event, optional
        The body of a request is not read before this is set.
    """

    def __init__(
        self,
        answers: Iterable[bytes | Iterable[bytes]],
        closing: Iterable[int] = (),
        *,
        slow_start: threading.Event | None = None,
    ) -> None:
        self._answers = list(enumerate(answers))
        self._closing = set(closing)
        self._slow_start = slow_start
        self.connections = 0
        self.bytes_sent = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._current: socket.socket | None = None
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for each in (self._socket, self._current):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while self._answers:
            try:
                self._current, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with contextlib.suppress(OSError), self._current, self._current.makefile("rb") as stream:
                while self._answers and self._answer(cast("BinaryIO", stream)):
                    pass

    def _answer(self, stream: BinaryIO) -> bool:
        assert self._current is not None
        head = read_head(stream)
        if not head:
            return False
        if self._slow_start is not None:
            self._slow_start.wait(10)
        self.heads.append(head.decode())
        self.bodies.append(read_body(stream, head))
        number, answer = self._answers.pop(0)
        for piece in [answer] if isinstance(answer, bytes) else answer:
            self._current.sendall(piece)
            self.bytes_sent += len(piece)
        return number not in self._closing


def read_head(stream: BinaryIO) -> bytes:
    """Read the head of a request; it is empty if the client has hung up."""
    head = b""
    while line := stream.readline():
        head += line
        if line == b"\r\n":
            break
    return head


def read_body(stream: BinaryIO, head: bytes) -> bytes:
    """Read the body that follows a head, of the length that the head says."""
    lengths = [line.split(b":")[1] for line in head.splitlines() if line.lower().startswith(b"content-length")]
    return stream.read(int(lengths[0])) if lengths else b""


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Make an answer with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(body: bytes, *headers: str, size: int = 1000) -> bytes:
    """Make an answer without a length."""
    lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]
    chunks = [body[i : i + size] for i in range(0, len(body), size)]
    coded = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return "\r\n".join([*lines, "", ""]).encode() + coded + b"0\r\n\r\n"
