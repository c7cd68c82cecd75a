"""Signals: work that Ctrl-C must not interrupt runs in a thread that gets no signals."""

from __future__ import annotations

import contextvars
import functools
import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from pyvolume.calls.call import LONGEST_WAIT
from pyvolume.calls.starting import start

T = TypeVar("T")

GRACE = 30.0
"""Seconds to wait for the end of work that was ended: files may still be written."""


def unsignalled(work: Callable[[], T], end: Callable[[], object]) -> T:
    """Return what `work` returns; the main thread, which gets the signals, leaves the work to another one.

    An exception of a signal handler can come between any two steps of Python, for example while a lock is held that
    others wait for. A handler that reads itself would wait for a lock of its own thread. zarr waits for its event loop
    by `concurrent.futures.wait`: Ctrl-C inside of it can leave a lock locked, and the loop then waits for it for ever.

    Parameters
    ----------
    work : callable
        What is done.
    end : callable
        Lets `work` end soon, from another thread, after an exception of a signal handler.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    done = threading.Lock()
    outcome: list[Callable[[], T]] = []

    def body() -> None:
        try:
            result = work()
            outcome.append(lambda: result)
        except BaseException as error:
            outcome.append(functools.partial(_raised, error))
        finally:
            done.release()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(body,), name="pyvolume zarr", daemon=True)
    done.acquire()
    try:
        start(thread)
        while not done.acquire(timeout=LONGEST_WAIT):
            pass
    except BaseException:
        end()
        if thread.is_alive():
            done.acquire(timeout=GRACE)
        raise
    return outcome.pop()()


def _raised(error: BaseException) -> NoReturn:
    raise error
