"""Ctrl-C, pressed by a test."""

from __future__ import annotations

import signal
import threading


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
            signal.raise_signal(signal.SIGINT)
            return
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
