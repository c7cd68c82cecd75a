"""Counting what happens inside a block of code: requests, bytes, retries, waits."""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from pyvolume.calls.processes import OfProcess
from pyvolume.model.table import html_table
from pyvolume.model.units import readable

COUNTED = ("requests", "bytes_fetched", "bytes_sent", "bytes_used", "retries", "seconds_waited")

OF_CACHE = ("cache_hits", "cache_misses")
"""Shown only where a cache was used."""

_LOCKS = OfProcess(threading.RLock)
"""One for all: it is held for a moment."""


@dataclass
class Trace:
    """What the operations of a block have cost so far.

    Parameters
    ----------
    requests : int
        Attempts included that failed.
    bytes_fetched, bytes_sent : int
        Bodies received and sent, also of attempts that failed.
    bytes_used : int
        Of voxels that were asked for, or given to be written.
    retries : int
        How many attempts were repeated.
    seconds_waited : float
        For a busy server or a bad line, added up over all threads.
    cache_hits : int
        Blocks that a `BlockCache` had.
    cache_misses : int
        Blocks that it did not have, and that were requested.
    at_once : int
        The highest number of requests that were under way at once over one connection; shown where it is more than 1.
    """

    requests: int = 0
    bytes_fetched: int = 0
    bytes_sent: int = 0
    bytes_used: int = 0
    retries: int = 0
    seconds_waited: float = 0.0
    cache_hits: int = 0
    cache_misses: int = 0
    at_once: int = 0

    def saw(self, at_once: int) -> None:
        """Note how many requests are under way."""
        self.at_once = max(self.at_once, at_once)

    def add(self, **counts: float) -> None:
        """Add to some of the numbers."""
        with _LOCKS[os.getpid()]:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def __str__(self) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {number:.6g}" for name, number in self._shown().items())

    def _repr_html_(self) -> str:
        return html_table({
            name.replace("_", " "): readable(number) if name.startswith("bytes") else f"{number:.6g}"
            for name, number in self._shown().items()
        })

    def _shown(self) -> dict[str, float]:
        uses_cache = any(getattr(self, name) for name in OF_CACHE)
        several = ("at_once",) if self.at_once > 1 else ()
        return {name: getattr(self, name) for name in COUNTED + several + (OF_CACHE if uses_cache else ())}


_active: contextvars.ContextVar[tuple[Trace, ...]] = contextvars.ContextVar("pyvolume traces", default=())


def active() -> tuple[Trace, ...]:
    """Return the traces that are open around the caller."""
    return _active.get()


@contextlib.contextmanager
def trace() -> Iterator[Trace]:
    """Count what the operations begun inside the block cost, in all threads that they use.

    Yields
    ------
    Trace
        Its numbers grow while the block runs.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> volume = pyvolume.from_array(np.zeros((1, 8, 8, 8), "uint8"))
    >>> with pyvolume.trace() as t:
    ...     voxels = volume[:, 2:4]
    >>> t.bytes_used
    128
    """
    counted = Trace()
    token = _active.set((*_active.get(), counted))
    try:
        yield counted
    finally:
        _active.reset(token)
