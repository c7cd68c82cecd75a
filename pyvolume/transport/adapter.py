"""PatientAdapter: requests' adapter with connections that allow a slow upload."""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import math
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse
from urllib3.util.wait import wait_for_read

from pyvolume.calls.call import LONGEST_WAIT
from pyvolume.model.secret import Secret
from pyvolume.transport.chunks import ChunkedBody
from pyvolume.transport.line import Line, Lines, discard_unsent
from pyvolume.transport.request import Body

POOL_SIZE = 16
"""Connections kept open to one server; at least as many as threads that use it."""

SLOWEST = 1 << 16
"""Bytes a second: a line that sends as fast is never silent. The system takes no more than that during a silence."""

MOST_UNSENT = 1 << 22
"""Bytes that the system takes before it has sent them, at most; fewer cost speed on a fast line."""

UNSENT_OPTION: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
"""The option of a socket that limits them; not every system has it."""

MAX_INTERIM = 100
"""Interim answers (status 1xx) that may come before one final answer."""

INTERIM = b"HTTP/1.1 1"
"""With this an interim answer begins."""


SECRET_QUERY = ":secret-query"
"""Among the headers of a request: what a connection adds to the query of its request line, and sends as no header.

The headers of one request come to its connection through urllib3 as they are; the url shows in logs and errors on the
way. A name that begins with a colon is that of no header, so that any other connection refuses to send it.
"""


