"""RetryPolicy: how long, how often and how loudly a call waits for a server that is busy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyvolume.errors import StoreError


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
    """Patience with a busy server or a bad line.

    A call gives up `patience` seconds after its last progress, never while bytes arrive. It repeats a request once at
    once, within 4 ms; before further attempts it waits a random time, uniform in ``[0, interval]``, whose upper end
    doubles each time up to `max_interval`. A ``Retry-After`` of the server is honoured.

    Parameters
    ----------
    patience : float
        Seconds without progress after which a call gives up, counted from the last progress; 0 makes one attempt only.
    interval, max_interval : float
        Upper bound of the wait before the third attempt, and of every wait, in seconds.
    warn_after : float
        After this many seconds of waiting the log gets a warning instead of an info line.
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
            if (value is None and name != "deadline") or (value is not None and not value >= 0):
                raise ValueError(f"retry policy: {name} is a number of seconds, 0 or more, not {value!r}")
