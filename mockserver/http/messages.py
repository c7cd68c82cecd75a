"""What goes into a protocol and comes out of it: requests, answers, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import Message
from typing import Protocol

from mockserver.http.targets import Target

Bytes = bytes | bytearray | memoryview

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
OCTETS = "application/octet-stream"


class Refused(Exception):  # noqa: N818 - an answer of the protocol, not a fault of the program
    """Raised for a bad request: the protocol answers with 400 and this message, in its own form."""


class Unrouted(Exception):  # noqa: N818
    """Raised for an unknown path or method: the protocol answers with 404.

    Parameters
    ----------
    *methods : str
        The methods that the path accepts.
    """

    def __init__(self, *methods: str) -> None:
        super().__init__(*methods)
        self.methods = methods


class Declined(Exception):  # noqa: N818
    """Raised to answer with a status and a text.

    Parameters
    ----------
    status : int
        The status of the answer.
    text : str
        The body of the answer.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Panic(Exception):  # noqa: N818
    """Raised where the code of the real server crashes: the protocol answers with 500."""


class Body(Protocol):
    """The body of a request, read when the API asks for it."""

    length: int | None

    def readinto(self, view: memoryview) -> int:
        """Read up to ``len(view)`` bytes into `view`; return their number."""

    def read(self, most: int | None = None) -> bytes:
        """Return the rest of the body, or the next `most` bytes of it."""

    def drain(self) -> int:
        """Discard the rest of the body; return the length of the whole body."""


@dataclass(frozen=True)
class Request:
    """One request, its body still unread.

    Parameters
    ----------
    method : str
        As sent.
    target : Target
        Path and query.
    body : Body
        Read on demand.
    host : str
        ``host:port`` of this server.
    client : str
        ``host:port`` of the client.
    admin : bool
        True if the request comes from an administrator.
    headers : Message
        As sent; the case of a name does not matter.
    until_answered : ExitStack
        Closed before the last byte of the answer is sent.
    """

    method: str
    target: Target
    body: Body
    host: str
    client: str
    admin: bool = False
    headers: Message = field(default_factory=Message)
    until_answered: ExitStack = field(default_factory=ExitStack)

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return self.target.path

    @property
    def query(self) -> dict[str, str]:
        """First value of each key of the query."""
        return self.target.query


@dataclass(frozen=True)
class Answer:
    """One answer.

    Parameters
    ----------
    status : int
        The HTTP status.
    content_type : str
        Type of the body; empty sends no ``Content-Type``.
    parts : iterable of bytes
        The body.
    length : int or None
        Bytes of the body; None if they are not known before the end.
    headers : tuple of (str, str)
        Further headers.
    sized : bool
        Send the length of a long body, too. Otherwise a long body is sent in chunks.
    chunked : bool
        Send a short body in chunks, too.
    after : callable, optional
        Called when the answer has been sent.
    """

    status: int = 200
    content_type: str = ""
    parts: Iterable[Bytes] = ()
    length: int | None = 0
    headers: tuple[tuple[str, str], ...] = ()
    sized: bool = False
    chunked: bool = False
    after: Callable[[], object] | None = None


Handler = Callable[[Request], Answer]


def document(text: str, content_type: str = JSON) -> Answer:
    """Answer 200 with a text."""
    data = text.encode(errors="surrogateescape")
    return Answer(content_type=content_type, parts=(data,), length=len(data))


def octets(parts: Iterable[Bytes], length: int | None, content_type: str = OCTETS) -> Answer:
    """Answer 200 with bytes; `parts` may be made while they are sent."""
    return Answer(content_type=content_type, parts=parts, length=length)
