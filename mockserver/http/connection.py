"""One client's connection: reads requests, sends answers, in Go's manner of HTTP."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections.abc import Iterable, Iterator
from email.message import Message
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

from mockserver.http import misbehaviour
from mockserver.http.incoming import IncomingBody
from mockserver.http.messages import Answer, Bytes, Request, panic
from mockserver.http.targets import Target, parse_target

if TYPE_CHECKING:
    from mockserver.dvid.server import Backend

# Go reads this much of a body that nobody wanted; beyond, it closes the connection.
DRAINED = 256 * 1024
# Go sends shorter bodies with their length, longer ones in chunks.
BUFFERED = 2048
# Go waits this long before it closes a connection whose body it did not read, so that the answer gets through.
LINGER_SECONDS = 0.5

log = logging.getLogger(__name__)


class Connection(BaseHTTPRequestHandler):
    """Serves the requests of one connection, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 64 * 1024

    @property
    def backend(self) -> Backend:
        """What all connections of a server share."""
        return cast("Backend", self.server)

    def setup(self) -> None:
        """Begin without a body."""
        super().setup()
        self.body = IncomingBody(self.rfile, 0)

    def handle(self) -> None:
        """Serve until one side has had enough; a client that vanishes is no news."""
        try:
            super().handle()
        except OSError as problem:
            log.debug("%s:%s went away: %s", *self.client_address[:2], problem)

    def handle_one_request(self) -> None:
        """Read one request and answer it."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
            return
        if not self.raw_requestline.strip():
            self._reject(HTTPStatus.BAD_REQUEST, "")
        elif self.parse_request():
            self._serve()

    def _serve(self) -> None:
        target, complaint = parse_target(self.path), _complaint(self.headers, self.request_version)
        if target is None or complaint is not None:
            self._reject(HTTPStatus.BAD_REQUEST, complaint or "")
            return
        self.body = IncomingBody.of(self.headers, self.rfile, self._invite_body)
        fault = self.backend.faults.take(self.command, self.path)
        self.request_now = self._request(target)
        with self.request_now.until_answered:
            if self.headers.get("Expect", "100-continue").lower() != "100-continue":
                self.close_connection = True
                self.send(Answer(417))
            else:
                misbehaviour.serve(self, self.request_now, fault)

    def handle_expect_100(self) -> bool:
        """Leave the invitation until somebody reads the body."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class takes for no HTTP."""
        log.debug("malformed request: %s %s", message, explain)
        self._reject(HTTPStatus(code), "")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing on stderr."""
        log.debug(format, *args)

    def carry_out(self, request: Request) -> Answer:
        """Let the API answer, and write the request down before that answer is sent."""
        try:
            answer = self.backend.api.answer(request)
        except OSError:
            self.note(None)
            raise
        except Exception as problem:
            log.exception("%s %s", self.command, self.path)
            answer = panic(request, f"runtime error: {problem!r}")
        self.note(answer.status)
        return answer

    def note(self, status: int | None) -> None:
        """Write the request down; without a status it was not answered."""
        length = self.body.received if self.body.length is None else self.body.length
        self.backend.note(self.command, self.path, dict(self.headers), length, status)

    def send(self, answer: Answer) -> None:
        """Send an answer, after what is left of the request's body or before closing the connection."""
        if not self.body.skip(DRAINED):
            self.close_connection = True
        for piece in self.wire(answer):
            self.connection.sendall(piece)

    def wire(self, answer: Answer) -> Iterator[Bytes]:
        """Yield the bytes of an answer; a throttle slot is free again before the last of them."""
        parts, length = _gathered(answer.parts, answer.length)
        if length == 0 and (self.command == "HEAD" or answer.status == 204):
            yield self._head(answer)
        elif length is not None and (answer.sized or length <= BUFFERED):
            self.request_now.until_answered.close()
            body = b"" if self.command == "HEAD" else b"".join(map(bytes, parts))
            yield self._head(answer, ("Content-Length", str(length))) + body
        elif self.command == "HEAD":
            yield self._head(answer)
        elif self.request_version == "HTTP/1.0":
            self.close_connection = True
            yield self._head(answer)
            yield from parts
        else:
            yield self._head(answer, ("Transfer-Encoding", "chunked"))
            yield from _in_chunks(parts) if length is None else _as_one_chunk(parts, length)
            self.request_now.until_answered.close()
            yield b"0\r\n\r\n"

    def abort(self) -> None:
        """Reset the connection at once."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.backend.forget(self.connection)
        self.connection.close()

    def finish(self) -> None:
        """Close; after an answer to an unread body a moment later, or the reset overtakes the answer."""
        with contextlib.suppress(OSError):
            if not self.body.finished:
                self.connection.shutdown(socket.SHUT_WR)
                self.backend.closing.wait(LINGER_SECONDS)
        with contextlib.suppress(OSError):
            super().finish()

    def _reject(self, status: HTTPStatus, detail: str) -> None:
        """Answer a request that cannot be understood, as Go does, and close."""
        self.close_connection = True
        phrase = f"{status} {status.phrase}{detail}"
        head = f"HTTP/1.1 {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        self.connection.sendall(f"{head}{phrase}".encode())

    def _head(self, answer: Answer, *framing: tuple[str, str]) -> bytes:
        headers = [("Content-Type", answer.content_type)] if answer.content_type else []
        headers += [*answer.headers, ("Date", formatdate(usegmt=True)), *framing]
        old = self.request_version == "HTTP/1.0"
        if self.close_connection != old:
            headers.append(("Connection", "keep-alive" if old else "close"))
        lines = [f"{'HTTP/1.0' if old else 'HTTP/1.1'} {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def _request(self, target: Target) -> Request:
        host, port = self.backend.server_address[:2]
        token = self.backend.policy.admin_token
        return Request(
            self.command,
            target,
            self.body,
            host=f"{host!s}:{port}",
            client="{}:{}".format(*self.client_address[:2]),
            admin=token is not None and target.query.get("admintoken") == token,
            headers=self.headers,
        )

    def _invite_body(self) -> None:
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def _complaint(headers: Message, version: str) -> str | None:
    """Return Go's words for headers it does not take, behind the status; None for good ones."""
    if version == "HTTP/1.1" and "Host" not in headers:
        return ": missing required Host header"
    length = headers.get("Content-Length", "0").strip()
    return "" if headers.defects or not length.isdecimal() else None


def _gathered(parts: Iterable[Bytes], length: int | None) -> tuple[Iterable[Bytes], int | None]:
    """Return the parts and the length, which a short body of unknown length has after all."""
    if length is not None:
        return parts, length
    first, rest = bytearray(), iter(parts)
    for part in rest:
        first += part
        if len(first) > BUFFERED:
            return _chain(first, rest), None
    return (first,), len(first)


def _chain(first: Bytes, rest: Iterator[Bytes]) -> Iterator[Bytes]:
    yield first
    yield from rest


def _in_chunks(parts: Iterable[Bytes]) -> Iterator[Bytes]:
    for part in parts:
        if len(part):
            yield b"%x\r\n" % len(part)
            yield part
            yield b"\r\n"


def _as_one_chunk(parts: Iterable[Bytes], length: int) -> Iterator[Bytes]:
    """Yield all parts as a single chunk, as Go does with what is written at once."""
    yield b"%x\r\n" % length
    yield from parts
    yield b"\r\n"
