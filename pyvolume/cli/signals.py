"""Signals end the command by an exception, so that no half of a file stays behind."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""What ends the command: Ctrl-C, `kill`, a terminal that closes; not every system has all of them."""

AGAIN = 0.01
"""Seconds until a signal comes again whose exception was lost, or that came just before a wait began."""

_came: list[signal.Signals] = []


class Ended(SystemExit):
    """The process got a signal that ends it.

    Parameters
    ----------
    number : signal.Signals
        The signal.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(128 + number)
        self.number = number


def end_by_exceptions() -> None:
    """Let each signal that ends the process raise an error; one that is ignored already, as by nohup, stays so.

    Python drops an exception that a callback of a weak reference or ``__del__`` raises, and h5py runs many of them
    (https://docs.python.org/3/library/sys.html#sys.unraisablehook); such a signal comes again a moment later.
    """
    for number in _numbers():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    sys.unraisablehook = _send_again


def came() -> signal.Signals | None:
    """Return the signal that ends the process, if one came; C code may have put another exception in place of its."""
    return _came[0] if _came else None


def _end(number: int, _frame: object) -> NoReturn:
    for each in _numbers():
        signal.signal(each, _ignore)  # a second one would interrupt the cleaning up
    _came.append(signal.Signals(number))
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Ended(signal.Signals(number))


def _send_again(lost: UnraisableHookArgs) -> None:
    number = came()
    if number is None or not isinstance(lost.exc_value, (Ended, KeyboardInterrupt)):
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN, _send, (number, threading.get_ident()))
    again.daemon = True
    try:
        _came.clear()
        signal.signal(number, _end)
        again.start()
    except (Ended, KeyboardInterrupt):  # on a busy machine it comes before the start returns, and would be lost here
        _send_again(lost)


def _send(number: int, main: int) -> None:
    """Send a signal to the main thread until its handler has run.

    On POSIX it ends a call of the system in which the thread waits, but not one that begins a moment later.
    """
    while came() is None:
        if sys.platform == "win32":
            _thread.interrupt_main(number)
        else:
            signal.pthread_kill(main, number)
        time.sleep(AGAIN)


def _ignore(_number: int, _frame: object) -> None:
    """Do nothing. Python complains of SIG_IGN if it comes between a signal and its handler."""


def end_undisturbed() -> None:
    """Ignore signals from now on: Python's own end would give up the handlers, and with them the exit code."""
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
