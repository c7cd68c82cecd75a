"""A bar on the terminal for what takes longer than a second."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from pyvolume.progress import Status

PATIENCE = 1.0
"""Seconds before a bar appears."""


@contextlib.contextmanager
def progress_bar(
    title: str, *, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Status], None]]:
    """Give a function of a Status that draws a bar: rate, remaining time; nothing where stderr is no terminal.

    Parameters
    ----------
    title : str
        What is being done.
    stream : file, optional
        Instead of stderr.
    now : callable
        The time in seconds.
    """
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        yield lambda _status: None
        return
    bar = _Bar(title, target, now)
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    def __init__(self, title: str, stream: TextIO, now: Callable[[], float]) -> None:
        self._title = title
        self._stream = stream
        self._now = now
        self._began = now()
        self._drawn: Any = None
        self._task: Any = None

    def __call__(self, status: Status) -> None:
        if self._drawn is None:
            if self._now() - self._began < PATIENCE:
                return
            self._draw(status.bytes_total)
        retries = f"{status.retries} retries" if status.retries else ""
        self._drawn.update(self._task, completed=status.bytes_done, retries=retries)

    def close(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()

    def _draw(self, total: int) -> None:
        from rich import progress
        from rich.console import Console

        self._drawn = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(binary_units=True),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[retries]}"),
            console=Console(file=self._stream),
            get_time=self._now,
        )
        self._task = self._drawn.add_task(self._title, total=total, retries="")
        self._drawn.start()
