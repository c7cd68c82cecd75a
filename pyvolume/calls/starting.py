"""Starting threads where Ctrl-C can come at any moment."""

from __future__ import annotations

import sys
import threading


def start(thread: threading.Thread) -> None:
    """Start a thread, and let the exception of a signal handler pass.

    Python waits until the thread runs. If a signal ends this wait, Python can raise a RuntimeError (release unlocked
    lock) in place of the exception of the handler.
    """
    outer = sys.exc_info()[1]
    try:
        thread.start()
    except RuntimeError as error:
        if error.__context__ is None or error.__context__ is outer:
            raise
        raise error.__context__ from None
