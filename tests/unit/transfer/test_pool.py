"""A pool: at once up to a bound, and stopped together; barriers instead of sleeps."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from interrupts import CtrlC

from pyvolume import Box, RetryPolicy
from pyvolume.calls.call import Call
from pyvolume.errors import NotFoundError, StoreError, TransportError
from pyvolume.transfer.pieces import Step
from pyvolume.transfer.pool import run_all

PATIENCE = 20
"""Seconds after which a test that would hang fails."""

STEPS = [Step(Box((0, n), (1, n + 1))) for n in range(40)]


def new_call() -> Call:
    return Call(RetryPolicy(patience=0))


def run(move: Callable[[Step], None], concurrency: int, *, steps: list[Step] = STEPS, call: Call | None = None) -> None:
    run_all(steps, move, new_call() if call is None else call, lambda: concurrency)


class Watched:
    """Moves that are counted: which began, and how many were under way at once."""

    def __init__(self, move: Callable[[Step], None] = lambda step: None) -> None:
        self._move = move
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.began: list[Step] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, step: Step) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.began.append(step)
            self.threads.add(threading.current_thread())
        try:
            self._move(step)
        finally:
            with self._lock:
                self._now -= 1


@pytest.mark.parametrize("concurrency", [1, 2, 8, 100])
def test_every_step_is_moved_once(concurrency: int) -> None:
    moves = Watched()
    run(moves, concurrency)
    assert sorted(moves.began, key=STEPS.index) == STEPS


def test_steps_begin_in_order() -> None:
    of_threads: dict[int, list[int]] = {}
    run(Watched(lambda step: of_threads.setdefault(threading.get_ident(), []).append(STEPS.index(step))), 4)
    assert sorted(itertools.chain.from_iterable(of_threads.values())) == list(range(len(STEPS)))
    assert all(places == sorted(places) for places in of_threads.values())


@pytest.mark.parametrize("concurrency", [2, 5, 8])
def test_as_many_as_allowed_are_moved_at_once(concurrency: int) -> None:
    together = threading.Barrier(concurrency, timeout=PATIENCE)
    moves = Watched(lambda step: _pass(together))
    run(moves, concurrency, steps=STEPS[:40])
    assert moves.most == concurrency


def _pass(barrier: threading.Barrier) -> None:
    barrier.wait()


def test_one_at_a_time_is_moved_in_the_thread_of_the_caller() -> None:
    moves = Watched()
    run(moves, 1)
    assert moves.threads == {threading.current_thread()}


def test_a_single_step_is_moved_in_the_thread_of_the_caller() -> None:
    moves = Watched()
    run(moves, 8, steps=STEPS[:1])
    assert moves.threads == {threading.current_thread()}


def test_no_threads_are_left_over() -> None:
    before = set(threading.enumerate())
    run(Watched(), 8)
    assert set(threading.enumerate()) == before


def test_nothing_to_move_is_done_at_once() -> None:
    run(Watched(), 8, steps=[])


class FirstFails:
    """The first step fails once `concurrency` of them are under way, and the others end after it has ended."""

    def __init__(self, concurrency: int, error: BaseException, then: BaseException | None = None) -> None:
        self._together = threading.Barrier(concurrency, timeout=PATIENCE)
        self._failing = threading.Event()
        self._thread = threading.current_thread()
        self._error = error
        self._then = then

    def __call__(self, step: Step) -> None:
        if step is STEPS[0]:
            self._thread = threading.current_thread()
            self._failing.set()
        self._together.wait()
        if step is STEPS[0]:
            raise self._error
        self._failing.wait(PATIENCE)
        self._thread.join(PATIENCE)
        if self._then is not None:
            raise self._then


@pytest.mark.parametrize("concurrency", [2, 4, 8])
def test_the_first_error_is_raised_itself(concurrency: int) -> None:
    error = NotFoundError("no such instance", status=404)
    with pytest.raises(NotFoundError) as raised:
        run(FirstFails(concurrency, error, then=TransportError("later")), concurrency)
    assert raised.value is error


@pytest.mark.parametrize("concurrency", [2, 4, 8])
def test_what_has_not_begun_is_not_begun_after_an_error(concurrency: int) -> None:
    moves = Watched(FirstFails(concurrency, StoreError("the line broke")))
    with pytest.raises(StoreError):
        run(moves, concurrency)
    assert sorted(moves.began, key=STEPS.index) == STEPS[:concurrency]


@pytest.mark.parametrize("concurrency", [2, 4, 8])
def test_an_error_tells_the_boxes_that_did_not_arrive(concurrency: int) -> None:
    with pytest.raises(StoreError) as raised:
        run(FirstFails(concurrency, StoreError("the line broke")), concurrency)
    assert tuple(raised.value.remaining) == (STEPS[0].box, *(step.box for step in STEPS[concurrency:]))


def test_boxes_that_failed_later_did_not_arrive_either() -> None:
    with pytest.raises(StoreError) as raised:
        run(FirstFails(4, StoreError("the line broke"), then=StoreError("here as well")), 4)
    assert tuple(raised.value.remaining) == tuple(step.box for step in STEPS)


def test_one_at_a_time_nothing_follows_an_error() -> None:
    def fail_at_the_third(step: Step) -> None:
        if step is STEPS[2]:
            raise StoreError("the line broke")

    moves = Watched(fail_at_the_third)
    with pytest.raises(StoreError) as raised:
        run(moves, 1)
    assert moves.began == STEPS[:3]
    assert tuple(raised.value.remaining) == tuple(step.box for step in STEPS[2:])


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("error", [ValueError("closed"), MemoryError(), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_is_no_error_of_a_store_is_raised_too(error: BaseException, concurrency: int) -> None:
    def fail(step: Step) -> None:
        raise error

    moves = Watched(fail)
    with pytest.raises(type(error)) as raised:
        run(moves, concurrency)
    assert raised.value is error
    assert len(moves.began) <= concurrency


class Hanging:
    """Steps that hang; once `concurrency` of them do, somebody presses Ctrl-C."""

    def __init__(self, concurrency: int) -> None:
        self._together = threading.Barrier(concurrency, action=CtrlC(), timeout=PATIENCE)
        self.released = threading.Event()

    def __call__(self, step: Step) -> None:
        self._together.wait()
        self.released.wait(PATIENCE)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    moves = Hanging(4)
    yield moves
    moves.released.set()
    wait_for_workers()


def wait_for_workers() -> None:
    for thread in threading.enumerate():
        if thread.name == "pyvolume":
            thread.join(PATIENCE)


def test_ctrl_c_returns_while_steps_hang(hanging: Hanging) -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(hanging, 4)
    assert time.monotonic() - began < 5


def test_ctrl_c_cancels_the_call(hanging: Hanging) -> None:
    call = new_call()
    with pytest.raises(KeyboardInterrupt):
        run(hanging, 4, call=call)
    with pytest.raises(TransportError, match="cancelled"):
        call.remaining()


def test_nothing_begins_after_ctrl_c(hanging: Hanging) -> None:
    moves = Watched(hanging)
    with pytest.raises(KeyboardInterrupt):
        run(moves, 4)
    hanging.released.set()
    wait_for_workers()
    assert len(moves.began) == 4


def test_steps_that_look_at_the_call_end_with_ctrl_c() -> None:
    call = new_call()
    together = threading.Barrier(4, action=CtrlC(), timeout=PATIENCE)

    def wait_for_the_server(step: Step) -> None:
        together.wait()
        call.sleep(1000)

    with pytest.raises(KeyboardInterrupt):
        run(wait_for_the_server, 4, call=call)
    wait_for_workers()
    assert [thread for thread in threading.enumerate() if thread.name == "pyvolume"] == []


def test_ctrl_c_while_a_thread_starts_is_no_other_error(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def interrupted(thread: threading.Thread) -> None:
        started.append(thread)
        if len(started) == 2:
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(lambda _: None, 4)
