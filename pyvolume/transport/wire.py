"""Wire: the answers of HTTP/1.1 on a connected socket, received in place and with few calls for each of them."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pyvolume.model.arguments import brief
from pyvolume.transport.chunks import ChunkedBody

RECEIVED_AT_ONCE = 1 << 14
"""Bytes that are received at a time before the length of the body is known."""

MAX_HEAD = 1 << 18
"""Bytes of a head."""

SHOWN = 20
"""Bytes that an error shows, at most, of what is no answer."""

MAX_FIELDS = 100
"""Lines of a head, as for `http.client`."""

MAX_INTERIM = 100
"""Interim answers (status 1xx) that may come before one final answer."""

STATUS = re.compile(rb"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?=[ \t\r\n])[^\n]*\n")
"""The status line: the minor version and the status."""

END_OF_HEAD = re.compile(rb"\n\r?\n")
"""The standard lets a recipient take a single line feed for the end of a line."""

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header that is sent (RFC 9110, section 5.6.2)."""

FOUND_NAME = re.compile(r"[!-9;-~]+")
"""The name of a header that is received: some servers use characters that they should not."""

TARGET = re.compile(r"[!-~]+")
"""Path and query of a request, percent-encoded."""

LENGTH = re.compile(r"[0-9]{1,18}")
"""A length of a body."""

WITHOUT_BODY = {204, 304}
"""Statuses of answers that have none."""


class Fields(Mapping[str, str]):
    """The fields of one head, by name; names in capitals and in small letters are the same.

    Several fields of one name are one value, with commas in between.

    Parameters
    ----------
    lines : list of str
        The lines behind the status line.

    Raises
    ------
    http.client.HTTPException
        If one of them is no field: what it hides may be the length of the body.
    """

    def __init__(self, lines: list[str]) -> None:
        self._values: dict[str, list[str]] = {}
        values: list[str] | None = None
        for line in lines:
            name, colon, value = line.partition(":")
            if colon and FOUND_NAME.fullmatch(name):
                values = self._values.setdefault(name.lower(), [])
                values.append(value.strip(" \t\r"))
            elif values and line[0] in " \t":  # the standard lets a value go on there
                values[-1] = f"{values[-1]} {line.strip()}"
            else:
                raise http.client.HTTPException("a head with a line that is no header")

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get_all(self, name: str, default: Any = None) -> Any:
        """Return the values of a name, each for itself."""
        return self._values.get(name.lower(), default)

    def says(self, name: str, word: str) -> bool:
        """Whether a word is in the values of a name."""
        return any(word in value.lower() for value in self._values.get(name, ()))


