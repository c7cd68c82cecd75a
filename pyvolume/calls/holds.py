"""Holds: what the threads of one process hold, and who waits for it."""

from __future__ import annotations

import contextvars
import functools
import os
import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from pyvolume.calls.call import Bell, Call, ring
from pyvolume.calls.pace import Mark, Pace
from pyvolume.calls.processes import OfProcess
from pyvolume.errors import BusyError, StoreError, TransportError

T = TypeVar("T")

AUTO: Final = "auto"

Concurrency: TypeAlias = int | Literal["auto"]
"""How many requests run at once: a number, or as many as the line and the server turn out to serve best."""

MOST = 64
"""The highest number of requests that is learnt."""

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
        self._waiting: dict[Bell, None] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for a value."""
        return bool(self._waiting)

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
        try:
            waited = call.wait_until(bell, lambda: self.try_take(hold, value, is_free, bell))
        except BaseException:
            self.leave(bell)
            raise
        _around.set((*(each for each in _around.get() if each.locked()), hold))
        return waited

    def try_take(self, hold: threading.Lock, value: T, is_free: Callable[[Sequence[T]], bool], bell: Bell) -> bool:
        """Hold a value if it is free, and say so; else the bell is rung, once, when it may be."""
        with self._lock:
            held = [each for other, each in list(self._held.items()) if other.locked()]
            if is_free(held):
                if len(held) < len(self._held):
                    self._tidy()
                self._held[hold] = value
                return True
            self._waiting[bell] = None
            return False

    def leave(self, bell: Bell) -> None:
        """Wait no longer for a value."""
        self._waiting.pop(bell, None)
        self._wake(1)  # the bell may have used up the wake-up of another one

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
        How many requests may be under way at once; the highest number if it is learnt.
    is_learnt : bool
        Whether a `Pace` decides how many of them are given.
    """

    def __init__(self, count: int, *, is_learnt: bool = False) -> None:
        self.count = count
        self._holds = OfProcess[Holds[None]](Holds)
        self._paces = OfProcess(functools.partial(Pace, count)) if is_learnt else None

    @property
    def pace(self) -> Pace | None:
        """What decides in this process how many slots are given; None if all are."""
        return None if self._paces is None else self._paces[os.getpid()]

    @property
    def room(self) -> int:
        """How many slots are given now."""
        pace = self.pace
        return self.count if pace is None else pace.limit

    @property
    def soon(self) -> int:
        """How many slots are given before long."""
        pace = self.pace
        return self.count if pace is None else pace.soon

    @property
    def rate(self) -> float:
        """Bytes per second that one request brings; 0 if nothing is known."""
        pace = self.pace
        return 0.0 if pace is None else pace.rate

    def begin(self, call: Call) -> Mark | None:
        """Note that a request begins, which holds a slot; None if nothing is learnt from it."""
        beside = len(self._holds[os.getpid()])
        call.saw(beside)
        pace = self.pace
        return None if pace is None else pace.begin(call.now(), beside)

    def end(self, mark: Mark | None, nbytes: int, call: Call) -> None:
        """Learn from a request that has ended well, and has moved so many bytes."""
        pace = self.pace
        if mark is not None and pace is not None:
            pace.end(mark, nbytes, call.now(), len(self._holds[os.getpid()]) - 1)

    def fail(self, mark: Mark | None, error: StoreError, call: Call) -> None:
        """Learn from a request that has failed."""
        pace = self.pace
        if mark is not None and pace is not None:
            overloaded = _overloaded(error) and not call.is_cancelled
            pace.fail(mark, call.now(), len(self._holds[os.getpid()]) - 1, overloaded=overloaded)

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
        return holds.take(hold, None, lambda held: len(held) < self.room or bool(holds.around()), call)

    def try_take(self, hold: threading.Lock, bell: Bell, *, is_next: bool) -> bool:
        """Take a slot if there is one, and say so; else the bell is rung, once, when there may be one.

        This is for event loops, which must not wait as `take` does. Whoever waits no longer has to `leave`.

        Parameters
        ----------
        hold : threading.Lock
            As for `take`.
        bell : Bell
            A new one each time.
        is_next : bool
            Whether an earlier bell was rung. Others come behind all who wait.
        """
        holds = self._holds[os.getpid()]
        free = is_next or not holds.is_awaited
        return holds.try_take(hold, None, lambda held: free and len(held) < self.room, bell)

    def leave(self, bell: Bell) -> None:
        """Wait no longer for a slot."""
        self._holds[os.getpid()].leave(bell)

    def give_back(self, hold: threading.Lock) -> None:
        """Give a slot back; nothing happens if this process does not hold it, or no longer does."""
        self._holds[os.getpid()].give_back(hold, wake=1 if self._paces is None else 2)  # there can be more room now


def _overloaded(error: StoreError) -> bool:
    """Whether an error says that the server, or the line, had too much to do."""
    if isinstance(error, TransportError):
        return error.retryable and not error.unreached
    return isinstance(error, BusyError)


class Lanes:
    """The slots of a connection, for reads and for writes.

    Parameters
    ----------
    concurrency : int or "auto"
        How many requests may be under way at once, of both kinds together; ``"auto"`` learns it for each kind.
    most : int
        The highest number of each kind that is learnt.
    """

    def __init__(self, concurrency: Concurrency, most: int = MOST) -> None:
        self._given = concurrency, most
        self.is_learnt = concurrency == AUTO
        count = most if concurrency == "auto" else concurrency
        self.reads = Slots(count, is_learnt=self.is_learnt)
        self.writes = Slots(count, is_learnt=True) if self.is_learnt else self.reads

    def __reduce__(self) -> tuple[type[Lanes], tuple[Concurrency, int]]:
        return Lanes, self._given

    def of(self, *, write: bool) -> Slots:
        """Return the slots of a kind."""
        return self.writes if write else self.reads
