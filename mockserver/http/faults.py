"""Faults that a server injects, as data."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass

KINDS = frozenset({
    "busy", "refuse", "error", "truncate", "reset", "close", "stall", "slow", "short", "long", "html", "redirect",
    "garbage", "lost", "gateway",
})  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """A fault that the first matching requests get.

    Parameters
    ----------
    kind : str
        ``busy``
            503 with the text of a busy server.
        ``refuse``
            503 before the body is read; then the connection is closed.
        ``error``
            The answer `status` with the text `text`.
        ``reset``, ``close``
            The request is not carried out; the connection is reset or closed instead of an answer.
        ``lost``
            The request is carried out; the connection is reset instead of an answer.
        ``gateway``
            The request is carried out; instead of the answer `status` comes with the page of a proxy.
        ``stall``
            No answer until the client disconnects or the server closes.
        ``truncate``
            The connection is closed in the middle of the answer's body.
        ``slow``
            The correct answer in small pieces with pauses.
        ``short``, ``long``
            A body of `amount` bytes too few or too many; ``Content-Length`` agrees with it.
        ``html``
            200 with a web page, as from a proxy.
        ``redirect``
            302 to another address.
        ``garbage``
            A malformed status line.
    times : int or None
        How many matching requests fail; None: all.
    method : str, optional
        Only requests of this method match.
    path : str
        Regular expression for the whole path, with or without the query.
    status : int
        Status of ``error`` and ``gateway``.
    text : str, optional
        Text of ``error``, ``busy`` and ``refuse``.
    retry_after : float, optional
        Seconds, sent as ``Retry-After`` with ``busy``, ``refuse`` and ``error``.
    amount : int
        Bytes that ``short`` removes and ``long`` adds.
    pause : float
        Seconds between the pieces of ``slow``.
    must_fire : bool
        Whether a test that uses a fixture of the plugin fails if no request has matched.

    Raises
    ------
    ValueError
        If there is no fault of this kind, or if `path` is no regular expression.
    """

    kind: str
    times: int | None = 1
    method: str | None = None
    path: str = ".*"
    status: int = 500
    text: str | None = None
    retry_after: float | None = None
    amount: int = 1
    pause: float = 0.01
    must_fire: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind of fault: expected one of {', '.join(sorted(KINDS))}, got {self.kind!r}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path of a fault: expected a regular expression, got {self.path!r}: {error}") from None

    def matches(self, method: str, target: str) -> bool:
        """Return whether a request of this method and target matches."""
        if self.method is not None and self.method != method:
            return False
        path, _, _ = target.partition("?")
        return any(re.fullmatch(self.path, text) for text in (path, target))


class Faults:
    """The faults that a server still has to inject; safe to change while it serves.

    Parameters
    ----------
    *faults : Fault
        The first faults.
    check : callable, optional
        ``check(fault)`` raises an error for a fault that no request to this server can match.
    """

    def __init__(self, *faults: Fault, check: Callable[[Fault], None] = lambda _: None) -> None:
        self._lock = threading.Lock()
        self._check = check
        self._entries: list[_Entry] = []
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Add faults; if several match a request, the one added first is taken.

        Raises
        ------
        ValueError
            If a method or a word in a path is one that the server does not know; then no fault is added.
        """
        for fault in faults:
            self._check(fault)
        with self._lock:
            self._entries += map(_Entry, faults)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._entries.clear()

    @property
    def unfired(self) -> tuple[Fault, ...]:
        """The faults that no request has matched yet, in the order in which they were added."""
        with self._lock:
            return tuple(entry.fault for entry in self._entries if entry.is_left and not entry.fired)

    def take(self, method: str, target: str) -> Fault | None:
        """Return the fault for this request, and count it as used."""
        with self._lock:
            for entry in self._entries:
                if entry.is_left and entry.fault.matches(method, target):
                    entry.fired += 1
                    return entry.fault
        return None


@dataclass
class _Entry:
    fault: Fault
    fired: int = 0

    @property
    def is_left(self) -> bool:
        return self.fault.times is None or self.fired < self.fault.times
