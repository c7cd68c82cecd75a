"""What goes in and out of the API: requests, answers, refusals."""

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
    """Answered with 400, the message and the path, as nearly every refusal of DVID."""


class Unrouted(Exception):  # noqa: N818
    """Answered with 404: no such path or method; `methods` are those that the path does take."""

    def __init__(self, *methods: str) -> None:
        super().__init__(*methods)
        self.methods = methods


class Declined(Exception):  # noqa: N818
    """Answered with a status and a text of its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Panic(Exception):  # noqa: N818
    """Answered with 500, as where the real server's code breaks down."""


class Body(Protocol):
    """The body of a request, read when the API asks for it."""

    length: int | None

    def readinto(self, view: memoryview) -> int:
        """Fill `view` as far as the body goes; return the number of bytes."""

    def read(self) -> bytes:
        """Return all that is left."""

    def drain(self) -> int:
        """Read and forget all that is left; return the length of the whole body."""


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
        ``host:port`` of the other side.
    admin : bool
        Whether the request carries the admin token.
    headers : Message
        As sent; names in any case.
    until_answered : ExitStack
        Closed when the last byte of the answer is about to be sent.
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
    """One answer; `parts` are its body, `length` bytes in all, or None if that shows only at the end.

    `sized` says whether a long body comes with its length, too; DVID nearly always sends those in chunks.
    """

    status: int = 200
    content_type: str = ""
    parts: Iterable[Bytes] = ()
    length: int | None = 0
    headers: tuple[tuple[str, str], ...] = ()
    sized: bool = False


Handler = Callable[[Request], Answer]


def panic(request: Request, problem: str) -> Answer:
    """Answer 500, as where the real server's code breaks down."""
    return error(500, f"Panic detected on request mock:\n{problem}\nIP: {request.client}, URL: {request.path}\n")


def document(text: str, content_type: str = JSON) -> Answer:
    """Answer 200 with a text."""
    data = text.encode(errors="surrogateescape")
    return Answer(content_type=content_type, parts=(data,), length=len(data))


def octets(parts: Iterable[Bytes], length: int | None, content_type: str = OCTETS) -> Answer:
    """Answer 200 with bytes that are made while they are sent."""
    return Answer(content_type=content_type, parts=parts, length=length)


def error(status: int, text: str) -> Answer:
    """Answer with an error text, ended by a newline, as Go's ``http.Error``."""
    data = f"{text}\n".encode(errors="surrogateescape")
    return Answer(status, TEXT, (data,), len(data), (("X-Content-Type-Options", "nosniff"),))


def bad_call(request: Request, name: str, typename: str) -> Answer:
    """Refuse an endpoint that the instance of that name does not have."""
    help_url = f"http://{request.host}/api/help/{typename}"
    return error(400, f'Bad API call ({request.path}) for data "{name}".  See API help at {help_url}')
