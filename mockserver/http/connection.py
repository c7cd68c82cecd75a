"""Connection: reads the requests of one client and sends the answers."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from http.server import HTTPServer
from socketserver import StreamRequestHandler

from mockserver.http import misbehaviour
from mockserver.http.head import Head, Malformed, read_head
from mockserver.http.incoming import IncomingBody
from mockserver.http.messages import Answer, Bytes, Request
from mockserver.http.shared import RequestRecord, Shared

log = logging.getLogger(__name__)


class Connection(StreamRequestHandler):
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

    disable_nagle_algorithm = True
    rbufsize = 64 * 1024

    def __init__(
        self, connected: socket.socket, client_address: tuple[str, int], server: HTTPServer, shared: Shared
    ) -> None:
        self.shared = shared
        super().__init__(connected, client_address, server)

    def setup(self) -> None:
        """Begin before the first request."""
        super().setup()
        self.close_connection = False
        self.all_read = True

    def handle(self) -> None:
        """Serve requests until one side closes the connection; a client that disappears is no error."""
        try:
            while not self.close_connection:
                self._serve_next()
        except OSError as problem:
            log.debug("%s:%s disconnected: %s", *self.client_address[:2], problem)

    def _serve_next(self) -> None:
        self._after: Callable[[], object] | None = None
        try:
            head = read_head(self.rfile, self.shared.framing.head)
        except Malformed as malformed:
            self._reject(malformed)
            return
        if head is None:
            self.close_connection = True
        else:
            self._serve(head)

    def _serve(self, head: Head) -> None:
        self.head, self.close_connection = head, head.closes
        self.body = IncomingBody(
            self.rfile, head.length, self._send_continue if head.expects == "100-continue" else None
        )
        self.request_now = self._request(head)
        with self.request_now.until_answered:
            if head.expects not in {"", "100-continue"}:
                self.close_connection = True
                self.send(Answer(417))
            elif reason := self.shared.site.why_refused(head.headers):
                self.note(HTTPStatus.FORBIDDEN)
                self.send(self.shared.error(HTTPStatus.FORBIDDEN, reason))
            else:
                misbehaviour.serve(self, self.request_now, self.shared.faults.take(head.method, head.text))
        if self._after is not None:
            self._after()
        self.all_read = self.body.finished

    def carry_out(self, request: Request) -> Answer:
        """Return the answer of the API, and record the request before the answer is sent.

        An error of the API itself is answered with 500.
        """
        try:
            answer = self.shared.api.answer(request)
        except OSError:
            self.note(None)
            raise
        except Exception as problem:
            log.exception("%s %s", self.head.method, self.head.text)
            answer = self.shared.error(500, f"mock server: {problem!r:.1000}")
        self.note(answer.status)
        self._after = answer.after
        return answer

    def note(self, status: int | None) -> None:
        """Record the request; `status` is None if no answer is sent."""
        length = self.body.received if self.body.length is None else self.body.length
        headers: dict[str, str] = {}
        for name, text in self.head.headers.items():
            headers.setdefault(name, text)
        self.shared.records.add(RequestRecord(self.head.method, self.head.text, headers, length, status))

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
        if length == 0 and (self.head.method == "HEAD" or answer.status == 204):
            yield self._head(answer)
        elif length is not None and not answer.chunked and (answer.sized or length <= buffered):
            self.request_now.until_answered.close()
            body = b"" if self.head.method == "HEAD" else b"".join(map(bytes, parts))
            yield self._head(answer, ("Content-Length", str(length))) + body
        elif self.head.method == "HEAD":
            yield self._head(answer)
        elif self.head.old:
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
        """Close the connection; if a request was not read to its end, wait first, as `Framing.linger_seconds` says."""
        with contextlib.suppress(OSError):
            if not self.all_read:
                self.connection.shutdown(socket.SHUT_WR)
                self.shared.closing.wait(self.shared.framing.linger_seconds)
        with contextlib.suppress(OSError):
            super().finish()

    def _reject(self, malformed: Malformed) -> None:
        """Answer a head that cannot be understood, and close the connection."""
        self.close_connection = True
        self.all_read = malformed.status != HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        head = f"HTTP/1.1 {malformed.line}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        self.connection.sendall(f"{head}{malformed.text}".encode())

    def _head(self, answer: Answer, *framing: tuple[str, str]) -> bytes:
        headers = [("Content-Type", answer.content_type)] if answer.content_type else []
        headers += [*answer.headers, ("Date", formatdate(usegmt=True)), *framing]
        old = self.head.old
        if self.close_connection != old:
            headers.append(("Connection", "keep-alive" if old else "close"))
        lines = [f"{'HTTP/1.0' if old else 'HTTP/1.1'} {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def _request(self, head: Head) -> Request:
        host, port = self.connection.getsockname()[:2]
        return Request(
            head.method,
            head.target,
            self.body,
            host=f"{host!s}:{port}",
            client="{}:{}".format(*self.client_address[:2]),
            admin=self.shared.is_admin(head.target.query, head.headers),
            headers=head.headers,
        )

    def _send_continue(self) -> None:
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


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
