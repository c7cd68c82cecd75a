"""Threads that wait for the values of a bucket: how many there are, and what becomes of those that are left behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from holds import held
from interrupts import CtrlC
from zarr_clients import new_call

from pyvolume.calls.call import Call
from pyvolume.calls.holds import AUTO, Lanes, Slots
from pyvolume.errors import BusyError, BusyTimeoutError, ClosedError, NotFoundError, RefusedError, TransportError
from pyvolume.zarr.requests import fetching
from pyvolume.zarr.requests.fetching import Fetchers, Fetching

PATIENCE = 20.0
KEYS = [str(number) for number in range(40)]


def value_of(key: str) -> memoryview:
    return memoryview(key.encode())


class Engine:
    """An engine that answers when a test lets it.

    Attributes
    ----------
    behaviour : callable
        Called with each key, in the thread that waits.
    asked : list of str
        The keys, in their order.
    most : int
        The highest number of values that were waited for at once.
    threads : set of Thread
        Those that have waited.
    """

    def __init__(self) -> None:
        self.behaviour: Callable[[str], None] = lambda _: None
        self.asked: list[str] = []
        self.most = 0
        self.threads: set[threading.Thread] = set()
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._waiting = 0

    def get(self, key: str) -> memoryview:
        with self._lock:
            self.asked.append(key)
            self._waiting += 1
            self.threads.add(threading.current_thread())
            self.most = max(self.most, self._waiting)
        try:
            self.behaviour(key)
        finally:
            with self._lock:
                self._waiting -= 1
        return value_of(key)

    def stall(self, _key: str) -> None:
        self.released.wait(PATIENCE)

    def is_stalled(self, number: int = 1) -> bool:
        return soon(lambda: self._waiting >= number)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.released.set()


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def threads_of(fetchers: Fetchers) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if getattr(each, "_target", None) == fetchers._work]


def begun(fetchers: Fetchers, call: Call, check_open: Callable[[], None] = lambda: None) -> Fetching:
    return Fetching(
        fetchers,
        call,
        meaning=lambda _, error: error,
        is_missing=lambda error: isinstance(error, NotFoundError),
        check_open=check_open,
    )


def fetched(fetchers: Fetchers, keys: list[str] = KEYS, call: Call | None = None, most: int = 64) -> dict[int, Any]:
    found: dict[int, Any] = {}

    def receive(number: int, value: memoryview | None) -> None:
        found[number] = None if value is None else bytes(value).decode()

    begun(fetchers, call or new_call()).run(keys, receive, most)
    return found


ALL = dict(enumerate(KEYS))


@pytest.mark.parametrize("number", [1, 3, 8])
def test_all_values_come_by_as_many_threads_as_there_are_slots(engine: Engine, number: int) -> None:
    engine.behaviour = lambda _: time.sleep(0.002)
    fetchers, call = Fetchers(engine.get, Slots(number)), new_call()
    assert fetched(fetchers, call=call) == ALL
    assert engine.most == number
    assert len(threads_of(fetchers)) == number
    assert (call.counted.requests, call.counted.bytes_fetched) == (len(KEYS), sum(map(len, KEYS)))
    assert sorted(engine.asked) == sorted(KEYS)


@pytest.mark.parametrize("most", [1, 5])
def test_no_more_values_are_asked_for_ahead_than_the_caller_says(engine: Engine, most: int) -> None:
    taken = []

    def keys() -> Iterator[str]:
        for key in KEYS:
            taken.append(key)
            yield key

    left: list[int] = []
    begun(Fetchers(engine.get, Slots(8)), new_call()).run(keys(), lambda number, _: left.append(len(taken)), most)
    assert all(ahead <= number + most + 1 for number, ahead in enumerate(left))


def test_threads_that_only_wait_for_a_slot_end(engine: Engine) -> None:
    slots = Slots(16)
    fetchers = Fetchers(engine.get, slots)
    engine.behaviour = lambda _: time.sleep(0.005)
    assert fetched(fetchers) == ALL
    assert len(threads_of(fetchers)) == 16
    slots.count = 2
    assert fetched(fetchers, KEYS * 2) == dict(enumerate(KEYS * 2))
    assert soon(lambda: len(threads_of(fetchers)) == 2)


def test_threads_end_that_have_nothing_to_do(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "IDLE", 0.02)
    fetchers = Fetchers(engine.get, Slots(4))
    for _ in range(2):
        assert fetched(fetchers) == ALL
        assert soon(lambda: not threads_of(fetchers))


def test_threads_end_when_the_client_is_closed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "IDLE", PATIENCE)
    fetchers = Fetchers(engine.get, Slots(4))
    assert fetched(fetchers) == ALL
    fetchers.close()
    assert soon(lambda: not threads_of(fetchers))


def ends(how: str, engine: Engine, call: Call) -> type[BaseException]:
    """End a call from another thread once all threads wait; return the error that it gets."""

    def act() -> None:
        engine.is_stalled(4)
        if how == "cancel":
            call.cancel()
        elif how == "ctrl-c":
            press()

    press = CtrlC()
    threading.Thread(target=act).start()
    return KeyboardInterrupt if how == "ctrl-c" else TransportError


@pytest.mark.parametrize("how", ["deadline", "cancel", "ctrl-c"])
def test_who_has_asked_goes_on_at_once(engine: Engine, how: str) -> None:
    slots = Slots(4)
    fetchers, call = Fetchers(engine.get, slots), new_call(deadline=0.3 if how == "deadline" else None)
    engine.behaviour = engine.stall
    received: list[int] = []
    began = time.monotonic()
    with pytest.raises(ends(how, engine, call)):
        begun(fetchers, call).run(KEYS, lambda number, _: received.append(number), 64)
    assert time.monotonic() - began < PATIENCE / 2
    left, asked = set(engine.threads), len(engine.asked)
    assert (len(left), asked, held(slots)) == (4, 4, 0)

    engine.behaviour = lambda _: None  # others are not held up by the threads that were left behind
    assert fetched(fetchers) == ALL

    engine.released.set()
    assert soon(lambda: not any(each.is_alive() for each in left))
    assert len(engine.asked) == asked + len(KEYS)
    assert not received
    assert fetched(fetchers) == ALL


def test_signals_interrupt_no_step_of_it(engine: Engine) -> None:
    """A handler that reads would wait for a lock that its own thread holds."""
    threads: list[threading.Thread] = []
    fetchers = Fetchers(engine.get, Slots(2))
    begun(fetchers, new_call()).run(KEYS, lambda *_: threads.append(threading.current_thread()), 4)
    assert threading.main_thread() not in threads


def test_ctrl_c_twice_leaves_no_slot_taken(engine: Engine) -> None:
    slots, is_received, goes_on = Slots(2), threading.Event(), threading.Event()
    fetchers = Fetchers(engine.get, slots)

    def receive(_number: int, _value: object) -> None:
        engine.behaviour = engine.stall
        is_received.set()
        goes_on.wait(PATIENCE)

    def act() -> None:
        is_received.wait(PATIENCE)
        for press in (CtrlC(), CtrlC()):  # the second one while the end of the work is waited for
            press()
            time.sleep(0.1)

    threading.Thread(target=act).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        begun(fetchers, new_call()).run(KEYS, receive, 64)
    assert isinstance(caught.value.__context__, KeyboardInterrupt)
    goes_on.set()
    engine.behaviour = lambda _: None
    assert soon(lambda: held(slots) == 0)
    assert fetched(fetchers) == ALL


class Lingering(set[threading.Thread]):
    """Threads, one of which takes its time to say that it ends."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = iter([meanwhile])

    def discard(self, thread: object, /) -> None:
        next(self._meanwhile, lambda: None)()
        super().discard(thread)


