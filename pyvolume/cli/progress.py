"""A bar on the terminal for what takes longer than a second."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TextIO

from pyvolume.calls.progress import TransferStatus

PATIENCE = 1.0
"""Seconds before a bar appears."""


@contextlib.contextmanager
def progress_bar(
    title: str,
    *,
    stream: TextIO | None = None,
    now: Callable[[], float] = time.monotonic,
    patience: float = PATIENCE,
) -> Iterator[Callable[[TransferStatus], None]]:
    """Give a function of a TransferStatus that draws a bar: rate, remaining time; nothing where stderr is no terminal.

    Parameters
    ----------
    title : str
        What is being done.
    stream : file, optional
        Instead of stderr.
    now : callable
        The time in seconds.
    patience : float
        Seconds before a bar appears, whether anything has moved or not.
    """
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        yield lambda _status: None
        return
    bar = _Bar(title, target, now, patience)
    timer = threading.Timer(patience, bar.draw)
    timer.daemon = True
    timer.start()
    try:
        yield bar
    finally:
        timer.cancel()
        bar.close()


class _Bar:
    """A bar that is drawn when it is time; told of progress by any thread."""

    def __init__(self, title: str, stream: TextIO, now: Callable[[], float], patience: float) -> None:
        self._title = title
        self._stream = stream
        self._now = now
        self._began = now()
        self._patience = patience
        self._lock = threading.Lock()
        self._is_closed = False
        self._drawn: Any = None
        self._task: Any = None

    def __call__(self, status: TransferStatus) -> None:
        seconds = self._now() - self._began
        if seconds >= self._patience:
            self.draw()
        with self._lock:
            if self._drawn is not None:
                self._drawn.update(self._task, completed=status.bytes_done, total=status.bytes_total)
                self._drawn.update(self._task, text=_text(status, seconds))

    def draw(self) -> None:
        """Show the bar, if it is not shown yet."""
        from rich import progress
        from rich.console import Console

        with self._lock:
            if self._is_closed or self._drawn is not None:
                return
            self._drawn = progress.Progress(
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                progress.DownloadColumn(binary_units=True),
                progress.TextColumn("{task.fields[text]}"),
                console=Console(file=self._stream),
                get_time=self._now,
            )
            self._task = self._drawn.add_task(self._title, total=None, text="")
            self._drawn.start()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._drawn is not None:
                self._drawn.stop()


def _text(status: TransferStatus, seconds: float) -> str:
    """Return the rate since the beginning, the remaining time, and what went wrong meanwhile."""
    from rich.filesize import decimal

    if not status.bytes_done or seconds <= 0:
        return ""
    rate = status.bytes_done / seconds
    remaining = timedelta(seconds=math.ceil((status.bytes_total - status.bytes_done) / rate))
    retries = f", {status.retries} retries" if status.retries else ""
    return f"{decimal(int(rate))}/s, {remaining} left{retries}"
