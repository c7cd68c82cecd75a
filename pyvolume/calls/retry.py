"""Retry settings: patience, waiting times, logging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tenacity

from pyvolume.errors import StoreError
from pyvolume.model import arguments

FIRST_WAIT = 0.004
"""Seconds at most before the first retry: most failures pass at once, and a small request takes no longer itself."""


@dataclass(frozen=True, slots=True)
class RetryWait:
    """One wait before another attempt.

    Parameters
    ----------
    attempt : int
        Number of attempts made so far.
    seconds : float
        How long this wait is.
    elapsed : float
        Seconds since the call began.
    error : StoreError
        Why the last attempt failed.
    """

    attempt: int
    seconds: float
    elapsed: float
    error: StoreError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long an operation retries its requests when the server is busy or the network fails.

    A call gives up `patience` seconds after its last progress, never while bytes arrive. The first retry follows within
    4 ms, also if the first attempt took longer than the patience. The wait before each further retry is random, uniform
    in ``[0, interval]``; the upper end doubles with each retry up to `max_interval`. A ``Retry-After`` of the server
    makes a wait longer, never shorter.

    Parameters
    ----------
    patience : float
        Seconds without progress after which a call gives up; 0 makes one attempt only.
    interval, max_interval : float
        Upper bound of the wait before the third attempt, and of every wait, in seconds.
    warn_after : float
        Seconds after the start of the call; waits before that are logged as INFO, later ones as WARNING.
    deadline : float, optional
        Hard limit on the whole call, in seconds; none by default.
    on_wait : callable, optional
        Called with a `RetryWait` before each wait.

    Raises
    ------
    ValueError
        If a number is negative.
    """

    patience: float = 60
    interval: float = 1
    max_interval: float = 20
    warn_after: float = 30
    deadline: float | None = None
    on_wait: Callable[[RetryWait], object] | None = None

    def __post_init__(self) -> None:
        for name in ("patience", "interval", "max_interval", "warn_after", "deadline"):
            value = getattr(self, name)
            if value is None and name == "deadline":
                continue
            if not arguments.number(value, "retry policy", name) >= 0:
                raise ValueError(f"retry policy: {name} is a number of seconds, 0 or more, not {value!r}")

    # tenacity is not imported late: Ctrl-C inside of the import of asyncio would break it for the rest of the process
    def longest_wait(self, attempts: int) -> float:
        """Return the upper bound of the wait after so many failed attempts of one request, in seconds."""
        first = tenacity.wait_fixed(min(FIRST_WAIT, self.interval, self.max_interval))
        later = tenacity.wait_exponential(multiplier=self.interval / 2, max=self.max_interval)
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.attempt_number = attempts
        return tenacity.wait_chain(first, later)(state)
