"""Retry: patience from the last progress, bounded and visible waits; time is injected, nothing waits for real."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import itertools
import logging
import math
import multiprocessing
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

import pytest
from holds import box_of, locked, slot_of
from hypothesis import given
from hypothesis import strategies as st

from pyvolume import Box, RetryPolicy, RetryWait
from pyvolume.calls.call import Call, Exchange
from pyvolume.calls.holds import Slots
from pyvolume.errors import (
    AnswerError,
    BusyError,
    BusyTimeoutError,
    ForbiddenError,
    RefusedError,
    StoreError,
    TransportError,
)
from pyvolume.stores.locks import BoxLocks


class FakeClock:
    """Time that passes when it is waited for."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, cancelled: threading.Event) -> None:
        self.waits.append(seconds)
        self.time += seconds


def longest(_low: float, high: float) -> float:
    """Draw no random wait, but always the longest."""
    return high


def call_of(clock: FakeClock, jitter: Callable[[float, float], float] = longest, **policy: Any) -> Call:
    return Call(RetryPolicy(**policy), clock=clock, jitter=jitter)


def busy(retry_after: float | None = None) -> BusyError:
    return BusyError("read voxels: 503", status=503, reason="throttled", retry_after=retry_after)


def cut_off() -> TransportError:
    return TransportError("read voxels: cut off", retryable=True)


class Server:
    """Attempts that fail as listed and then succeed; each may take time and move bytes first."""

    def __init__(
        self, clock: FakeClock, failures: Iterable[BaseException], *, takes: float = 0.0, moves: Iterable[int] = ()
    ) -> None:
        self._clock = clock
        self._failures = iter(failures)
        self._takes = takes
        self._moves = iter(moves)
        self.began: list[float] = []

    def __call__(self, progress: Exchange) -> str:
        self.began.append(self._clock.now() - 1000)
        moved = next(self._moves, 0)
        if moved:
            progress.received(moved)
        self._clock.time += self._takes
        failure = next(self._failures, None)
        if failure is not None:
            raise failure
        return "voxels"


def for_ever(make: Callable[[], BaseException]) -> Iterable[BaseException]:
    while True:
        yield make()


@pytest.mark.parametrize("failure", [busy, cut_off])
def test_recovers_from_failures_that_pass(failure: Callable[[], StoreError]) -> None:
    clock = FakeClock()
    server = Server(clock, [failure() for _ in range(4)])
    result = call_of(clock).attempt(server, retry_answers=True)
    assert (result, len(server.began)) == ("voxels", 5)


