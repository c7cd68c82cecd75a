"""Call: what one operation of a user shares over all its requests."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import NoReturn, Protocol, TypeVar

from pyvolume.calls import cancellation
from pyvolume.calls.retry import FIRST_WAIT, RetryPolicy, RetryWait
from pyvolume.calls.starting import start
from pyvolume.calls.trace import Trace, active
from pyvolume.errors import AnswerError, BusyError, BusyTimeoutError, StoreError, TransportError

_log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_WAIT = 0.5
"""Seconds for which a thread waits at a time: Ctrl-C just before the wait begins does not wake the main thread."""


class Clock(Protocol):
    """The time, and how to wait; tests pass their own."""

    def now(self) -> float: ...

    def wait(self, seconds: float, cancelled: threading.Event) -> None: ...


class SystemClock:
    """The clock of this machine; its waits end with Ctrl-C."""

    now = staticmethod(time.monotonic)

    def wait(self, seconds: float, cancelled: threading.Event) -> None:
        end = self.now() + seconds
        while (left := end - self.now()) > 0 and not cancelled.wait(min(left, LONGEST_WAIT)):
            pass


class Held(Protocol):
    """What a call holds and gives back when it is cancelled: `pyvolume.calls.holds.Slots`."""

    def take(self, call: Call, hold: threading.Lock) -> float: ...

    def give_back(self, hold: threading.Lock) -> None: ...


class Bell(Protocol):
    """What wakes somebody who waits: a locked `threading.Lock`, or what does the same for an event loop."""

    def release(self) -> None: ...


def ring(bell: Bell) -> None:
    """Wake whoever waits for a bell, unless it was rung already."""
    with contextlib.suppress(RuntimeError):
        bell.release()


class Call:
    """Patience, deadline and counters of one operation of a user.

    Parameters
    ----------
    policy : RetryPolicy
        How long it may wait.
    clock : Clock, optional
        The clock of this machine by default.
    jitter : callable, optional
        Draws a wait from ``jitter(low, high)``; `random.uniform` by default.

    Attributes
    ----------
    counted : Trace
        What the call has cost so far.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        clock: Clock | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.policy = policy
        self.counted = Trace()
        self._traces = (self.counted, *active())
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._cancelled = threading.Event()
        self._at_cancel: dict[object, Callable[[], object]] = {}
        self._began = self._last_progress = self._clock.now()
        self._deadline = self._began + (math.inf if policy.deadline is None else policy.deadline)
        cancellation.register(self)

    def attempt(self, once: Callable[[Exchange], T], *, retry_answers: bool) -> T:
        """Run `once` until it succeeds, fails for good, or the patience runs out.

        Parameters
        ----------
        once : callable
            One attempt; it reports the bytes that it has moved to the `Exchange` that it is given.
        retry_answers : bool
            Whether a request is repeated, once, after an answer of the wrong length or type.
        """
        exchange = Exchange(self)
        attempts, wrong_answers_left = 0, int(retry_answers)
        while True:
            attempts += 1
            self.count(requests=1)
            exchange.restart()
            try:
                result = once(exchange)
            except AnswerError as error:
                if not wrong_answers_left:
                    raise
                wrong_answers_left -= 1
                self._pause(error, attempts, exchange)
            except StoreError as error:
                if not error.retryable:
                    raise
                self._pause(error, attempts, exchange)
            else:
                self.touch()
                return result

    def _pause(self, error: StoreError, attempts: int, exchange: Exchange) -> None:
        """Wait before the next attempt, or give up."""
        self.sleep(self.next_wait(error, attempts, exchange))

    def next_wait(self, error: StoreError, attempts: int, exchange: Exchange) -> float:
        """Tell everybody about the wait before the next attempt, and return its seconds; the caller waits.

        Parameters
        ----------
        error : StoreError
            Why the last attempt failed.
        attempts : int
            How many there were.
        exchange : Exchange
            The request.

        Raises
        ------
        StoreError
            If no attempt shall follow: the patience has run out, or the deadline comes first.
        """
        patience = exchange.patience_left()
        if attempts == 1 and self.policy.patience:
            # a silent server or a busy machine can make one attempt longer than the patience
            patience = max(patience, FIRST_WAIT)
        until_deadline = self._deadline - self._clock.now()
        left = min(patience, until_deadline)
        seconds = min(self._jitter(0, self.policy.longest_wait(attempts)), left)
        if isinstance(error, BusyError) and error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        # an attempt at the deadline would have no time, and would hide why the one before it failed
        if left <= 0 or seconds > left or seconds >= until_deadline:
            self._give_up(error, attempts)
        self._report(RetryWait(attempts, seconds, self.elapsed, error))
        return seconds

    def sleep(self, seconds: float) -> None:
        """Wait by the clock of this call.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        self._clock.wait(seconds, self._cancelled)
        self.remaining()

    def _report(self, wait: RetryWait) -> None:
        """Tell the log, the counters and `on_wait` about a wait."""
        self.count(retries=1, seconds_waited=wait.seconds)
        _log.log(
            logging.WARNING if wait.elapsed >= self.policy.warn_after else logging.INFO,
            "attempt %d failed, trying again in %.3g s (%.1f s so far): %s",
            wait.attempt,
            wait.seconds,
            wait.elapsed,
            wait.error,
        )
        if self.policy.on_wait is not None:
            self.policy.on_wait(wait)

    def _give_up(self, error: StoreError, attempts: int) -> NoReturn:
        seconds = self.elapsed
        message = f"{error} (gave up after {attempts} attempts in {seconds:.1f} s)"
        if isinstance(error, BusyError):
            facts = vars(error) | {"attempts": attempts, "seconds": seconds}
            raise BusyTimeoutError(message, **facts) from error
        if isinstance(error, TransportError):
            raise TransportError(message) from error
        raise error

    def count(self, **counts: float) -> None:
        """Add to the numbers of this call and of the traces around it."""
        for each in self._traces:
            each.add(**counts)

    def saw(self, at_once: int) -> None:
        """Note how many requests are under way, in the numbers of this call and of the traces around it."""
        for each in self._traces:
            each.saw(at_once)

    def cancel(self) -> None:
        """Let every attempt and every wait of this call end, and give back what it holds at once."""
        self._cancelled.set()
        for end in list(self._at_cancel.values()):
            end()

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def take(self, slots: Held, hold: threading.Lock) -> float:
        """Take a slot, and return the seconds waited for it.

        It is held until `hold` is unlocked, or the call is cancelled: an attempt that hangs on a silent server after
        Ctrl-C holds nobody up.
        """
        # before the slot is taken: from then on `cancel` finds it
        self._at_cancel[hold] = functools.partial(slots.give_back, hold)
        return slots.take(self, hold)

    def give_back(self, hold: threading.Lock) -> None:
        """Give back the slot of a lock, if it has one."""
        give_back = self._at_cancel.pop(hold, None)
        if give_back is not None:
            give_back()

    @contextlib.contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[float]:
        """Call `cut` in another thread when the call is cancelled, or its deadline passes, before the block ends.

        The block gets the seconds until the deadline.

        Raises
        ------
        TransportError
            If that has happened already.
        """
        key, alarm = object(), None
        try:
            self._at_cancel[key] = cut
            left = self.remaining()
            if left < threading.TIMEOUT_MAX:
                alarm = threading.Timer(left, cut)
                alarm.daemon = True
                start(alarm)
            yield left
        finally:
            if alarm is not None:
                alarm.cancel()
            self._at_cancel.pop(key, None)

    def wait_until(self, bell: threading.Lock, ready: Callable[[], bool]) -> float:
        """Wait until another thread of this process lets the call go on, and return the seconds waited.

        Parameters
        ----------
        bell : threading.Lock
            Unlocked when the outcome of `ready` may have changed.
        ready : callable
            Whether the call may go on.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        self.remaining()
        if ready():
            return 0.0
        began = self._clock.now()
        bell.acquire(blocking=False)
        self._at_cancel[bell] = functools.partial(ring, bell)
        try:
            while True:
                left = self.remaining()
                if ready():
                    break
                bell.acquire(timeout=min(left, LONGEST_WAIT))
        finally:
            self._at_cancel.pop(bell, None)
        return self._clock.now() - began

    def touch(self) -> None:
        """Note progress: the patience starts anew."""
        self._last_progress = self._clock.now()

    def remaining(self) -> float:
        """Return the seconds until the deadline, `math.inf` if there is none.

        Raises
        ------
        TransportError
            If it has passed, or the call was cancelled.
        """
        if self._cancelled.is_set():
            raise TransportError("call: cancelled")
        left = self._deadline - self._clock.now()
        if left <= 0:
            raise TransportError(f"call: the deadline of {self.policy.deadline:g} s has passed")
        return left

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self.now() - self._began

    @property
    def last_progress(self) -> float:
        """When the call last made progress, by its clock."""
        return self._last_progress

    def now(self) -> float:
        """Return the time by the clock of this call."""
        return self._clock.now()


