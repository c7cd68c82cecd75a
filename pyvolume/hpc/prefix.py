"""Prefix: where the server serves the blocks of one level in one version."""

from __future__ import annotations

import os
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pyvolume.calls.call import Call
from pyvolume.calls.processes import OfProcess
from pyvolume.errors import AddressError, AnswerError, ClosedError, TransportError
from pyvolume.hpc.client import dataset_path
from pyvolume.hpc.refusals import refusal
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request
from pyvolume.transport.urls import normalised_url, without_secrets

T = TypeVar("T")

IDLE = 60_000
"""Milliseconds without a block after which a process of its own may end; a server that shares one ignores it."""

KEPT = 45.0
"""Seconds without a block after which the server is asked again where the blocks are."""


MOST_OPENS = 3
"""How often a request is sent to a new process."""

_DELETIONS: Counter[tuple[str, str]] = Counter()
"""How often this process has deleted versions, by server and dataset."""


def note_deletion(connection: Connection, uuid: str) -> None:
    """Let every prefix of a dataset be opened again, because versions were deleted."""
    _DELETIONS[connection.url, uuid] += 1


@dataclass(frozen=True, slots=True)
class Opened:
    """What the server has answered to an open.

    Parameters
    ----------
    connection : Connection
        To the process that serves the blocks.
    path : str
        In front of the numbers of a block, without a slash at the end.
    is_own : bool
        Whether it is a process of its own.
    """

    connection: Connection
    path: str
    is_own: bool

    def close(self) -> None:
        """Close the connection to a process of its own."""
        if self.is_own:
            self.connection.close()


class Prefix:
    """Where the blocks of one level in one version are; the server says it when it is opened, with the first request.

    Most servers serve blocks themselves. Others start a process for each open, which ends when it is idle: then it is
    opened again.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        The dataset.
    level : str
        The factors of the level, separated by commas.
    version : int or str
        A number, or ``"mixedLatest"``; never ``"new"``, because each open would make a version.
    mode : "read" or "read-write"
        What the process is for.
    kept : float
        Seconds without a block after which it is opened again. A process may have ended, and another one can have its
        port. A version may be deleted: a request for its blocks would make a version that breaks the dataset. After
        `note_deletion` it is opened again at once.
    """

    def __init__(
        self, connection: Connection, uuid: str, level: str, version: int | str, mode: str, *, kept: float = KEPT
    ) -> None:
        self._connection = connection
        self._path = open_path(uuid, level, version, mode)
        self._action = f"open version {version} of {uuid}"
        self._kept = kept
        self._locks = OfProcess(threading.Lock)
        self._opened: Opened | None = None
        self._used = 0.0
        self._dataset = connection.url, uuid
        self._deletions = 0

    def exchange(self, request: Request, receive: Callable[[Answer], T], call: Call) -> T:
        """Send a request whose path follows the prefix, see `Connection.exchange`."""
        left = MOST_OPENS
        while True:
            opened = self._open(call)
            left -= 1
            try:
                return self._through(opened, request, receive, call)
            except (TransportError, ClosedError) as error:
                is_gone = isinstance(error, ClosedError) or error.unreached
                if not (is_gone and opened.is_own and left):
                    raise
            self._forget(opened)

    def close(self) -> None:
        """Close the connection to a process of its own; the next request opens the prefix again."""
        if self._opened is not None:
            self._forget(self._opened)

    def _through(self, opened: Opened, request: Request, receive: Callable[[Answer], T], call: Call) -> T:
        self._used = time.monotonic()
        try:
            return opened.connection.exchange(request.behind(opened.path), receive, call)
        finally:
            self._used = time.monotonic()

    def _open(self, call: Call) -> Opened:
        with self._locks[os.getpid()]:
            is_old = time.monotonic() - self._used > self._kept or self._deletions != _DELETIONS[self._dataset]
            if self._opened is not None and is_old:
                self._opened.close()
                self._opened = None
            if self._opened is None:
                self._deletions = _DELETIONS[self._dataset]
                self._opened = opened_by(self._connection, self._action, self._path, call)
            return self._opened

    def _forget(self, opened: Opened) -> None:
        with self._locks[os.getpid()]:
            if self._opened is opened:
                self._opened = None
        opened.close()


class Prefixes:
    """The prefixes of one dataset that have been opened.

    Parameters
    ----------
    connection : Connection
        To the server.
    uuid : str
        The dataset.
    """

    def __init__(self, connection: Connection, uuid: str) -> None:
        self._connection = connection
        self._uuid = uuid
        self._found: dict[tuple[object, ...], Prefix] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return Prefixes, (self._connection, self._uuid)

    def of(self, level: str, version: int | str, mode: str) -> Prefix:
        """Return the prefix of a level in a version."""
        key = level, version, mode
        return self._found.get(key) or self._found.setdefault(key, Prefix(self._connection, self._uuid, *key))

    def close(self) -> None:
        """Close the connections to processes of their own."""
        for prefix in list(self._found.values()):
            prefix.close()


def open_path(uuid: str, level: str, version: int | str, mode: str) -> str:
    """Return the path that opens a level of a version."""
    return f"{dataset_path(uuid)}/{level.replace(',', '/')}/{version}/{mode}"


def opened_by(connection: Connection, action: str, path: str, call: Call, *, repeatable: bool = True) -> Opened:
    """Send an open, and understand where the server leads to."""
    request = Request(
        action,
        "GET",
        path,
        {"timeout": str(IDLE)},
        accepts=frozenset({307}),
        repeatable=repeatable,
        reads=repeatable,
        refusal=refusal,
    )
    return _place(connection, action, connection.exchange(request, _location, call))


def _location(answer: Answer) -> str:
    answer.read()
    return answer.headers.get("Location", "")


def _place(connection: Connection, action: str, location: str) -> Opened:
    """Turn the address in an answer into a connection and a path.

    The server writes the host of the request and always ``http``: behind a proxy that adds TLS or a path, the address
    of the connection is the right one.

    Raises
    ------
    AnswerError
        If it is no address of an HTTP server.
    """
    here = urllib.parse.urlsplit(connection.url)
    try:
        there = urllib.parse.urlsplit(location)
        normalised_url(location)
        other = connection.at(f"{there.scheme}://{there.netloc}", lasting=False)
    except (AddressError, ValueError):
        found = without_secrets(location)
        raise AnswerError(f"{action}: expected the address of the blocks and found {found!r}") from None
    path = there.path.rstrip("/")
    if urllib.parse.urlsplit(other.url).netloc != here.netloc:
        return Opened(other, path, is_own=True)
    shortened = path.removeprefix(here.path) if path.startswith(f"{here.path}/") else path
    return Opened(connection, shortened, is_own=False)