@pytest.mark.parametrize(
    "failure",
    [
        ForbiddenError("no", status=403),
        RefusedError("no", status=500),
        TransportError("cannot connect"),
        BusyError("no", status=503).with_facts(retryable=False),
        ValueError("closed"),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_what_is_not_retryable_is_raised_after_one_attempt(failure: BaseException) -> None:
    clock = FakeClock()
    server = Server(clock, [failure])
    with pytest.raises(type(failure)) as raised:
        call_of(clock).attempt(server, retry_answers=True)
    assert (raised.value, len(server.began)) == (failure, 1)


def test_repeats_at_once_then_waits_double_up_to_the_longest() -> None:
    clock = FakeClock()
    call_of(clock, interval=1, max_interval=20, patience=1000).attempt(
        Server(clock, [busy() for _ in range(8)]), retry_answers=True
    )
    assert clock.waits == [0.004, 1, 2, 4, 8, 16, 20, 20]


@given(st.floats(0, 50), st.floats(0, 50), st.integers(0, 2**32))
def test_waits_are_drawn_between_zero_and_their_bound(interval: float, max_interval: float, seed: int) -> None:
    clock = FakeClock()
    call = call_of(clock, random.Random(seed).uniform, interval=interval, max_interval=max_interval, patience=10_000)
    call.attempt(Server(clock, [busy() for _ in range(9)]), retry_answers=True)
    bounds = [min(0.004, interval, max_interval), *(min(max_interval, interval * 2**n) for n in range(8))]
    assert all(0 <= wait <= bound for wait, bound in zip(clock.waits, bounds, strict=True))


def test_waits_are_random_by_default() -> None:
    clock = FakeClock()
    Call(RetryPolicy(interval=1, max_interval=1), clock=clock).attempt(
        Server(clock, [busy() for _ in range(20)]), retry_answers=True
    )
    assert len(set(clock.waits)) == 20


def test_gives_up_when_the_patience_has_run_out() -> None:
    clock = FakeClock()
    server = Server(clock, for_ever(busy))
    with pytest.raises(BusyTimeoutError, match=r"gave up after 9 attempts in 60\.0 s"):
        call_of(clock, patience=60).attempt(server, retry_answers=True)
    assert server.began == pytest.approx([0, 0.004, 1.004, 3.004, 7.004, 15.004, 31.004, 51.004, 60])


def test_a_busy_server_is_a_timeout_with_attempts_and_seconds() -> None:
    clock = FakeClock()
    with pytest.raises(BusyTimeoutError) as raised:
        call_of(clock, patience=10).attempt(Server(clock, for_ever(busy)), retry_answers=True)
    facts = raised.value
    assert (facts.status, facts.reason, facts.attempts, facts.seconds) == (503, "throttled", 6, 10.0)


def test_a_bad_line_stays_a_transport_error() -> None:
    clock = FakeClock()
    with pytest.raises(TransportError, match=r"cut off \(gave up after \d+ attempts in 10\.0 s\)"):
        call_of(clock, patience=10).attempt(Server(clock, for_ever(cut_off)), retry_answers=True)


def test_what_is_raised_in_the_end_is_not_retryable() -> None:
    clock = FakeClock()
    with pytest.raises(TransportError) as raised:
        call_of(clock, patience=10).attempt(Server(clock, for_ever(cut_off)), retry_answers=True)
    assert not raised.value.retryable


def test_no_attempt_begins_after_the_patience() -> None:
    clock = FakeClock()
    server = Server(clock, for_ever(cut_off))
    with pytest.raises(TransportError):
        call_of(clock, patience=60).attempt(server, retry_answers=True)
    assert max(server.began) <= 60


@pytest.mark.parametrize("failure", [busy, cut_off])
def test_a_first_attempt_that_takes_all_the_patience_is_repeated_once(failure: Callable[[], StoreError]) -> None:
    clock = FakeClock()
    server = Server(clock, [failure()], takes=120)
    assert call_of(clock, patience=60).attempt(server, retry_answers=True) == "voxels"
    silent = Server(clock, for_ever(failure), takes=120)
    with pytest.raises((BusyTimeoutError, TransportError)):
        call_of(clock, patience=60).attempt(silent, retry_answers=True)
    assert (len(server.began), len(silent.began)) == (2, 2)


def test_patience_counts_from_the_last_new_byte() -> None:
    clock = FakeClock()
    server = Server(clock, [cut_off() for _ in range(20)], takes=50, moves=range(10, 1000, 10))
    call_of(clock, patience=60, interval=1, max_interval=1).attempt(server, retry_answers=True)
    assert len(server.began) == 21


def test_bytes_that_an_earlier_attempt_has_reached_are_no_progress() -> None:
    clock = FakeClock()
    server = Server(clock, for_ever(cut_off), takes=25, moves=[10] * 20)
    with pytest.raises(TransportError, match="gave up after 3 attempts"):
        call_of(clock, patience=60, interval=1, max_interval=1).attempt(server, retry_answers=True)


def test_the_success_of_one_piece_renews_the_patience_of_the_next() -> None:
    clock = FakeClock()
    call = call_of(clock, patience=60, interval=1, max_interval=1)
    for _ in range(10):
        call.attempt(Server(clock, [busy()], takes=25), retry_answers=True)
    assert clock.now() - 1000 > 500


def test_retry_after_is_waited_for_exactly() -> None:
    clock = FakeClock()
    call_of(clock, max_interval=5).attempt(Server(clock, [busy(retry_after=37)]), retry_answers=True)
    assert clock.waits == [37]


def test_a_retry_after_of_zero_for_ever_makes_no_wait_shorter() -> None:
    clock = FakeClock()
    with pytest.raises(BusyTimeoutError, match="gave up after 9 attempts"):
        call_of(clock, patience=60).attempt(Server(clock, for_ever(lambda: busy(retry_after=0))), retry_answers=True)
    assert clock.waits[:7] == [0.004, 1, 2, 4, 8, 16, 20]


def test_a_retry_after_beyond_the_patience_is_given_up_at_once() -> None:
    clock = FakeClock()
    with pytest.raises(BusyTimeoutError) as raised:
        call_of(clock, patience=60).attempt(Server(clock, [busy(retry_after=61)]), retry_answers=True)
    assert (raised.value.attempts, raised.value.retry_after, clock.waits) == (1, 61, [])


def test_timeout_0_makes_one_attempt() -> None:
    clock = FakeClock()
    with pytest.raises(BusyTimeoutError) as raised:
        call_of(clock, patience=0).attempt(Server(clock, for_ever(busy)), retry_answers=True)
    assert (raised.value.attempts, clock.waits) == (1, [])


def test_on_wait_sees_every_wait() -> None:
    clock, seen = FakeClock(), list[RetryWait]()
    failures = [busy(retry_after=9), cut_off(), busy()]
    call_of(clock, on_wait=seen.append).attempt(Server(clock, failures, takes=5), retry_answers=True)
    assert seen == [
        RetryWait(attempt=1, seconds=9, elapsed=5, error=failures[0]),
        RetryWait(attempt=2, seconds=1, elapsed=19, error=failures[1]),
        RetryWait(attempt=3, seconds=2, elapsed=25, error=failures[2]),
    ]


def test_on_wait_may_end_the_call() -> None:
    def stop(_: RetryWait) -> None:
        raise KeyboardInterrupt

    clock = FakeClock()
    server = Server(clock, for_ever(busy))
    with pytest.raises(KeyboardInterrupt):
        call_of(clock, on_wait=stop).attempt(server, retry_answers=True)
    assert len(server.began) == 1


def test_ctrl_c_ends_a_wait() -> None:
    class Interrupted(FakeClock):
        def wait(self, seconds: float, cancelled: threading.Event) -> None:
            raise KeyboardInterrupt

    clock = Interrupted()
    server = Server(clock, for_ever(busy))
    with pytest.raises(KeyboardInterrupt):
        call_of(clock).attempt(server, retry_answers=True)
    assert len(server.began) == 1


def test_the_log_gets_a_warning_after_the_warn_after(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    with caplog.at_level(logging.INFO, "pyvolume"):
        call_of(clock, warn_after=6, patience=100).attempt(
            Server(clock, [busy() for _ in range(6)]), retry_answers=True
        )
    assert [record.levelname for record in caplog.records] == ["INFO"] * 4 + ["WARNING"] * 2


def test_the_log_says_how_long_and_why(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    with caplog.at_level(logging.INFO, "pyvolume"):
        call_of(clock).attempt(Server(clock, [busy()], takes=5), retry_answers=True)
    assert caplog.messages == ["attempt 1 failed, trying again in 0.004 s (5.0 s so far): read voxels: 503"]


@pytest.mark.parametrize(("retry_answers", "attempts"), [(True, 2), (False, 1)])
def test_an_odd_answer_is_asked_for_once_more_at_most(retry_answers: bool, attempts: int) -> None:
    clock = FakeClock()
    server = Server(clock, for_ever(lambda: AnswerError("html")))
    with pytest.raises(AnswerError):
        call_of(clock).attempt(server, retry_answers=retry_answers)
    assert len(server.began) == attempts


def test_one_odd_answer_among_busy_ones_is_forgiven() -> None:
    clock = FakeClock()
    server = Server(clock, [busy(), AnswerError("html"), busy(), cut_off()])
    assert call_of(clock).attempt(server, retry_answers=True) == "voxels"


def test_two_odd_answers_are_too_many_also_with_busy_ones_between() -> None:
    clock = FakeClock()
    server = Server(clock, [AnswerError("html"), busy(), AnswerError("html"), busy()])
    with pytest.raises(AnswerError):
        call_of(clock).attempt(server, retry_answers=True)
    assert len(server.began) == 3


def test_each_exchange_of_a_call_may_have_its_odd_answer() -> None:
    clock = FakeClock()
    call = call_of(clock)
    results = [call.attempt(Server(clock, [AnswerError("html")]), retry_answers=True) for _ in range(3)]
    assert results == ["voxels"] * 3


def test_no_attempt_begins_after_the_deadline() -> None:
    clock = FakeClock()
    server = Server(clock, for_ever(busy), takes=3)
    with pytest.raises(StoreError):
        call_of(clock, deadline=20).attempt(server, retry_answers=True)
    assert max(server.began) <= 20


def test_the_deadline_ends_a_transfer_that_is_under_way() -> None:
    clock = FakeClock()

    def endless(progress: Exchange) -> None:
        while True:
            clock.time += 1
            progress.received(1000)

    with pytest.raises(TransportError, match="the deadline of 20 s has passed"):
        call_of(clock, deadline=20).attempt(endless, retry_answers=True)
    assert clock.now() - 1000 == 20


@pytest.mark.parametrize(("deadline", "passed", "left"), [(None, 1e9, math.inf), (20, 5, 15)])
def test_remaining_tells_the_seconds_until_the_deadline(deadline: float | None, passed: float, left: float) -> None:
    clock = FakeClock()
    call = call_of(clock, deadline=deadline)
    clock.time += passed
    assert call.remaining() == left


def test_counters_tell_what_the_call_has_cost() -> None:
    clock = FakeClock()
    call = call_of(clock)
    for failures in ([busy(), busy()], [], [cut_off()]):
        call.attempt(Server(clock, failures), retry_answers=True)
    counted = call.counted
    assert (counted.requests, counted.retries) == (6, 3)
    assert counted.seconds_waited == pytest.approx(1.008)


@pytest.mark.parametrize("name", ["patience", "interval", "max_interval", "warn_after", "deadline"])
@pytest.mark.parametrize("value", [-1, float("nan")])
def test_a_policy_takes_no_negative_number(name: str, value: float) -> None:
    policy: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"retry policy: {name} is a number of seconds, 0 or more, not {value}"):
        RetryPolicy(**policy)


def test_a_wait_up_to_the_deadline_is_given_up_with_what_went_wrong() -> None:
    clock = FakeClock()
    call = call_of(clock, deadline=20, patience=60)

    def attempt(_: Exchange) -> None:
        call.remaining()
        raise busy()

    with pytest.raises(BusyTimeoutError):
        call.attempt(attempt, retry_answers=True)


def slot_holder() -> Holder:
    slots = Slots(1)
    return lambda: slot_of(slots, Call(RetryPolicy(deadline=LONG / 10)))


def box_holder() -> Holder:
    locks = BoxLocks()
    return lambda: box_of(locks, "store", Box((0,), (1,)), Call(RetryPolicy(deadline=LONG / 10)))


def take_two(slots: Slots) -> None:
    """Take the only slot, give it back twice, and see that there is still one."""
    hold = locked()
    slots.take(Call(RetryPolicy(deadline=LONG / 2)), hold)
    slots.give_back(hold)
    slots.give_back(hold)
    assert is_free(slots)
    assert not is_free(slots)


class TestSlots:
    def test_a_slot_is_given_back_at_the_end(self) -> None:
        slots = Slots(1)
        with slot_of(slots, Call(RetryPolicy())):
            assert not is_free(slots)
        assert is_free(slots)

    def test_a_slot_is_given_back_by_an_error(self) -> None:
        slots = Slots(1)
        with contextlib.suppress(BusyError), slot_of(slots, Call(RetryPolicy())):
            raise busy()
        assert is_free(slots)

    def test_a_cancelled_call_gives_its_slots_back_at_once_and_once_only(self) -> None:
        slots = Slots(2)
        call = Call(RetryPolicy())
        with slot_of(slots, call), slot_of(slots, call):
            call.cancel()
            taken = [is_free(slots) for _ in range(3)]
        assert (taken, is_free(slots)) == ([True, True, False], False)

    def test_a_cancelled_call_ends_at_its_next_step(self) -> None:
        call = Call(RetryPolicy())
        call.cancel()
        with pytest.raises(TransportError, match="cancelled"):
            call.remaining()

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_cancel_around_the_taking_gives_the_slot_back_once(self, when: str) -> None:
        call = Call(RetryPolicy())
        slots, inside = CancellingSlots(2, call, when), 0
        with contextlib.suppress(TransportError), slot_of(slots, call):
            inside = [is_free(slots) for _ in range(3)].count(True)
        assert inside + [is_free(slots) for _ in range(3)].count(True) == 2
        assert inside == (2 if when == "after" else 0)

    @pytest.mark.parametrize("make", [slot_holder, box_holder])
    def test_ctrl_c_before_the_block_loses_nothing(self, make: Callable[[], Holder]) -> None:
        for number in itertools.count():
            holding, entered = make(), False
            with contextlib.suppress(KeyboardInterrupt), interrupted(number), holding():
                sys.setprofile(None)
                entered = True
            with holding():
                pass
            if entered:
                break
        assert number > 5

    def test_the_deadline_ends_the_wait_for_a_slot(self) -> None:
        slots = Slots(1)
        with slot_of(slots, Call(RetryPolicy())), pytest.raises(TransportError, match="deadline"):
            contextvars.Context().run(slots.take, Call(RetryPolicy(deadline=0.01)), locked())

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
    def test_a_process_made_by_fork_has_all_slots(self) -> None:
        slots = Slots(1)
        with slot_of(slots, Call(RetryPolicy())):
            child = multiprocessing.get_context("fork").Process(target=take_two, args=(slots,))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of threads in a process that is forked
                child.start()
            child.join(LONG)
        assert child.exitcode == 0

    def test_a_cancelled_call_does_not_wait_for_a_slot_any_more(self) -> None:
        slots, call = Slots(1), WatchedCall(RetryPolicy())
        with slot_of(slots, Call(RetryPolicy())), ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(slots.take, call, locked())
            assert call.waits.wait(LONG)
            call.cancel()
            assert isinstance(waiting.exception(LONG), TransportError)

    def test_a_slot_goes_on_to_the_next_call_where_one_gives_up(self) -> None:
        slots, calls = Slots(1), [WatchedCall(RetryPolicy()) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            with slot_of(slots, Call(RetryPolicy())):
                waiting = [pool.submit(slots.take, call, locked()) for call in calls]
                assert all(call.waits.wait(LONG) for call in calls)
                calls[0].cancel()
            assert waiting[1].result(LONG) > 0

    def test_waiting_for_a_slot_costs_no_patience(self) -> None:
        clock = FakeClock()
        slots = TakenSlots(clock, 100, [1, 0, 0])
        server = Server(clock, [cut_off(), cut_off()])

        def once(exchange: Exchange) -> str:
            with slot_of(slots, exchange):
                return server(exchange)

        assert call_of(clock, patience=10).attempt(once, retry_answers=True) == "voxels"

    def test_patience_runs_out_although_each_attempt_waits_for_a_slot(self) -> None:
        clock = FakeClock()
        slots, server = TakenSlots(clock, 100, itertools.repeat(1)), Server(clock, for_ever(cut_off), takes=4)

        def once(exchange: Exchange) -> str:
            with slot_of(slots, exchange):
                return server(exchange)

        with pytest.raises(TransportError, match="gave up after 3 attempts"):
            call_of(clock, patience=10, interval=0).attempt(once, retry_answers=True)


Holder = Callable[[], AbstractContextManager[object]]


class CancellingSlots(Slots):
    """Slots where one call is cancelled just before or after it takes one."""

    def __init__(self, count: int, cancelled: Call, when: str) -> None:
        super().__init__(count)
        self._cancelled = cancelled
        self._when = when

    def take(self, call: Call, hold: threading.Lock) -> float:
        if call is self._cancelled and self._when == "before":
            call.cancel()
        waited = super().take(call, hold)
        if call is self._cancelled:
            call.cancel()
        return waited


@contextlib.contextmanager
def interrupted(number: int) -> Iterator[None]:
    """Raise a KeyboardInterrupt where the code of pyvolume begins or ends a call, after so many other such places."""
    left = itertools.count(number, -1)

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        # Python itself looks for signals where a call has begun or ended, never just before one or at a yield
        at_yield = event == "return" and bool(frame.f_code.co_flags & inspect.CO_GENERATOR)
        is_place = event != "c_call" and not at_yield and frame.f_globals["__name__"].startswith("pyvolume.")
        if is_place and next(left) == 0:
            raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


LONG = 10.0
"""Seconds after which a test that hangs fails."""


def is_free(slots: Slots) -> bool:
    """Take a slot for another operation, if there is one."""
    with contextlib.suppress(TransportError):
        contextvars.Context().run(slots.take, Call(RetryPolicy(deadline=LONG / 100)), locked())
        return True
    return False


class WatchedCall(Call):
    """A call that says when it waits for something."""

    def __init__(self, policy: RetryPolicy) -> None:
        super().__init__(policy)
        self.waits = threading.Event()

    def wait_until(self, bell: threading.Lock, ready: Callable[[], bool]) -> float:
        def watched() -> bool:
            if ready():
                return True
            self.waits.set()
            return False

        return super().wait_until(bell, watched)


class TakenSlots:
    """Slots for which each attempt waits, as often as listed, for some seconds."""

    def __init__(self, clock: FakeClock, seconds: float, taken: Iterable[int]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._taken = iter(taken)

    def take(self, call: Call, hold: threading.Lock) -> float:
        waited = self._seconds * next(self._taken)
        self._clock.time += waited
        return waited

    def give_back(self, hold: threading.Lock) -> None:
        """Do nothing."""