class Incoming:
    """What arrives on one connection.

    Parameters
    ----------
    connected : socket
        The connection.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._held = b""

    @property
    def is_empty(self) -> bool:
        """Whether all that has arrived was taken; what the system still holds can be polled for."""
        return not self._held and not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending())

    def head(self) -> tuple[int, int, bytes]:
        """Take the next head; return the minor version, the status, and the lines behind, with the empty one.

        Raises
        ------
        http.client.HTTPException
            If it does not begin as one, does not end, or is too long. The message shows little of it: a head can hold
            cookies, and some servers send the request back with its secrets.
        """
        searched = 0
        while not (end := END_OF_HEAD.search(self._held, searched)):
            if len(self._held) > MAX_HEAD or (b"\n" in self._held and not STATUS.match(self._held)):
                break
            searched = max(0, len(self._held) - len(b"\n\r"))
            more = self._socket.recv(RECEIVED_AT_ONCE)
            if not more:
                if not self._held:
                    raise http.client.RemoteDisconnected("Remote end closed connection without response")
                raise http.client.IncompleteRead(b"")
            self._held += more
        found = STATUS.match(self._held)
        if found is None:
            raise http.client.BadStatusLine(repr(b"".join(self._held[:SHOWN].split(None, 1)[:1])))
        if end is None or end.end() > MAX_HEAD:
            raise http.client.LineTooLong("head")
        return int(found[1]), int(found[2]), self._take(end.end())[found.end() :]

    def readinto(self, view: memoryview, /) -> int:
        """Fill a flat view of bytes, unless the connection ends before; return how many bytes have come."""
        got, want = 0, len(view)
        if self._held:
            data = self._take(want)
            got = len(data)
            view[:got] = data
        receive = self._socket.recv_into
        while got < want and (count := receive(view[got:])):
            got += count
        return got

    def read1(self, most: int, /) -> bytes:
        """Take some bytes, none at the end of the connection."""
        return self._take(most) if self._held else self._socket.recv(most)

    def _take(self, most: int) -> bytes:
        data, self._held = self._held[:most], self._held[most:]
        return data


class WireAnswer:
    """A final answer whose head has arrived. What urllib3's pool asks of a response is here too.

    Parameters
    ----------
    incoming : Incoming
        Of its connection.
    method : str
        The method of the request: the answer to a HEAD has no body.
    is_last : bool
        Whether the connection is closed after it, whatever the server says.
    close : callable
        Closes the connection.

    Attributes
    ----------
    status : int
        The status.
    headers : Fields
        The fields of the head.
    ends_with_connection : bool
        Whether the body has neither a length nor chunks.

    Raises
    ------
    http.client.HTTPException
        If what arrives is no answer.
    """

    version_string = "HTTP/1.1"

    def __init__(self, incoming: Incoming, method: str, *, is_last: bool, close: Callable[[], object]) -> None:
        try:
            minor, self.status, self.headers = _final_head(incoming)
        except BaseException as error:  # the frames that hold the head, with cookies, are left out of the traceback
            raise error.with_traceback(None)  # noqa: B904 - the same error
        self.retries: Any = None
        self._connection: Any = None  # urllib3's pool sets both, too
        self._pool: Any = None
        self._incoming = incoming
        self._close = close
        self._is_closed = False
        self._chunks: ChunkedBody | None = None
        self._left: int | None = None
        if method == "HEAD" or self.status in WITHOUT_BODY:
            self._left = 0
        elif self.headers.says("transfer-encoding", "chunked"):
            self._chunks = ChunkedBody(incoming)
        else:
            self._left = _announced(self.headers)
        self.ends_with_connection = self._chunks is None and self._left is None
        self._is_last = is_last or self.ends_with_connection or _is_closed_after(minor, self.status, self.headers)
        if self._left == 0:
            self._end()

    @property
    def length_remaining(self) -> int | None:
        """Bytes of the body that are still to be received, if this is known."""
        return self._left

    def readinto(self, view: memoryview, /) -> int:
        """Fill a flat view of bytes, unless the body ends before; return how many bytes have come.

        Raises
        ------
        http.client.HTTPException
            If a body in chunks breaks off.
        """
        if self._is_closed:
            return 0
        if self._chunks is not None:
            count = self._chunks.readinto(view)
            if count < len(view):
                self._end()
        elif self._left is None:
            count = self._incoming.readinto(view)
            if count < len(view):
                self._end()
        else:
            view = view[: self._left]
            count = self._incoming.readinto(view)
            self._left -= count
            if count < len(view):
                self.close()
            elif not self._left:
                self._end()
        return count

    def read(self, most: int, **_options: bool) -> bytes:
        """Return so many bytes of the body, fewer at its end; nothing is decoded, whatever urllib3's option says."""
        data = bytearray(most if self._left is None else min(most, self._left))
        count = self.readinto(memoryview(data)) if data else 0
        return bytes(data[:count])

    def isclosed(self) -> bool:
        """Whether nothing more comes, as `http.client` names it."""
        return self._is_closed

    def close(self) -> None:
        """Receive nothing more; the connection is closed unless the body has ended and it was given back."""
        if not self._is_closed or self._connection is not None:
            self._is_closed = True
            self._close()

    def came_over(self, connection: Any, pool: Any) -> None:
        """Note the connection, and the pool that gets it back."""
        self._connection, self._pool = connection, pool

    def release_conn(self) -> None:
        """Give the connection back to its pool."""
        pool, connection, self._connection = self._pool, self._connection, None
        if connection is not None:
            pool.give_back(connection)

    def _end(self) -> None:
        """Note the end of the body: a connection with bytes behind it is not used again."""
        self._is_closed = True
        if self._is_last or not self._incoming.is_empty or (self._chunks is not None and self._chunks.has_rest):
            self._close()


def _final_head(incoming: Incoming) -> tuple[int, int, Fields]:
    """Take heads up to the final one; return the minor version, the status and the fields."""
    for _ in range(MAX_INTERIM + 1):
        minor, status, rest = incoming.head()
        lines = rest.decode("latin-1").split("\n")[:-2]
        if len(lines) > MAX_FIELDS:
            raise http.client.HTTPException(f"a head of more than {MAX_FIELDS} lines")
        fields = Fields(lines)
        if status >= 200:
            return minor, status, fields
    raise http.client.HTTPException(f"more than {MAX_INTERIM} interim answers")


def _is_closed_after(minor: int, status: int, fields: Fields) -> bool:
    """Whether the server closes the connection after an answer, or may send more than the status allows."""
    if status == 204 and ("transfer-encoding" in fields or fields.get("content-length", "0") != "0"):
        return True
    if minor:
        return fields.says("connection", "close")
    kept = any(fields.says(name, "keep-alive") for name in ("connection", "proxy-connection"))
    return not kept and "keep-alive" not in fields


def _announced(fields: Fields) -> int | None:
    """Return the length of the body, if the head says it.

    Raises
    ------
    http.client.HTTPException
        If it says several.
    """
    text = fields.get("content-length")
    if text is None:
        return None
    lengths = {LENGTH.fullmatch(each.strip()) and int(each) for each in text.split(",")}
    if len(lengths - {None}) > 1:
        raise http.client.HTTPException(f"an answer of several lengths: {brief(text)}")
    return length_of(text)


def length_of(text: str) -> int | None:
    """Return the length of a body that a head announces, if it is one; it may say the same length several times."""
    first, *others = (each.strip() for each in text.split(","))
    return int(first) if LENGTH.fullmatch(first) and all(each == first for each in others) else None


def head_of(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request.

    Raises
    ------
    ValueError
        If a name, a value or the target has a character that it cannot have; the message does not show it.
    """
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    text = "\r\n".join(lines)
    if text.count("\n") >= len(lines) or text.count("\r") >= len(lines):
        raise ValueError("request: a header, or the target, has the end of a line in it")
    if not TARGET.fullmatch(target) or not all(map(NAME.fullmatch, headers)):
        raise ValueError("request: a target, or the name of a header, has a character that it cannot have")
    try:
        return f"{text}\r\n\r\n".encode("latin-1")
    except UnicodeEncodeError:  # it holds all of the text
        raise ValueError("request: a header has a character beyond latin-1") from None
