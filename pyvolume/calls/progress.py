"""Showing how far a transfer has come."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeAlias


@dataclass(frozen=True, slots=True)
class TransferStatus:
    """How far a transfer has come.

    Parameters
    ----------
    bytes_done, bytes_total : int
        Of voxels.
    retries : int
        So far.
    """

    bytes_done: int
    bytes_total: int
    retries: int


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


class Reporter:
    """Tells whoever asked for it how far one transfer has come; safe to share between threads.

    Parameters
    ----------
    progress : bool, callable or None
    title : str
        What is being done.
    bytes_total : int
    """

    def __init__(self, progress: Progress, title: str, bytes_total: int) -> None:
        chosen = _default.get() if progress is None else progress
        self._lock = threading.Lock()
        self._total = bytes_total
        self._done = 0
        self._bar: Any = _bar(title, bytes_total) if chosen is True else None
        self._tell = chosen if callable(chosen) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def expect(self, nbytes: int) -> None:
        """Add to the bytes of all voxels, where they are not known at the beginning."""
        with self._lock:
            self._total += nbytes
            if self._bar is not None:
                self._bar.total = self._total

    def moved(self, nbytes: int, retries: int) -> None:
        """Report voxels that have arrived."""
        if self._bar is None and self._tell is None:
            return
        with self._lock:
            self._done += nbytes
            if self._bar is not None:
                self._bar.set_postfix(retries=retries, refresh=False)
                self._bar.update(nbytes)
            if self._tell is not None:
                self._tell(TransferStatus(self._done, self._total, retries))


def _bar(title: str, total: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError(
            "progress=True needs tqdm: install the extra, as in pip install 'pyvolume-sdk[progress]'"
        ) from None
    return tqdm(total=total, desc=title, unit="B", unit_scale=True, unit_divisor=1024)
