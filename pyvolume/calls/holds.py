"""Holds: what the threads of one process hold, and who waits for it."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pyvolume.calls.call import Call, ring
from pyvolume.calls.processes import OfProcess

T = TypeVar("T")

_around: contextvars.ContextVar[tuple[threading.Lock, ...]] = contextvars.ContextVar("pyvolume holds", default=())
"""What was taken in this context. What is locked still belongs to an operation around the present one, which was begun
by one of its callbacks, or by a signal handler."""


class Holds(Generic[T]):
    """Values that threads hold, each for as long as a lock of its own is locked.

    The owner locks it by ``with hold:``, whose end is one step for Python: no signal can leave it locked. Therefore
    nothing stays held after Ctrl-C, whatever code it has interrupted. `give_back` is only faster for those who wait.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may come between any two statements
        self._held: dict[threading.Lock, T] = {}
        self._waiting: dict[threading.Lock, None] = {}

    def around(self) -> list[T]:
        """Return what the operations hold that the present one runs in."""
        return [self._held[hold] for hold in _around.get() if hold.locked() and hold in self._held]

    def take(self, hold: threading.Lock, value: T, is_free: Callable[[Sequence[T]], bool], call: Call) -> float:
        """Hold a value as soon as it is free, and return the seconds for which the call has waited.

        Parameters
        ----------
        hold : threading.Lock
            Locked by the caller.
        value : T
            What it stands for.
        is_free : callable
            Whether it can be taken beside values that are held.
        call : Call
            The operation that waits.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        bell = threading.Lock()

        def is_taken() -> bool:
            with self._lock:
                held = [each for other, each in list(self._held.items()) if other.locked()]
                if is_free(held):
                    if len(held) < len(self._held):
                        self._tidy()
                    self._held[hold] = value
                    return True
                self._waiting[bell] = None
                return False

        try:
            waited = call.wait_until(bell, is_taken)
        except BaseException:
            self._waiting.pop(bell, None)
            self._wake(1)  # this thread may have used up the wake-up of another one
            raise
        _around.set((*(each for each in _around.get() if each.locked()), hold))
        return waited

    def give_back(self, hold: threading.Lock, wake: int | None = None) -> None:
        """Let go of a value, and wake so many of those who wait, all by default; it may be given back already."""
        self._held.pop(hold, None)
        if self._waiting:
            self._wake(wake)

    def _tidy(self) -> None:
        for hold in list(self._held):
            if not hold.locked():
                self._held.pop(hold, None)

    def _wake(self, most: int | None) -> None:
        for bell in list(self._waiting)[:most]:
            if self._waiting.pop(bell, self) is None:
                ring(bell)


class Slots:
    """A number of slots, shared by all threads; each request holds one.

    Parameters
    ----------
    count : int
        How many requests may be under way at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._holds = OfProcess[Holds[None]](Holds)

    def take(self, call: Call, hold: threading.Lock) -> float:
        """Take a slot, and return the seconds for which the call has waited for it.

        Parameters
        ----------
        call : Call
            The operation that waits.
        hold : threading.Lock
            Locked by the caller: the slot is taken until it is unlocked or given back.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        holds = self._holds[os.getpid()]
        # a request that a signal handler has interrupted cannot go on before the handler ends
        return holds.take(hold, None, lambda held: len(held) < self._count or bool(holds.around()), call)

    def give_back(self, hold: threading.Lock) -> None:
        """Give a slot back; nothing happens if this process does not hold it, or no longer does."""
        self._holds[os.getpid()].give_back(hold, wake=1)
