"""Call: what one operation of a user shares over all its requests."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar, cast

from pyvolume.calls.retry import RetryPolicy, RetryWait
from pyvolume.calls.trace import Trace, active
from pyvolume.errors import AnswerError, BusyError, BusyTimeoutError, StoreError, TransportError

if TYPE_CHECKING:
    import tenacity

_log = logging.getLogger(__name__)

FIRST_WAIT = 0.004
"""Seconds at most before the first repeat: most failures pass at once, and a small request takes no longer itself."""

T = TypeVar("T")


class Clock(Protocol):
    """What time it is, and how to wait; injected by tests."""

    def now(self) -> float: ...

    def wait(self, seconds: float, cancelled: threading.Event) -> None: ...


class SystemClock:
    """The clock of this machine; its waits end with Ctrl-C."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, cancelled: threading.Event) -> None:
        cancelled.wait(seconds)


class Call:
    """Patience, deadline and counters of one operation of a user.

    Parameters
    ----------
    policy : RetryPolicy
    clock : Clock, optional
    jitter : callable, optional
        Draws a wait from ``jitter(low, high)``; `random.uniform` by default.

    Attributes
    ----------
    counted : Trace
        What it has cost so far.
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
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._held: list[threading.Semaphore] = []
        self._began = self._last_progress = self._clock.now()

    def attempt(self, once: Callable[[Exchange], T], *, retry_answers: bool) -> T:
        """Run `once` until it succeeds, fails for good, or the patience runs out.

        Parameters
        ----------
        once : callable
            One attempt; it reports the bytes that it has moved to the `Exchange` that it is given.
        retry_answers : bool
            Whether an answer of the wrong length or type is asked for once more.
        """
        progress = Exchange(self)
        exchange = _Exchange(self, retry_answers)

        def counted() -> T:
            self.count(requests=1)
            progress.restart()
            try:
                result = once(progress)
            except AnswerError:
                exchange.odd_answers += 1
                raise
            self.touch()
            return result

        try:
            return counted()
        except StoreError as error:
            # tenacity costs more than a small request: it is entered after a failure only
            if not exchange.may_repeat(error):
                raise
            failed: list[StoreError] = [error]

        def again() -> T:
            if failed:
                raise failed.pop()
            return counted()

        return exchange.retrying()(again)

    def count(self, **counts: float) -> None:
        """Add to the numbers of this call and of the traces around it."""
        for each in self._traces:
            each.add(**counts)

    def cancel(self) -> None:
        """Let every attempt of this call end at its next step, and give back what it holds at once."""
        with self._lock:
            self._cancelled.set()
            held, self._held = self._held, []
        for slots in held:
            slots.release()

    @contextlib.contextmanager
    def holding(self, slots: threading.Semaphore) -> Iterator[None]:
        """Hold one of the slots for requests, until the block ends or the call is cancelled.

        An attempt that hangs on a silent server after Ctrl-C holds nobody up.
        """
        slots.acquire()
        with self._lock:
            self._held.append(slots)
        try:
            yield
        finally:
            with self._lock:
                is_held = slots in self._held
                if is_held:
                    self._held.remove(slots)
            if is_held:
                slots.release()

    def touch(self) -> None:
        """Note progress: the patience starts anew."""
        with self._lock:
            self._last_progress = self._clock.now()

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, if there is one.

        Raises
        ------
        TransportError
            If it has passed, or the call was cancelled.
        """
        if self._cancelled.is_set():
            raise TransportError("call: cancelled")
        if self.policy.deadline is None:
            return None
        left = self._began + self.policy.deadline - self._clock.now()
        if left <= 0:
            raise TransportError(f"call: the deadline of {self.policy.deadline:g} s has passed")
        return left

    @property
    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self._clock.now() - self._began

    def patience_left(self) -> float:
        """Return the seconds for which the call may still wait."""
        return min(self._last_progress + self.policy.patience - self._clock.now(), self.deadline_left())

    def deadline_left(self) -> float:
        """Return the seconds until the deadline, however far that is."""
        deadline = math.inf if self.policy.deadline is None else self.policy.deadline
        return self._began + deadline - self._clock.now()

    def draw_wait(self, error: StoreError, waits: int) -> float:
        """Return how long to wait before the next attempt of an exchange that has waited `waits` times."""
        if isinstance(error, BusyError) and error.retry_after is not None:
            return error.retry_after
        highest = min(self.policy.max_interval, self.policy.interval * 2.0 ** min(waits - 1, 60))
        if not waits:
            highest = min(highest, FIRST_WAIT)
        return min(self._jitter(0, highest), max(0.0, self.patience_left()))

    def report(self, wait: RetryWait) -> None:
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

    def sleep(self, seconds: float) -> None:
        """Wait by the clock of this call."""
        self._clock.wait(seconds, self._cancelled)
        self.remaining()


class Exchange:
    """How far one exchange has come: only a byte that no earlier attempt has reached is progress."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._reached = 0
        self._moved = 0

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

    def _move(self, count: int) -> None:
        self._moved += count
        if self._moved > self._reached:
            self._reached = self._moved
            self._call.touch()
        self._call.remaining()


class _Exchange:
    """The rules for repeating one request of a call."""

    def __init__(self, call: Call, retry_answers: bool) -> None:
        self._call = call
        self._odd_answers_allowed = 1 if retry_answers else 0
        self.odd_answers = 0

    def may_repeat(self, error: BaseException | None) -> bool:
        if isinstance(error, AnswerError):
            return self.odd_answers <= self._odd_answers_allowed
        return isinstance(error, StoreError) and error.retryable

    def retrying(self) -> tenacity.Retrying:
        import tenacity

        return tenacity.Retrying(
            retry=lambda state: self.may_repeat(_error_of(state)),
            stop=self._is_over,
            wait=lambda state: self._call.draw_wait(_error_of(state), state.attempt_number - 1),
            sleep=self._call.sleep,
            before_sleep=self._report,
            retry_error_callback=self._give_up,
        )

    def _is_over(self, state: tenacity.RetryCallState) -> bool:
        error, left = _error_of(state), self._call.patience_left()
        # an attempt at the deadline would have no time, and would hide why the one before it failed
        too_late = self._call.deadline_left() <= state.upcoming_sleep
        return left <= 0 or too_late or (isinstance(error, BusyError) and (error.retry_after or 0) > left)

    def _report(self, state: tenacity.RetryCallState) -> None:
        self._call.report(RetryWait(state.attempt_number, state.upcoming_sleep, self._call.elapsed, _error_of(state)))

    def _give_up(self, state: tenacity.RetryCallState) -> NoReturn:
        error, seconds = _error_of(state), self._call.elapsed
        message = f"{error} (gave up after {state.attempt_number} attempts in {seconds:.1f} s)"
        if isinstance(error, BusyError):
            facts = vars(error) | {"attempts": state.attempt_number, "seconds": seconds}
            raise BusyTimeoutError(message, **facts) from error
        if isinstance(error, TransportError):
            raise TransportError(message) from error
        raise error


def _error_of(state: tenacity.RetryCallState) -> StoreError:
    """Return the error of the last attempt; `may_repeat` sees it first and lets only a StoreError go on."""
    assert state.outcome is not None  # tenacity asks after an attempt
    return cast("StoreError", state.outcome.exception())