class PatientAdapter(HTTPAdapter):
    """An adapter with three habits of its own.

    Its connections send under the limit for silence, not under that for connecting: urllib3 leaves the connect
    timeout on the socket until the request is sent, and Python's `sendall` takes a timeout as the time for all of
    it. Without this an upload that takes longer would fail on a good network. What the system holds back for a slow
    line is limited too, because the wait for the answer begins when it has all of the body.

    A connection adds the secrets of a request to its query when it makes the request line, see `SECRET_QUERY`: urllib3
    logs urls, and puts them into its errors.

    Its connections skip interim answers, and are not used again if bytes are left behind the end of an answer.

    Parameters
    ----------
    silence : float
        Seconds without a byte after which an attempt has failed.
    pool_size : int
        Connections that are kept open.
    """

    def __init__(self, silence: float, pool_size: int = POOL_SIZE) -> None:
        self.lines = Lines()
        self._pools = {
            "http": functools.partial(PatientHTTPPool, silence=silence, lines=self.lines),
            "https": functools.partial(PatientHTTPSPool, silence=silence, lines=self.lines),
        }
        super().__init__(pool_connections=4, pool_maxsize=pool_size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool manager for direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pool manager for connections through a proxy."""
        proxy = Secret(proxy)  # its url can hold a password
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _LastReader(io.BufferedReader):
    """Reads one answer, and shuts the socket down if bytes are left when the answer has ended.

    They would be lost with this reader, and what follows them would be taken for the next answer.

    Attributes
    ----------
    in_head : bool
        Whether the head of the answer has not ended yet.
    """

    def __init__(self, stream: io.RawIOBase, connected: socket.socket) -> None:
        super().__init__(stream)
        self.in_head = False
        self._connected = connected

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        # http.client would take the end of the connection for the end of the head
        if self.in_head and not line.endswith(b"\n") and len(line) != size:
            raise http.client.IncompleteRead(line)
        return line

    def close(self) -> None:
        if not self.closed:
            # with a stream that has nothing to give, `peek` returns what is in the buffer
            self.raw.readinto = lambda _view: None  # type: ignore[method-assign]
            if self.peek(1):
                self.shut_down()
        super().close()

    def shut_down(self) -> None:
        """Let the connection not be used again."""
        with contextlib.suppress(OSError):
            self._connected.shutdown(socket.SHUT_RDWR)


def check_head(headers: object) -> None:
    """Refuse the headers of http.client if a line among them is none.

    Its parser takes such a line for the end of the head, and leaves out the length that may follow.

    Raises
    ------
    http.client.HTTPException
    """
    if any(isinstance(each, MissingHeaderBodySeparatorDefect) for each in getattr(headers, "defects", ())):
        raise http.client.HTTPException("a head with a line that is no header")


class FinalResponse(http.client.HTTPResponse):
    """The final answer: interim ones (status 1xx) before it are skipped, which http.client does with 100 only.

    Parameters
    ----------
    sock : socket
        The connection.
    is_last : bool
        Whether the connection is closed after it, whatever the server says.
    *args, **kwargs
        As for http.client.
    """

    def __init__(self, sock: socket.socket, *args: Any, is_last: bool = False, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._is_last = is_last
        self._connected = sock
        self.fp = self._reader = _LastReader(self.fp.detach(), sock)
        self._heads = 0

    def begin(self) -> None:
        """Read the status line and the headers."""
        super().begin()
        check_head(self.headers)
        while 100 <= self.status < 200:
            self.headers = None  # type: ignore[assignment]
            super().begin()
            check_head(self.headers)
        self._reader.in_head = False
        if self.will_close and self.length is None and isinstance(self._connected, ssl.SSLSocket):
            # the end of the connection is that of the body: over TLS it must have been meant
            self._connected.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        self.will_close = self.will_close or self._is_last
        if self.chunked:  # for http.client a body without a length, which ends with its stream
            self.chunked, self.fp = False, ChunkedBody(self._reader, self._reader.shut_down)  # type: ignore[assignment]

    def _read_status(self) -> tuple[str, int, str]:
        if self._heads > MAX_INTERIM:
            raise http.client.HTTPException(f"more than {MAX_INTERIM} interim answers")
        self._heads += 1
        status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        self._reader.in_head = True
        return status


class PatientHTTPConnection(HTTPConnection):
    """A connection with the habits of its adapter."""

    response_class = FinalResponse

    def __init__(self, *args: Any, silence: float, lines: Lines, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._silence = silence
        self._lines = lines
        self._line = Line()
        self._twin: socket.socket | None = None
        self._waits = False
        self._body: Body | None = None
        self._secret_query = ""

    def _new_conn(self) -> socket.socket:
        self.sock = super()._new_conn()
        # a TLS handshake takes the connection away from its object
        self._twin = self.sock.dup()
        self._lines.line.hold(self._twin)
        return self.sock

    def connect(self) -> None:
        """Connect, and send under the limit for silence."""
        try:
            super().connect()
        finally:
            if self._twin is not None:
                self._twin.close()
        self.sock.settimeout(self._silence)
        if UNSENT_OPTION is not None:
            with contextlib.suppress(OSError):
                unsent = min(MOST_UNSENT, max(1, int(SLOWEST * self._silence)))
                self.sock.setsockopt(socket.IPPROTO_TCP, UNSENT_OPTION, unsent)

    def request(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Send a request; of a `Body` each part of a chunk counts as a sign of life."""
        self._body = body if isinstance(body, Body) else None
        headers = dict(headers or {})
        self._secret_query = headers.pop(SECRET_QUERY, "")
        if self.sock is None:  # before the head is made: the traceback of a failure to connect holds nothing of it
            self.connect()
        self._line.release()
        self._line = self._lines.line
        self._line.hold(self.sock)
        self._waits = True
        super().request(method, url, body, headers, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """Receive the head of the answer."""
        is_cut = self._body is not None and self._body.left > 0  # the server still waits for the rest of the request
        self.response_class = functools.partial(FinalResponse, is_last=True) if is_cut else FinalResponse  # type: ignore[assignment]
        if threading.current_thread() is threading.main_thread():
            self._wait_for_head()
        response = super().getresponse()
        self._waits = False
        return response

    def _wait_for_head(self) -> None:
        """Wait until the answer begins, in parts: a signal that comes just before a wait does not end it."""
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return
        end = time.monotonic() + (self.timeout or math.inf)  # the silence that is allowed, by now
        while not wait_for_read(self.sock, max(0.0, min(end - time.monotonic(), LONGEST_WAIT))):
            if time.monotonic() >= end:
                raise TimeoutError("timed out")  # as the socket itself does

    def close(self) -> None:
        """Close the connection; nothing more of a request without an answer is sent."""
        if self._waits and self.sock is not None:
            discard_unsent(self.sock)
        self._waits = False
        self._buffer.clear()  # type: ignore[attr-defined] # a head that Ctrl-C has interrupted
        super().close()

    def send(self, data: Any) -> None:
        """Send the head, or a chunk of a body."""
        if self._body is None or not isinstance(data, memoryview):
            super().send(data)
            return
        self.sock.settimeout(self._body.silence)
        left = data.cast("B")
        while left:
            if self._is_answered():
                raise BrokenPipeError("the answer came before the end of the request")  # urllib3 receives it
            count = self.sock.send(left)
            left = left[count:]
            self._body.sent(count)

    def _is_answered(self) -> bool:
        """Whether a final answer arrives already; over TLS this cannot be seen."""
        if isinstance(self.sock, ssl.SSLSocket) or self.is_connected:
            return False
        begin: bytes = self.sock.recv(len(INTERIM), socket.MSG_PEEK)
        return not begin or begin != INTERIM[: len(begin)]

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        """Make the request line, with the secrets in its query."""
        if self._secret_query:
            url = Secret(f"{url}{'&' if '?' in url else '?'}{self._secret_query}")
        super().putrequest(method, url, *args, **kwargs)

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        """Send the head; the frames that hold it, with its secrets, are left out of the traceback of an error."""
        try:
            super().endheaders(*args, **kwargs)
        except BaseException as error:
            raise error.with_traceback(None)  # noqa: B904 - the same error


class PatientHTTPSConnection(PatientHTTPConnection, HTTPSConnection):
    """The same over TLS."""


class Stack(queue.LifoQueue[Any]):
    """The idle connections of a pool, the last one first: `queue.LifoQueue` without a lock.

    A process made by fork would inherit that lock as another thread has left it, a signal handler would wait for it,
    and Ctrl-C could leave it locked. A connection that Ctrl-C lets urllib3 put back twice is kept once.

    Parameters
    ----------
    maxsize : int
        Connections that are kept.
    """

    def __init__(self, maxsize: int) -> None:  # without that of the base, which makes the lock
        self.maxsize = maxsize
        self._idle: list[Any] = []

    def get(self, *_args: Any, **_options: Any) -> Any:
        """Take a connection, without waiting for one."""
        try:
            return self._idle.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, *_args: Any, **_options: Any) -> None:
        """Put a connection back, or None for one that is yet to be made."""
        if item is not None and item in self._idle:
            return
        if len(self._idle) >= self.maxsize:
            raise queue.Full
        self._idle.append(item)

    def qsize(self) -> int:
        """Return how many there are."""
        return len(self._idle)


class PatientHTTPPool(HTTPConnectionPool):
    """Connections to one host; `silence` and `lines` come to each of them among its keywords."""

    ConnectionCls = PatientHTTPConnection
    QueueCls = Stack  # type: ignore[assignment] # its stubs want the generic class


class PatientHTTPSPool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = PatientHTTPSConnection
    QueueCls = Stack  # type: ignore[assignment] # its stubs want the generic class
