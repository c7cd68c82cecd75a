"""Cancellation: ends the operations of a block of code from another thread."""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Cancellable(Protocol):
    """An operation that another thread can end: `pyvolume.calls.call.Call`."""

    def cancel(self) -> None: ...


_enclosing: contextvars.ContextVar[tuple[Cancellation, ...]] = contextvars.ContextVar(
    "pyvolume cancellations", default=()
)


class Cancellation:
    """Cancels what begins inside `run`, in all threads that it uses.

    Attributes
    ----------
    is_cancelled : bool
        Whether `cancel` was called.
    """

    def __init__(self) -> None:
        self.is_cancelled = False
        self._begun: dict[weakref.ref[Cancellable], None] = {}

    def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; `cancel` ends the operations that it begins."""
        token = _enclosing.set((*_enclosing.get(), self))
        try:
            return work()
        finally:
            _enclosing.reset(token)

    def cancel(self) -> None:
        """Cancel every operation that has begun, and each one that begins later."""
        self.is_cancelled = True
        for begun in list(self._begun):
            operation = begun()
            if operation is not None:
                operation.cancel()

    def add(self, operation: Cancellable) -> None:
        """Let `cancel` end an operation."""
        self._begun[weakref.ref(operation, self._forget)] = None
        # one of them sees what the other has set: this thread, or the one that cancels
        if self.is_cancelled:
            operation.cancel()

    def _forget(self, ended: weakref.ref[Cancellable]) -> None:
        self._begun.pop(ended, None)


def register(operation: Cancellable) -> None:
    """Let each `Cancellation` around the caller end an operation."""
    for each in _enclosing.get():
        each.add(operation)
