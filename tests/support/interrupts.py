"""Ctrl-C, pressed by a test."""

from __future__ import annotations

import signal
import threading


class CtrlC:
    """Presses Ctrl-C when it is called for the first time, from whatever thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pressed = False

    def __call__(self) -> None:
        with self._lock:
            if self._pressed:
                return
            self._pressed = True
        # to the main thread, as a terminal does: `raise_signal` in another thread would not wake it
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
