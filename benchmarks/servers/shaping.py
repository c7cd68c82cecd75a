"""What a line can be like, and pacing by the clock."""

from __future__ import annotations

import argparse
import threading
import time
from dataclasses import asdict, dataclass, fields

BURST_SECONDS = 0.005
"""How much may follow at once after a pause: sleeping is not exact, and what it loses must be made good."""

PACED_BYTES = 1 << 17
"""Bytes that are sent at once where the rate is limited."""


@dataclass(frozen=True)
class Line:
    """A line between a client and a server.

    Parameters
    ----------
    latency : float
        Seconds added to each new connection and to each request.
    per_connection, shared : float, optional
        Bytes a second, of each connection and of all together.
    failing : int, optional
        Every so many requests one is answered with 503, and its connection is closed.
    work : float
        Seconds for which each request takes one of four processors of the server.
    """

    latency: float = 0.0
    per_connection: float | None = None
    shared: float | None = None
    failing: int | None = None
    work: float = 0.0

    def options(self) -> dict[str, object]:
        """Give what is not the default, as options of a command line."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        """Let a command line say what the line is like."""
        parser.add_argument("--latency", type=float, default=0.0)
        parser.add_argument("--per-connection", type=float)
        parser.add_argument("--shared", type=float)
        parser.add_argument("--failing", type=int)
        parser.add_argument("--work", type=float, default=0.0)

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Line:
        """Make the line that a command line describes."""
        return cls(**{each.name: getattr(options, each.name) for each in fields(cls)})


class Pace:
    """Lets bytes through at a rate; safe to share between threads.

    Parameters
    ----------
    rate : float, optional
        Bytes a second; none lets everything through.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def wait(self, nbytes: int) -> None:
        """Sleep until the line has carried so many bytes more."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(now - BURST_SECONDS, self._free_at) + nbytes / self._rate
            left = self._free_at - now
        if left > 0:
            time.sleep(left)
