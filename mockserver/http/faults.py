"""Faults that a server injects, as data."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

KINDS = frozenset({
    "busy", "refuse", "error", "truncate", "reset", "close", "stall", "slow", "short", "long", "html", "redirect",
    "garbage", "lost",
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
        Status of ``error``.
    text : str, optional
        Text of ``error``, ``busy`` and ``refuse``.
    retry_after : float, optional
        Seconds, sent as ``Retry-After`` with ``busy``, ``refuse`` and ``error``.
    amount : int
        Bytes that ``short`` removes and ``long`` adds.
    pause : float
        Seconds between the pieces of ``slow``.

    Raises
    ------
    ValueError
        If there is no fault of this kind.
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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind of fault: expected one of {', '.join(sorted(KINDS))}, got {self.kind!r}")
        re.compile(self.path)

    def matches(self, method: str, target: str) -> bool:
        """Return whether a request of this method and target matches."""
        if self.method is not None and self.method != method:
            return False
        path, _, _ = target.partition("?")
        return any(re.fullmatch(self.path, text) for text in (path, target))


class Faults:
    """The faults that a server still has to inject; safe to change while it serves."""

    def __init__(self, *faults: Fault) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, float]] = []
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Add faults; if several match a request, the one added first is taken."""
        with self._lock:
            self._left += [(fault, float("inf") if fault.times is None else fault.times) for fault in faults]

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._left.clear()

    def take(self, method: str, target: str) -> Fault | None:
        """Return the fault for this request, and count it as used."""
        with self._lock:
            for index, (fault, left) in enumerate(self._left):
                if left > 0 and fault.matches(method, target):
                    self._left[index] = (fault, left - 1)
                    return fault
        return None
