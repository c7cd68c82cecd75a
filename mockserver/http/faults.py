"""Faults a server can be told to show, as data."""

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
    """What goes wrong with the first matching requests.

    Parameters
    ----------
    kind : str
        ``busy``
            503 with DVID's text.
        ``refuse``
            503 before the body is read, and the connection is closed.
        ``error``
            `status` and `text`.
        ``reset``, ``close``
            The connection is reset or closed instead of an answer; the request is not carried out.
        ``lost``
            The request is carried out, then the connection is reset instead of an answer.
        ``stall``
            Silence until the client goes away or the server closes.
        ``truncate``
            The connection is closed in the middle of the answer's body.
        ``slow``
            The right answer in small pieces with pauses.
        ``short``, ``long``
            `amount` bytes too few or too many, in consistent framing.
        ``html``
            200 with a web page, as a proxy might send.
        ``redirect``
            302 to a place elsewhere.
        ``garbage``
            A malformed status line.
    times : int or None
        How many matching requests it befalls; None for ever.
    method : str, optional
        Only requests of this method.
    path : str
        Regular expression for the whole path, with or without the query.
    status, text
        Of ``error``; `text` also replaces the text of ``busy`` and ``refuse``.
    retry_after : float, optional
        Seconds, sent as ``Retry-After`` with ``busy``, ``refuse`` and ``error``.
    amount : int
        Bytes that ``short`` drops and ``long`` adds.
    pause : float
        Seconds between the pieces of ``slow``.

    Raises
    ------
    ValueError
        If there is no such kind of fault.
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
        """Whether it befalls such a request."""
        if self.method is not None and self.method != method:
            return False
        path, _, _ = target.partition("?")
        return any(re.fullmatch(self.path, text) for text in (path, target))


class Faults:
    """The faults a server still has to show; safe to change while it serves."""

    def __init__(self, *faults: Fault) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, float]] = []
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Add faults; of several that match a request the first added comes first."""
        with self._lock:
            self._left += [(fault, float("inf") if fault.times is None else fault.times) for fault in faults]

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._left.clear()

    def take(self, method: str, target: str) -> Fault | None:
        """Return the fault that befalls this request and use it up."""
        with self._lock:
            for index, (fault, left) in enumerate(self._left):
                if left > 0 and fault.matches(method, target):
                    self._left[index] = (fault, left - 1)
                    return fault
        return None
