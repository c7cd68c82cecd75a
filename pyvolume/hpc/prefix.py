"""Prefix: where the server serves the blocks of one level in one version."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pyvolume.calls.call import Call
from pyvolume.errors import AnswerError, TransportError
from pyvolume.hpc.client import dataset_path, get_document
from pyvolume.hpc.refusals import refusal
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request

T = TypeVar("T")

IDLE = 60_000
"""Milliseconds without a block after which a process of its own may end; a server that shares one ignores it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What the server has answered to an open.

    Parameters
    ----------
    connection : Connection
        To the process that serves the blocks.
    path : str
        In front of the numbers of a block, without a slash at the end.
    """

    connection: Connection
    path: str


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
    """

    def __init__(self, connection: Connection, uuid: str, level: str, version: int | str, mode: str) -> None:
        self._connection = connection
        self._path = open_path(uuid, level, version, mode)
        self._action = f"open version {version} of {uuid}"
        self._lock = threading.Lock()
        self._opened: Opened | None = None

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Prefix belongs to its process")

    def exchange(self, request: Request, receive: Callable[[Answer], T], call: Call) -> T:
        """Send a request whose path follows the prefix, see `Connection.exchange`."""
        opened = self._open(call)
        try:
            return _through(opened, request, receive, call)
        except TransportError as error:
            if not error.unreached or opened.connection is self._connection:
                raise
        self._forget(opened)
        return _through(self._open(call), request, receive, call)

    def _open(self, call: Call) -> Opened:
        with self._lock:
            if self._opened is None:
                self._opened = opened_by(self._connection, self._action, self._path, call, repeatable=True)
            return self._opened

    def _forget(self, opened: Opened) -> None:
        with self._lock:
            if self._opened is opened:
                self._opened = None
        opened.connection.close()


def open_path(uuid: str, level: str, version: int | str, mode: str) -> str:
    """Return the path that opens a level of a version."""
    return f"{dataset_path(uuid)}/{level.replace(',', '/')}/{version}/{mode}"


def opened_by(connection: Connection, action: str, path: str, call: Call, *, repeatable: bool) -> Opened:
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


def new_version(connection: Connection, uuid: str, level: str, call: Call) -> int:
    """Make a version, and return its number."""
    action = f"make a version of {uuid}"
    opened = opened_by(connection, action, open_path(uuid, level, "new", "read-write"), call, repeatable=False)
    number: int = get_document(opened.connection, action, f"{opened.path}/", "hpc-status-1", call=call)["version"]
    if opened.connection is not connection:
        opened.connection.close()
    return number


def _through(opened: Opened, request: Request, receive: Callable[[Answer], T], call: Call) -> T:
    return opened.connection.exchange(request.behind(opened.path), receive, call)


def _location(answer: Answer) -> str:
    answer.read()
    return answer.headers.get("Location", "")


def _place(connection: Connection, action: str, location: str) -> Opened:
    """Turn the address in an answer into a connection and a path.

    The server writes the host of the request and always ``http``: behind a proxy that adds TLS or a path, the address
    of the connection is the right one.
    """
    there, here = urllib.parse.urlsplit(location), urllib.parse.urlsplit(connection.url)
    if there.scheme not in {"http", "https"} or not there.netloc:
        raise AnswerError(f"{action}: expected the address of the blocks and found {location!r}")
    path = there.path.rstrip("/")
    if there.netloc == here.netloc:
        return Opened(connection, path.removeprefix(here.path.rstrip("/")))
    return Opened(connection.at(f"{there.scheme}://{there.netloc}", lasting=False), path)
