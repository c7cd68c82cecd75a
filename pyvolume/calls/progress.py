"""Showing how far a transfer has come."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from pyvolume.model.extras import require


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """How far a transfer has come.

    Parameters
    ----------
    bytes_done, bytes_total : int
        Of voxels.
    retries : int
        So far.
    at_once : int
        The highest number of requests that were under way at once so far.
    """

    bytes_done: int
    bytes_total: int
    retries: int
    at_once: int = field(default=0, compare=False)


Progress: TypeAlias = "bool | Callable[[TransferStatus], object] | None"
"""True for a bar (needs the extra ``progress``), a function of a TransferStatus, False or None (the default)."""

_default: contextvars.ContextVar[Progress] = contextvars.ContextVar("pyvolume progress", default=False)


@contextlib.contextmanager
def set_options(*, progress: Progress) -> Iterator[None]:
    """Set what operations do inside the block, where nothing else is said.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar for each transfer of several pieces; a function is called with a `TransferStatus`.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> seen = []
    >>> with pyvolume.set_options(progress=seen.append):
    ...     pyvolume.from_array(np.zeros((1, 2, 2, 2), "uint8"))[...] = 1
    >>> seen[-1].bytes_done
    8
    """
    token = _default.set(progress)
    try:
        yield
    finally:
        _default.reset(token)


class Bar:
    """A progress bar of tqdm: called with a status, it draws it.

    Parameters
    ----------
    title : str
        What is being done.
    quiet : bool
        Show the bar only on a terminal, and only after a second.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        tqdm = require("tqdm.auto", extra="progress", action="a progress bar").tqdm
        self._drawn: Any = tqdm(
            desc=title, total=0, unit="B", unit_scale=True, unit_divisor=1024,
            delay=1 if quiet else 0, disable=None if quiet else False,
        )  # fmt: skip

    def __call__(self, status: TransferStatus) -> None:
        self._drawn.total = status.bytes_total
        self._drawn.set_postfix(retries=status.retries, at_once=status.at_once, refresh=False)
        self._drawn.update(status.bytes_done - self._drawn.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is."""
        self._drawn.close()


class Reporter:
    """Tells whoever asked for it how far one transfer has come; safe to share between threads.

    Parameters
    ----------
    progress : bool, callable or None
        As for `set_options`.
    title : str
        What is being done.
    bytes_total : int
        Of all voxels.
    """

    def __init__(self, progress: Progress, title: str, bytes_total: int) -> None:
        chosen = _default.get() if progress is None else progress
        self._lock = threading.Lock()
        self._total = bytes_total
        self._done = 0
        self._bar = Bar(title) if chosen is True else None
        self._tell = chosen if callable(chosen) else self._bar

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def expect(self, nbytes: int) -> None:
        """Add to the bytes of all voxels, where they are not known at the beginning."""
        with self._lock:
            self._total += nbytes

    def moved(self, nbytes: int, retries: int, at_once: int = 0) -> None:
        """Report voxels that have arrived."""
        if self._tell is None:
            return
        with self._lock:
            self._done += nbytes
            self._tell(TransferStatus(self._done, self._total, retries, at_once))
