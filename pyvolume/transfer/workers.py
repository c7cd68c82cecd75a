"""Workers: move many pieces at once, and stop together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from pyvolume.calls.call import Call
from pyvolume.errors import StoreError
from pyvolume.transfer.plan import Step

LINGER = 0.5
"""Seconds to wait after Ctrl-C for pieces under way; the threads end by themselves."""

T = TypeVar("T")


class Workers:
    """Threads that take the steps of one transfer, one after the other.

    Parameters
    ----------
    steps : sequence of Step
    move : callable
        Moves one.
    call : Call
        Cancelled by Ctrl-C.
    """

    def __init__(self, steps: Sequence[Step], move: Callable[[Step], None], call: Call) -> None:
        self._steps = steps
        self._move = move
        self._call = call
        self._lock = threading.Lock()
        self._next = 0
        self._done: set[int] = set()
        self._error: BaseException | None = None

    def run(self, concurrency: int) -> None:
        """Move all of them, in this thread if one is enough.

        Raises
        ------
        StoreError
            The first one that a step meets. Steps that have not begun are not begun any more; `remaining` holds the
            boxes that did not arrive.
        """
        count = min(concurrency, len(self._steps))
        if count <= 1:
            self._work()
        else:
            self._work_together(count)
        if self._error is not None:
            if isinstance(self._error, StoreError):
                missing = (step.box for i, step in enumerate(self._steps) if i not in self._done)
                self._error.with_facts(remaining=tuple(missing))
            raise self._error

    def _work_together(self, count: int) -> None:
        # daemons: a step that hangs on a silent server must not hold up the end of the program
        threads = [threading.Thread(target=self._work, name="pyvolume", daemon=True) for _ in range(count)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException as error:
            self._note(error)
            self._call.cancel()
            for thread in filter(threading.Thread.is_alive, threads):
                thread.join(LINGER / count)
            raise

    def _note(self, error: BaseException) -> None:
        """Let no step begin any more."""
        with self._lock:
            self._error = self._error or error

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            try:
                self._move(self._steps[taken])
            except BaseException as error:
                self._note(error)
                if not isinstance(error, Exception):
                    return
            else:
                with self._lock:
                    self._done.add(taken)

    def _take(self) -> int | None:
        with self._lock:
            if self._error is not None or self._next == len(self._steps):
                return None
            self._next += 1
            return self._next - 1
