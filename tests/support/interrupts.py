"""Ctrl-C, pressed by a test."""

from __future__ import annotations

import contextlib
import inspect
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType


class CtrlC:
    """Presses Ctrl-C when it is called for the first time, from whatever thread.

    Parameters
    ----------
    wakes : bool
        Whether the main thread wakes up, as it does when the signal comes while it waits. A signal that comes just
        before the wait begins does not wake it.
    """

    def __init__(self, *, wakes: bool = True) -> None:
        self._wakes = wakes
        self._lock = threading.Lock()
        self._pressed = False

    def __call__(self) -> None:
        with self._lock:
            if self._pressed:
                return
            self._pressed = True
        if not self._wakes:  # the signal goes to this thread, and Python's handler waits for the main thread
            time.sleep(0.1)  # by now it waits
            signal.raise_signal(signal.SIGINT)
            return
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)


@contextlib.contextmanager
def interrupted_in_the_wait_for_a_thread() -> Iterator[list[int]]:
    """Press Ctrl-C when this thread begins to wait for another one that it starts; the list gets how often it did."""
    times = [0]

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        code = threading.Condition._release_save.__code__  # type: ignore[attr-defined]
        outer = frame.f_back and frame.f_back.f_back and frame.f_back.f_back.f_back
        if event == "return" and frame.f_code is code and outer and outer.f_code is threading.Thread.start.__code__:
            times[0] += 1
            raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield times
    finally:
        sys.setprofile(before)


@contextlib.contextmanager
def interrupted_at(number: int) -> Iterator[list[int]]:
    """Press Ctrl-C where code of any module begins or ends a call in this thread, after so many other such places.

    Python looks for signals at these places. The list gets the number of places that were passed. Those of `threading`
    are left out: there Python itself loses a thread that is being started.
    """
    passed = [0]

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        # what a profiler raises at the entry of a generator skips its finally, unlike a signal
        is_entry = event != "c_return" and bool(frame.f_code.co_flags & inspect.CO_GENERATOR)
        is_place = event != "c_call" and event != "c_exception" and not is_entry
        if is_place and frame.f_globals.get("__name__") != "threading":
            passed[0] += 1
            if passed[0] == number:
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield passed
    finally:
        sys.setprofile(before)
