"""Heads of requests, read with the limits and the refusals of Go's ``net/http``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from io import BufferedIOBase

from mockserver.http.targets import Target, parse_target

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"[0-9A-Za-z!$%&'()*+,.:;=\[\]_~-]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_LENGTH = 2**63 - 1


class Malformed(Exception):  # noqa: N818 - an answer, not a fault of the program
    """Raised for a head that cannot be understood; the connection is closed after the answer.

    Parameters
    ----------
    status : HTTPStatus
        The status of the answer.
    text : str, optional
        The body of the answer; by default status and phrase.
    detail : str
        What follows the phrase, in the status line and in the body.
    """

    def __init__(
        self, status: HTTPStatus = HTTPStatus.BAD_REQUEST, text: str | None = None, *, detail: str = ""
    ) -> None:
        self.status = status
        self.line = f"{status} {status.phrase}{detail}"
        self.text = self.line if text is None else text
        super().__init__(self.text)


@dataclass(frozen=True)
class Head:
    """The head of one request.

    Parameters
    ----------
    method : str
        As sent.
    target : Target
        Path and query.
    text : str
        The target as sent.
    old : bool
        True for HTTP/1.0.
    headers : Message
        As sent; the case of a name does not matter.
    length : int or None
        Bytes of the body; None if it is sent in chunks.
    """

    method: str
    target: Target
    text: str
    old: bool
    headers: Message
    length: int | None

    @property
    def closes(self) -> bool:
        """Whether the client wants the connection to be closed after the answer."""
        options = {word.strip().lower() for word in self.headers.get("Connection", "").split(",")}
        return "keep-alive" not in options if self.old else "close" in options

    @property
    def expects(self) -> str:
        """The expectation of the client, in lower case; empty if it has none."""
        return str(self.headers.get("Expect", "")).lower()


def read_head(stream: BufferedIOBase, limit: int) -> Head | None:
    """Read a head of at most `limit` bytes; None if the connection ends before it begins.

    Raises
    ------
    Malformed
        If Go's server refuses the head.
    ConnectionError
        If the connection ends in the middle.
    """
    first, left = _read_line(stream, limit)
    if first is None:
        return None
    method, text, version = _parse_request_line(first)
    headers = _read_headers(stream, left)
    target = None if _CONTROL.search(text) else parse_target(text)
    if target is None:
        raise Malformed
    if not version.startswith("HTTP/1."):
        raise Malformed(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, detail=": unsupported protocol version")
    old = version == "HTTP/1.0"
    length = _length_of(headers, old=old)
    _check_names(headers, old=old)
    return Head(method, target, text, old, headers, length)


def _read_line(stream: BufferedIOBase, left: int) -> tuple[str | None, int]:
    """Return a line without its end, None at the end of the stream; and how many more bytes a head may have."""
    line = stream.readline(left + 1)
    if len(line) > left:
        raise Malformed(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    if line and not line.endswith(b"\n"):
        raise ConnectionResetError("the client disconnected in the middle of a head")
    return (line.decode("latin-1").rstrip("\r\n") if line else None), left - len(line)


def _parse_request_line(line: str) -> tuple[str, str, str]:
    words = line.split(" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not re.fullmatch(r"HTTP/[0-9]\.[0-9]", words[2]):
        raise Malformed
    return words[0], words[1], words[2]


def _read_headers(stream: BufferedIOBase, left: int) -> Message:
    fields: list[list[str]] = []
    while True:
        line, left = _read_line(stream, left)
        if line is None:
            raise ConnectionResetError("the client disconnected in the middle of a head")
        if not line:
            break
        if line[0] not in " \t":
            fields.append([line])
        elif fields:
            fields[-1].append(line)  # a folded line
        else:
            raise Malformed
    headers = Message()
    for parts in fields:
        name, colon, value = " ".join(part.strip(" \t") for part in parts).partition(":")
        if not (name and colon) or _CONTROL.search(value):
            raise Malformed
        headers[name] = value.strip(" \t")
    return headers


def _length_of(headers: Message, *, old: bool) -> int | None:
    """Return the length of the body, None if it is sent in chunks; HTTP/1.0 knows no chunks."""
    codings = [] if old else headers.get_all("Transfer-Encoding", [])
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise Malformed(HTTPStatus.NOT_IMPLEMENTED, "Unsupported transfer encoding")
    lengths = set(headers.get_all("Content-Length", []))
    digits = next(iter(lengths), "0")
    if len(lengths) > 1 or not re.fullmatch("[0-9]{1,19}", digits) or int(digits) > _MAX_LENGTH:
        raise Malformed
    return None if codings else int(digits)


def _check_names(headers: Message, *, old: bool) -> None:
    hosts = headers.get_all("Host", [])
    if len(hosts) > 1:
        raise Malformed
    if not hosts and not old:
        raise Malformed(detail=": missing required Host header")
    if not all(map(_HOST.fullmatch, hosts)):
        raise Malformed(detail=": malformed Host header")
    if not all(map(_TOKEN.fullmatch, headers)):
        raise Malformed(detail=": invalid header name")
