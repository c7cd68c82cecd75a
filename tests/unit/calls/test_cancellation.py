"""Cancellation: another thread ends what a block of code has begun, and what it begins later."""

from __future__ import annotations

import contextvars
import gc
import threading

import pytest

from pyvolume import RetryPolicy
from pyvolume.calls.call import Call
from pyvolume.calls.cancellation import Cancellation


def begun() -> Call:
    return Call(RetryPolicy())


def test_what_has_begun_is_cancelled() -> None:
    cancellation = Cancellation()
    inside, outside = cancellation.run(begun), begun()
    cancellation.cancel()
    assert (inside.is_cancelled, outside.is_cancelled) == (True, False)


def test_what_begins_later_is_cancelled_at_once() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    assert cancellation.run(begun).is_cancelled


def test_what_begins_in_a_thread_with_the_same_context_is_cancelled() -> None:
    cancellation, calls = Cancellation(), list[Call]()

    def in_a_thread() -> None:
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: calls.append(context.run(begun)))
        thread.start()
        thread.join()

    cancellation.run(in_a_thread)
    cancellation.cancel()
    assert [call.is_cancelled for call in calls] == [True]


def test_an_outer_one_cancels_what_began_inside_an_inner_one() -> None:
    outer, inner = Cancellation(), Cancellation()
    call = outer.run(lambda: inner.run(begun))
    beside = outer.run(begun)
    inner.cancel()
    assert (call.is_cancelled, beside.is_cancelled) == (True, False)
    outer.cancel()
    assert beside.is_cancelled


def test_an_error_leaves_the_block() -> None:
    cancellation = Cancellation()
    with pytest.raises(ZeroDivisionError):
        cancellation.run(lambda: 1 / 0)
    cancellation.cancel()
    assert not begun().is_cancelled


def test_calls_that_are_over_are_not_kept() -> None:
    cancellation = Cancellation()
    for _ in range(10):
        cancellation.run(begun)
    gc.collect()
    assert len(cancellation._begun) == 0