class Exchange:
    """One request of a call, over all its attempts: only a byte that no earlier attempt has reached is progress.

    Parameters
    ----------
    call : Call
        The operation that the request belongs to.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._reached = 0
        self._moved = 0
        self._patient_since = -math.inf

    def restart(self) -> None:
        """Begin another attempt."""
        self._moved = 0

    def sent(self, count: int) -> None:
        """Report bytes sent."""
        self._call.count(bytes_sent=count)
        self._move(count)

    def received(self, count: int) -> None:
        """Report bytes received."""
        self._call.count(bytes_fetched=count)
        self._move(count)

    @property
    def moved(self) -> int:
        """Bytes of the present attempt."""
        return self._moved

    def _move(self, count: int) -> None:
        self._moved += count
        if self._moved > self._reached:
            self._reached = self._moved
            self._call.touch()
        self._call.remaining()

    def take(self, slots: Held, hold: threading.Lock) -> None:
        """Take a slot for one attempt, see `Call.take`."""
        self.queued(self._call.take(slots, hold))

    def queued(self, waited: float) -> None:
        """Report the seconds for which an attempt has waited for its turn: that costs no patience."""
        if waited:
            since = max(self._patient_since, self._call.last_progress)
            self._patient_since = min(self._call.now(), since + waited)

    def patience_left(self) -> float:
        """Return for how many seconds the request may still wait, if there is no deadline."""
        since = max(self._patient_since, self._call.last_progress)
        return since + self._call.policy.patience - self._call.now()
