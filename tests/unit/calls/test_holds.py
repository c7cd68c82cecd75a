"""Slots for those who must not wait, as event loops."""

from __future__ import annotations

import threading

import pytest
from holds import held, locked, slot_of

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.calls.holds import Slots


class Bell:
    """Counts how often it is rung."""

    def __init__(self) -> None:
        self.rung = 0

    def release(self) -> None:
        self.rung += 1


@pytest.fixture
def slots() -> Slots:
    return Slots(1)


def new_call() -> Call:
    return Call(pyvolume.RetryPolicy())


def test_a_free_slot_is_taken_and_given_back(slots: Slots) -> None:
    hold, bell = locked(), Bell()
    assert slots.try_take(hold, bell, is_next=False)
    assert held(slots) == 1
    slots.give_back(hold)
    assert (held(slots), bell.rung) == (0, 0)


def test_a_bell_is_rung_once_when_a_slot_is_free(slots: Slots) -> None:
    bell = Bell()
    with slot_of(slots, new_call()):
        assert not slots.try_take(locked(), bell, is_next=False)
        assert bell.rung == 0
    assert bell.rung == 1
    with slot_of(slots, new_call()):
        pass
    assert bell.rung == 1


def test_who_comes_later_waits_behind_the_others() -> None:
    slots, first, later = Slots(2), Bell(), Bell()
    with slot_of(slots, new_call()), slot_of(slots, new_call()):
        slots.try_take(locked(), first, is_next=False)
        slots.try_take(locked(), later, is_next=False)
    assert (first.rung, later.rung) == (1, 1)
    with slot_of(slots, new_call()):
        with slot_of(slots, new_call()):
            slots.try_take(locked(), first, is_next=False)
            slots.try_take(locked(), later, is_next=False)
        assert (first.rung, later.rung) == (2, 1)
        assert not slots.try_take(locked(), Bell(), is_next=False)  # there is a slot, and somebody waits for it
        assert slots.try_take(locked(), first, is_next=True)


def test_who_leaves_passes_the_slot_on(slots: Slots) -> None:
    first, second = Bell(), Bell()
    with slot_of(slots, new_call()):
        slots.try_take(locked(), first, is_next=False)
        slots.try_take(locked(), second, is_next=False)
    assert (first.rung, second.rung) == (1, 0)
    slots.leave(first)  # it was rung, and takes nothing
    assert second.rung == 1
    assert slots.try_take(locked(), second, is_next=True)


def test_a_thread_is_woken_by_who_does_not_wait(slots: Slots) -> None:
    hold, done = locked(), threading.Event()
    assert slots.try_take(hold, Bell(), is_next=False)

    def take() -> None:
        with slot_of(slots, new_call()):
            done.set()

    thread = threading.Thread(target=take)
    thread.start()
    slots.give_back(hold)
    assert done.wait(20)
    thread.join()
