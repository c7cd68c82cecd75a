"""Locks: writers of intersecting boxes of one store wait for each other, others do not."""

from __future__ import annotations

import contextvars
import multiprocessing
import os
import pickle
import threading
import warnings
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from holds import box_of, locked

import pyvolume
from pyvolume import Box, RetryPolicy, Volume
from pyvolume.calls.call import Call
from pyvolume.errors import TransportError
from pyvolume.stores.locks import BoxLocks, process_locks
from pyvolume.volume import transfer_of

HELD = Box((0, 0, 0), (1, 64, 64))
LONG = 10.0
"""Seconds after which a test that hangs fails."""


def new_call() -> Call:
    return Call(RetryPolicy())


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def enters(locks: BoxLocks, address: str, box: Box) -> tuple[threading.Thread, threading.Event]:
    """Hold a box in another thread, and say when it has got it."""
    entered = threading.Event()

    def work() -> None:
        with box_of(locks, address, box, new_call()):
            entered.set()

    return in_thread(work), entered


@pytest.mark.parametrize(
    "box", [HELD, Box((0, 63, 63), (1, 64, 64)), Box((0, -64, 0), (1, 128, 1))], ids=["same", "corner", "across"]
)
def test_an_intersecting_box_waits_until_the_first_is_released(box: Box) -> None:
    locks = BoxLocks()
    with box_of(locks, "store", HELD, new_call()):
        thread, entered = enters(locks, "store", box)
        entered_early = entered.wait(0.05)
    thread.join(LONG)
    assert (entered_early, entered.is_set()) == (False, True)


@pytest.mark.parametrize(
    ("address", "box"),
    [
        ("store", Box((0, 64, 0), (1, 128, 64))),
        ("store", Box((0, 0, -64), (1, 64, 0))),
        ("store", Box((0, 5, 5), (1, 5, 9))),
        ("another", HELD),
    ],
    ids=["above", "below", "empty", "another store"],
)
def test_other_boxes_and_other_stores_do_not_wait(address: str, box: Box) -> None:
    locks = BoxLocks()
    with box_of(locks, "store", HELD, new_call()):
        _, entered = enters(locks, address, box)
        assert entered.wait(LONG)


def test_a_box_is_released_when_its_writer_fails() -> None:
    locks = BoxLocks()
    with pytest.raises(ZeroDivisionError), box_of(locks, "store", HELD, new_call()):
        raise ZeroDivisionError
    _, entered = enters(locks, "store", HELD)
    assert entered.wait(LONG)


def test_a_release_wakes_every_writer_that_may_go_on() -> None:
    locks = BoxLocks()
    inside = threading.Barrier(2)

    def work(box: Box) -> int:
        with box_of(locks, "store", box, new_call()):
            return inside.wait(LONG)  # which both must reach

    with ThreadPoolExecutor(2) as pool:
        with box_of(locks, "store", HELD, new_call()):
            waiting = [pool.submit(work, Box((0, x, 0), (1, x + 1, 64))) for x in (3, 5)]
            futures.wait(waiting, 0.05)
        assert sorted(future.result(LONG) for future in waiting) == [0, 1]


def test_a_release_lets_go_of_its_own_box_only() -> None:
    locks, other = BoxLocks(), Box((0, 64, 0), (1, 128, 64))
    with box_of(locks, "store", HELD, new_call()):
        with box_of(locks, "store", other, new_call()):
            pass
        thread, entered = enters(locks, "store", HELD)
        entered_early = entered.wait(0.05)
    thread.join(LONG)
    assert (entered_early, entered.is_set()) == (False, True)


def test_every_waiting_writer_gets_its_turn_alone() -> None:
    locks, inside, most = BoxLocks(), 0, 0
    together = threading.Barrier(8)

    def work(n: int) -> None:
        nonlocal inside, most
        together.wait(LONG)
        for _ in range(50):
            with box_of(locks, "store", Box((0, n, 0), (1, n + 8, 9)), new_call()):
                inside += 1
                most = max(most, inside)
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert most == 1


def test_a_pickled_table_is_that_of_the_process() -> None:
    assert pickle.loads(pickle.dumps(process_locks())) is process_locks()


def test_the_deadline_ends_the_wait_for_a_box() -> None:
    locks = BoxLocks()
    with box_of(locks, "store", HELD, new_call()), pytest.raises(TransportError, match="deadline"):
        contextvars.Context().run(locks.take, "store", HELD, locked(), Call(RetryPolicy(deadline=0.01)))


def test_a_cancelled_call_does_not_wait_for_a_box_any_more() -> None:
    locks, call = BoxLocks(), new_call()

    def work() -> None:
        with box_of(locks, "store", HELD, call):
            pytest.fail("the box is held by another call")

    with ThreadPoolExecutor(1) as pool, box_of(locks, "store", HELD, new_call()):
        waiting = pool.submit(work)
        futures.wait([waiting], 0.05)
        call.cancel()
        assert isinstance(waiting.exception(LONG), TransportError)


def test_waiting_for_a_box_costs_no_patience() -> None:
    class Slow(Call):
        def wait_until(self, bell: threading.Lock, ready: Callable[[], bool]) -> float:
            return 100.0

    call = Slow(RetryPolicy())
    before = call.last_progress
    with box_of(BoxLocks(), "store", HELD, call):
        assert call.last_progress > before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_process_made_by_fork_holds_nothing() -> None:
    locks = BoxLocks()
    with box_of(locks, "store", HELD, new_call()):
        child = multiprocessing.get_context("fork").Process(target=enter, args=(locks,))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads in a process that is forked
            child.start()
        child.join(LONG)
    assert child.exitcode == 0


def enter(locks: BoxLocks) -> None:
    """Hold a box, or fail after a while."""
    with box_of(locks, "store", HELD, Call(RetryPolicy(deadline=LONG / 2))):
        pass


class TestSharing:
    def test_two_volumes_on_one_array_share_their_locks(self) -> None:
        array = np.zeros((1, 64, 64), np.uint8)
        first, second = (pyvolume.from_array(array, "cxy") for _ in range(2))
        assert first.store.address == second.store.address
        assert transfer_of(first, "lock").locks is transfer_of(second, "lock").locks

    def test_volumes_that_may_grow_apart_do_not(self) -> None:
        array = np.zeros((1, 64, 64), np.uint8)
        first, second = (pyvolume.from_array(array, "cxy", growable=True) for _ in range(2))
        assert first.store.address != second.store.address

    def test_other_locks_can_be_given(self) -> None:
        volume = pyvolume.from_array(np.zeros((1, 64, 64), np.uint8), "cxy")
        locks = BoxLocks()
        assert transfer_of(Volume(volume.store, volume.metadata, locks=locks), "lock").locks is locks

    def test_a_write_waits_no_longer_than_its_deadline(self) -> None:
        array = np.zeros((1, 64, 64), np.uint8)
        volume = pyvolume.from_array(array, "cxy")
        hasty = Volume(volume.store, volume.metadata, retry=RetryPolicy(deadline=0.01))
        with box_of(process_locks(), volume.store.address, HELD, new_call()), pytest.raises(TransportError):
            contextvars.Context().run(hasty.__setitem__, ..., 1)
        assert not array.any()
