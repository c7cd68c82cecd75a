"""Signals end the command by an exception, so that no half of a file stays behind."""

from __future__ import annotations

import signal
from typing import NoReturn

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""What ends the command: Ctrl-C, `kill`, a terminal that closes; not every system has all of them."""


class Ended(SystemExit):
    """The process got a signal that ends it.

    Parameters
    ----------
    number : int
        The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


def end_by_exceptions() -> None:
    """Let each signal that ends the process raise an error; one that is ignored already, as by nohup, stays so."""
    for number in _numbers():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: object) -> NoReturn:
    for each in _numbers():
        signal.signal(each, _ignore)  # a second one would interrupt the cleaning up
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Ended(number)


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing. Python complains of SIG_IGN if it comes between a signal and its handler."""


def end_undisturbed() -> None:
    """Ignore signals from now on: Python's own end would give up the handlers, and with them the exit code."""
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
