"""Shared: what all connections of one server use together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Protocol

from mockserver.http.faults import Faults
from mockserver.http.framing import Framing
from mockserver.http.messages import Answer, Request
from mockserver.http.sites import Site


@dataclass(frozen=True)
class RequestRecord:
    """One request that a server has received.

    Parameters
    ----------
    method : str
        As sent.
    path : str
        With the query.
    headers : mapping
        As sent.
    length : int
        Bytes of the request's body.
    status : int or None
        Status of the answer; None if no answer was sent.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    length: int
    status: int | None


MAX_RECORDS = 100_000

MAX_HEAD_CHARACTERS = 256 << 20


class Records:
    """The requests that a server has received, in order; safe to use from several threads.

    It keeps `MAX_RECORDS` requests, whose paths and headers have `MAX_HEAD_CHARACTERS`. After more, it keeps none.
    """

    def __init__(self) -> None:
        self._records: list[RequestRecord] = []
        self._received = self._characters = 0
        self._lock = threading.Lock()

    def add(self, record: RequestRecord) -> None:
        """Add a request."""
        with self._lock:
            self._received += 1
            self._characters += len(record.path) + sum(len(name) + len(text) for name, text in record.headers.items())
            if self._complete:
                self._records.append(record)
            else:
                self._records.clear()

    def copy(self) -> list[RequestRecord]:
        """Return all requests so far.

        Raises
        ------
        OverflowError
            If the server has received more requests than it keeps.
        """
        with self._lock:
            if not self._complete:
                raise OverflowError(
                    f"requests: this server keeps {MAX_RECORDS} requests, with {MAX_HEAD_CHARACTERS} "
                    f"characters of paths and headers, and it received {self._received} with {self._characters}"
                )
            return list(self._records)

    @property
    def _complete(self) -> bool:
        return self._received <= MAX_RECORDS and self._characters <= MAX_HEAD_CHARACTERS


class Api(Protocol):
    """The protocol of a server: it answers requests."""

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request.

        Raises
        ------
        OSError
            If the connection to the client broke while the request was read.
        """


@dataclass(frozen=True)
class Shared:
    """What all connections of one server use together.

    Parameters
    ----------
    api : Api
        Answers the requests.
    error : callable
        ``error(status, text)`` returns an error answer as this protocol sends it. Injected faults use it.
    busy_text : str
        Text of the protocol's answer 503.
    is_admin : callable
        ``is_admin(query, headers)`` returns whether a request comes from an administrator. `query` holds the first
        value of each key.
    framing : Framing
        The kind of HTTP server.
    faults : Faults
        The faults to inject.
    site : Site
        Which web pages may ask.
    records : Records
        Every request is added to it.
    closing : threading.Event
        Set when the server closes.
    """

    api: Api
    error: Callable[[int, str], Answer]
    busy_text: str
    is_admin: Callable[[Mapping[str, str], Message], bool]
    framing: Framing
    faults: Faults
    site: Site = field(default_factory=Site)
    records: Records = field(default_factory=Records)
    closing: threading.Event = field(default_factory=threading.Event)