def test_what_comes_while_the_last_thread_ends_is_done(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "IDLE", 0.02)
    monkeypatch.setattr(fetching, "LONGEST_WAIT", PATIENCE)
    fetchers, found = Fetchers(engine.get, Slots(1)), list[Any]()
    other = threading.Thread(target=lambda: found.append(fetched(fetchers)))

    def come() -> None:
        other.start()
        assert soon(lambda: not fetchers._queue.empty())

    fetchers._threads = Lingering(come)
    assert fetched(fetchers) == ALL
    assert soon(lambda: found == [ALL])
    other.join(PATIENCE)


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_fewer_threads_do_it_where_the_system_gives_no_more(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fetchers, start = Fetchers(engine.get, Slots(8)), threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if thread.name == "pyvolume bucket" and threads_of(fetchers):
            raise error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert fetched(fetchers) == ALL
    assert engine.most == 1


def test_a_client_that_is_closed_lets_nobody_wait(engine: Engine) -> None:
    fetchers = Fetchers(engine.get, Slots(4))
    engine.behaviour = engine.stall
    is_closed = threading.Event()

    def check_open() -> None:
        if is_closed.is_set():
            raise ClosedError("closed")

    reading = begun(fetchers, new_call(), check_open)

    def close() -> None:
        engine.is_stalled(4)
        is_closed.set()
        reading.stop()
        fetchers.close()

    threading.Thread(target=close).start()
    with pytest.raises(ClosedError):
        reading.run(KEYS, lambda *_: None, 64)


def test_no_attempt_begins_after_one_has_failed_for_good(engine: Engine) -> None:
    together = threading.Barrier(4, timeout=PATIENCE)

    def refuse(_: str) -> None:
        together.wait()
        raise RefusedError("no", status=500)

    engine.behaviour = refuse
    fetchers = Fetchers(engine.get, Slots(4))
    with pytest.raises(RefusedError):
        fetched(fetchers)
    engine.behaviour = lambda _: None
    assert fetched(fetchers) == ALL
    assert len(engine.asked) == 4 + len(KEYS)


def test_what_is_missing_is_none(engine: Engine) -> None:
    def miss(key: str) -> None:
        if key in {"0", "39"}:
            raise NotFoundError("no", status=404)

    engine.behaviour = miss
    assert fetched(Fetchers(engine.get, Slots(4))) == ALL | {0: None, 39: None}


def test_others_come_while_one_pauses(engine: Engine) -> None:
    slots = Slots(1)
    left = iter(range(1))
    held_then: list[int] = []

    def be_busy(key: str) -> None:
        if key == "0" and next(left, None) is not None:
            raise BusyError("busy", status=503, retryable=True)

    engine.behaviour = be_busy
    call = new_call(interval=1, max_interval=1, on_wait=lambda _: held_then.append(held(slots)))
    call._jitter = lambda _, high: high
    order: list[int] = []
    begun(Fetchers(engine.get, slots), call).run(KEYS, lambda number, _: order.append(number), 4)
    assert order[-1] == 0
    assert (sorted(order), call.counted.requests, call.counted.retries) == (list(ALL), len(KEYS) + 1, 1)
    assert held_then[0] <= 1


def test_a_server_that_stays_busy_is_given_up(engine: Engine) -> None:
    def be_busy(_: str) -> None:
        raise BusyError("busy", status=503, retryable=True)

    engine.behaviour = be_busy
    fetchers = Fetchers(engine.get, Slots(4))
    with pytest.raises(BusyTimeoutError, match="gave up after"):
        fetched(fetchers, call=new_call(patience=0.1))
    engine.behaviour = lambda _: None
    assert fetched(fetchers) == ALL


def test_a_callback_reads_itself(engine: Engine) -> None:
    fetchers, found = Fetchers(engine.get, Slots(1)), list[Any]()
    left = iter(range(1))

    def be_busy(_: str) -> None:
        if next(left, None) is not None:
            raise BusyError("busy", status=503, retryable=True)

    engine.behaviour = be_busy
    assert fetched(fetchers, call=new_call(on_wait=lambda _: found.append(fetched(fetchers)))) == ALL
    assert found == [ALL]


class PanicError(BaseException):
    """As an engine in another language has them."""


def test_an_engine_in_trouble_holds_nobody_up(engine: Engine) -> None:
    def panic(_: str) -> None:
        raise PanicError

    engine.behaviour = panic
    slots = Slots(2)
    fetchers = Fetchers(engine.get, slots)
    with pytest.raises(PanicError):
        fetched(fetchers)
    assert soon(lambda: held(slots) == 0)
    engine.behaviour = lambda _: None
    assert fetched(fetchers) == ALL


def test_an_error_of_the_receiver_ends_it(engine: Engine) -> None:
    numbers = itertools.count()

    def refuse(_number: int, _value: object) -> None:
        if next(numbers) == 2:
            raise ValueError("broken")

    fetchers = Fetchers(engine.get, Slots(2))
    with pytest.raises(ValueError, match="broken"):
        begun(fetchers, new_call()).run(KEYS, refuse, 4)
    assert len(engine.asked) <= 8
    assert fetched(fetchers) == ALL


def test_more_threads_begin_as_more_slots_are_learnt(engine: Engine) -> None:
    lanes = Lanes(AUTO)
    before = lanes.reads.room
    engine.behaviour = lambda _: time.sleep(0.01)
    keys = [str(number) for number in range(1500)]
    assert fetched(Fetchers(engine.get, lanes.reads), keys) == dict(enumerate(keys))
    assert engine.most > before


def test_many_threads_may_read_at_once(engine: Engine) -> None:
    fetchers, found = Fetchers(engine.get, Slots(8)), list[Any]()
    readers = [threading.Thread(target=lambda: found.append(fetched(fetchers))) for _ in range(12)]
    for each in readers:
        each.start()
    for each in readers:
        each.join(PATIENCE)
    assert found == [ALL] * 12
    assert engine.most <= 8
