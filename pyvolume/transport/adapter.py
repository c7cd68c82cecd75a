"""PatientAdapter: requests' adapter with connections that allow a slow upload."""

from __future__ import annotations

import contextlib
import errno
import functools
import math
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

from pyvolume.calls.call import LONGEST_WAIT
from pyvolume.model.secret import Secret
from pyvolume.transport.line import Line, Lines, discard_unsent
from pyvolume.transport.request import Body
from pyvolume.transport.wire import Incoming, WireAnswer, head_of

POOL_SIZE = 16
"""Connections kept open to one server; at least as many as threads that use it."""

SLOWEST = 1 << 16
"""Bytes a second: a line that sends as fast is never silent. The system takes no more than that during a silence."""

MOST_UNSENT = 1 << 22
"""Bytes that the system takes before it has sent them, at most; fewer cost speed on a fast line."""

UNSENT_OPTION: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
"""The option of a socket that limits them; not every system has it."""

ANSWERED = {errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE}
"""Errors of sending where the answer can have come before; the last one is one of macOS."""

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

    Its connections receive answers by `pyvolume.transport.wire`: interim ones are skipped, and a connection with bytes
    behind the end of an answer is not used again.

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

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the headers for a proxy, which can hold its password."""
        return {name: Secret(value) for name, value in super().proxy_headers(proxy).items()}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pool manager for connections through a proxy."""
        proxy = Secret(proxy)  # its url can hold a password
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class PatientHTTPConnection(HTTPConnection):
    """A connection with the habits of its adapter."""

    debuglevel = 0  # whatever a user sets for http.client: it would print the password of a proxy

    def __init__(self, *args: Any, silence: float, lines: Lines, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._silence = silence
        self._lines = lines
        self._line = Line()
        self._twin: socket.socket | None = None
        self._waits = False
        self._method = ""
        self._body: Body | None = None
        self._incoming: Incoming

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
        self._incoming = Incoming(self.sock)
        self.sock.settimeout(self._silence)
        if UNSENT_OPTION is not None:
            with contextlib.suppress(OSError):
                unsent = min(MOST_UNSENT, max(1, int(SLOWEST * self._silence)))
                self.sock.setsockopt(socket.IPPROTO_TCP, UNSENT_OPTION, unsent)

    def request(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, Any] | None = None, **_options: Any
    ) -> None:
        """Send a request with a `Body`, of which each part of a chunk counts as a sign of life, or without one."""
        self._method, self._body = method, body
        if self.sock is None:  # before the head is made: the traceback of a failure to connect holds nothing of it
            self.connect()
        self._line.release()
        self._line = self._lines.line
        self._line.hold(self.sock)
        self._waits = True
        self._send_head(method, url, headers or {})
        if body is not None:
            self._send_body(body)

    def _send_head(self, method: str, url: str, headers: Mapping[str, Any]) -> None:
        """Send the head; the frames that hold it, with its secrets, are left out of the traceback of an error."""
        try:
            self.sock.sendall(_head(method, url, headers))
        except BaseException as error:
            raise error.with_traceback(None)  # noqa: B904 - the same error

    def _send_body(self, body: Body) -> None:
        self.sock.settimeout(body.silence)
        while left := body.read():
            while left:
                if self._is_answered():
                    raise BrokenPipeError(errno.EPIPE, "the answer came before the end of the request")
                count = self.sock.send(left)
                left = left[count:]
                body.sent(count)

    def getresponse(self) -> WireAnswer:  # type: ignore[override]
        """Receive the head of the answer."""
        self.sock.settimeout(self.timeout)
        if threading.current_thread() is threading.main_thread():
            self._wait_for_head()
        is_cut = self._body is not None and self._body.left > 0  # the server still waits for the rest of the request
        answer = WireAnswer(self._incoming, self._method, is_last=is_cut, close=self.close)
        if answer.ends_with_connection and isinstance(self.sock, ssl.SSLSocket):
            # the end of the connection is that of the body: over TLS it must have been meant
            self.sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        self._waits = False
        return answer

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
        super().close()

    def _is_answered(self) -> bool:
        """Whether a final answer arrives already; over TLS this cannot be seen."""
        if isinstance(self.sock, ssl.SSLSocket) or self.is_connected:
            return False
        begin: bytes = self.sock.recv(len(INTERIM), socket.MSG_PEEK)
        return not begin or begin != INTERIM[: len(begin)]


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

    ConnectionCls = PatientHTTPConnection  # type: ignore[assignment] # its answers are not those of urllib3
    QueueCls = Stack  # type: ignore[assignment] # its stubs want the generic class

    def ask_idle(
        self, method: str, url: str, body: Body | None, headers: Mapping[str, str], silence: float
    ) -> WireAnswer | None:
        """Send a request over an idle connection, and receive the head of the answer; None if there is none.

        `urlopen` would do the same, with twice the work for each request. It is left to open connections.

        Parameters
        ----------
        method, url, body, headers
            As for `urlopen`.
        silence : float
            Seconds without a byte after which the attempt has failed.
        """
        connection = self._idle()
        if connection is None:
            return None
        if connection.proxy_is_forwarding:
            headers = {**headers, **self.proxy_headers}
        try:
            connection.timeout = silence
            connection.sock.settimeout(silence)
            try:
                connection.request(method, url, body, headers)
            except OSError as error:
                if error.errno not in ANSWERED:
                    raise
            answer: WireAnswer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        answer.came_over(connection, self)
        return answer

    def _idle(self) -> Any:
        """Take an idle connection; None if there is none that the server has not closed."""
        idle = self.pool  # None once the pool is closed
        while idle is not None and idle.qsize():
            with contextlib.suppress(queue.Empty):
                connection = idle.get()
                if connection is not None and connection.is_connected:
                    return connection
                if connection is not None:
                    connection.close()
        return None

    def give_back(self, connection: Any) -> None:
        """Take back a connection whose answer has ended."""
        self._put_conn(connection)


class PatientHTTPSPool(PatientHTTPPool, HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = PatientHTTPSConnection  # type: ignore[assignment]


def _head(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request, with the secrets in its query."""
    headers = dict(headers)
    if query := headers.pop(SECRET_QUERY, ""):
        url = f"{url}{'&' if '?' in url else '?'}{query}"
    return head_of(method, url, headers)
