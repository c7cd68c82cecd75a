"""Connection: reads the requests of one client and sends the answers."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections.abc import Iterable, Iterator
from email.message import Message
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from mockserver.http import misbehaviour
from mockserver.http.incoming import IncomingBody
from mockserver.http.messages import Answer, Bytes, Request
from mockserver.http.shared import RequestRecord, Shared
from mockserver.http.targets import Target, parse_target

log = logging.getLogger(__name__)


class Connection(BaseHTTPRequestHandler):
    """Serves the requests of one connection in turn; the constructor returns when the connection has ended.

    Parameters
    ----------
    connected : socket.socket
        The connection.
    client_address : tuple
        Host and port of the client.
    server : HTTPServer
        The server that accepted the connection.
    shared : Shared
        What all connections use together.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 64 * 1024

    def __init__(
        self, connected: socket.socket, client_address: tuple[str, int], server: HTTPServer, shared: Shared
    ) -> None:
        self.shared = shared
        super().__init__(connected, client_address, server)

    def setup(self) -> None:
        """Begin without a body."""
        super().setup()
        self.body = IncomingBody(self.rfile, 0)

    def handle(self) -> None:
        """Serve requests until one side closes the connection; a client that disappears is no error."""
        try:
            super().handle()
        except OSError as problem:
            log.debug("%s:%s disconnected: %s", *self.client_address[:2], problem)

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
        self.body = IncomingBody.of(self.headers, self.rfile, self._send_continue)
        fault = self.shared.faults.take(self.command, self.path)
        self.request_now = self._request(target)
        with self.request_now.until_answered:
            if self.headers.get("Expect", "100-continue").lower() != "100-continue":
                self.close_connection = True
                self.send(Answer(417))
            else:
                misbehaviour.serve(self, self.request_now, fault)

    def handle_expect_100(self) -> bool:
        """Send no ``100 Continue`` yet; it is sent when the body is read."""
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that the base class cannot parse."""
        log.debug("malformed request: %s %s", message, explain)
        self._reject(HTTPStatus(code), "")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Log to the logger of this module, not to stderr."""
        log.debug(format, *args)

    def carry_out(self, request: Request) -> Answer:
        """Return the answer of the API, and record the request before the answer is sent."""
        try:
            answer = self.shared.api.answer(request)
        except BaseException:
            self.note(None)
            raise
        self.note(answer.status)
        return answer

    def note(self, status: int | None) -> None:
        """Record the request; `status` is None if no answer is sent."""
        length = self.body.received if self.body.length is None else self.body.length
        self.shared.records.add(RequestRecord(self.command, self.path, dict(self.headers), length, status))

    def send(self, answer: Answer) -> None:
        """Send an answer; a short rest of the request's body is read first, a long one closes the connection."""
        if not self.body.skip(self.shared.framing.drained):
            self.close_connection = True
        self.send_pieces(self.wire(answer))

    def send_pieces(self, pieces: Iterable[Bytes]) -> None:
        """Send bytes as they are."""
        for piece in pieces:
            self.connection.sendall(piece)

    def wire(self, answer: Answer) -> Iterator[Bytes]:
        """Yield the bytes of an answer; ``until_answered`` is closed before the last of them."""
        buffered = self.shared.framing.buffered
        parts, length = _gathered(answer.parts, answer.length, buffered)
        if length == 0 and (self.command == "HEAD" or answer.status == 204):
            yield self._head(answer)
        elif length is not None and (answer.sized or length <= buffered):
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

    def end(self) -> None:
        """Close the connection after this request."""
        self.close_connection = True

    def abort(self) -> None:
        """Reset the connection at once."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

    def wait_for_client(self) -> None:
        """Wait until the client disconnects, or until the server closes."""
        while self.rfile.read1(65536):
            pass

    def finish(self) -> None:
        """Close the connection; if a body was not read, wait first, as `Framing.linger_seconds` says."""
        with contextlib.suppress(OSError):
            if not self.body.finished:
                self.connection.shutdown(socket.SHUT_WR)
                self.shared.closing.wait(self.shared.framing.linger_seconds)
        with contextlib.suppress(OSError):
            super().finish()

    def _reject(self, status: HTTPStatus, detail: str) -> None:
        """Answer a request that cannot be understood, and close the connection."""
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
        host, port = self.connection.getsockname()[:2]
        return Request(
            self.command,
            target,
            self.body,
            host=f"{host!s}:{port}",
            client="{}:{}".format(*self.client_address[:2]),
            admin=self.shared.is_admin(target.query, self.headers),
            headers=self.headers,
        )

    def _send_continue(self) -> None:
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def _complaint(headers: Message, version: str) -> str | None:
    """Return what follows the status in the answer to malformed headers; None for good ones."""
    if version == "HTTP/1.1" and "Host" not in headers:
        return ": missing required Host header"
    length = headers.get("Content-Length", "0").strip()
    return "" if headers.defects or not length.isdecimal() else None


def _gathered(parts: Iterable[Bytes], length: int | None, buffered: int) -> tuple[Iterable[Bytes], int | None]:
    """Return the parts and their length; an unknown length becomes known if the body fits the buffer."""
    if length is not None:
        return parts, length
    first, rest = bytearray(), iter(parts)
    for part in rest:
        first += part
        if len(first) > buffered:
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
    """Yield all parts as a single chunk."""
    yield b"%x\r\n" % length
    yield from parts
    yield b"\r\n"
