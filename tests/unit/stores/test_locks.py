"""Locks: writers of intersecting boxes of one store wait for each other, others do not."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyvolume import Box
from pyvolume.stores.locks import BoxLocks

HELD = Box((0, 0, 0), (1, 64, 64))
LONG = 10.0
"""Seconds after which a test that hangs fails."""


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def enters(locks: BoxLocks, address: str, box: Box) -> tuple[threading.Thread, threading.Event]:
    """Hold a box in another thread, and say when it has got it."""
    entered = threading.Event()

    def work() -> None:
        with locks.holding(address, box):
            entered.set()

    return in_thread(work), entered


@pytest.mark.parametrize(
    "box", [HELD, Box((0, 63, 63), (1, 64, 64)), Box((0, -64, 0), (1, 128, 1))], ids=["same", "corner", "across"]
)
def test_an_intersecting_box_waits_until_the_first_is_released(box: Box) -> None:
    locks = BoxLocks()
    with locks.holding("store", HELD):
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
    with locks.holding("store", HELD):
        _, entered = enters(locks, address, box)
        assert entered.wait(LONG)


def test_a_box_is_released_when_its_writer_fails() -> None:
    locks = BoxLocks()
    with pytest.raises(ZeroDivisionError), locks.holding("store", HELD):
        raise ZeroDivisionError
    _, entered = enters(locks, "store", HELD)
    assert entered.wait(LONG)


def test_a_release_wakes_every_writer_that_may_go_on() -> None:
    locks = BoxLocks()
    inside = threading.Barrier(2)

    def work(box: Box) -> int:
        with locks.holding("store", box):
            return inside.wait(LONG)  # which both must reach

    with ThreadPoolExecutor(2) as pool:
        with locks.holding("store", HELD):
            waiting = [pool.submit(work, Box((0, x, 0), (1, x + 1, 64))) for x in (3, 5)]
            futures.wait(waiting, 0.05)
        assert sorted(future.result(LONG) for future in waiting) == [0, 1]


def test_a_release_lets_go_of_its_own_box_only() -> None:
    locks, other = BoxLocks(), Box((0, 64, 0), (1, 128, 64))
    with locks.holding("store", HELD):
        with locks.holding("store", other):
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
            with locks.holding("store", Box((0, n, 0), (1, n + 8, 9))):
                inside += 1
                most = max(most, inside)
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert most == 1


def test_a_pickled_table_of_locks_holds_nothing() -> None:
    locks = BoxLocks()
    with locks.holding("store", HELD):
        copy: BoxLocks = pickle.loads(pickle.dumps(locks))
        _, entered = enters(copy, "store", HELD)
        assert entered.wait(LONG)
