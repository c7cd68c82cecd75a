"""Confirmed merges: where another process has overwritten blocks, they are merged again, a limited number of times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from watched_store import WatchedStore

from pyvolume import Box
from pyvolume.errors import AlignmentError, StoreError
from pyvolume.transfer.engine import CONFIRMATIONS

SHAPE = (1, 8, 8, 8)
ONES = np.ones(SHAPE, "uint8")
BOX = Box((0, 1, 1, 1), (1, 5, 5, 5))


class Overwritten(WatchedStore):
    """A store into whose blocks somebody else merges a 9 beside the box, each time after a write of ours."""

    def __init__(self, times: int, **options: Any) -> None:
        super().__init__(ONES, (8, 8, 8), **options)
        self.before = self._overwrite
        self._left = times

    def _overwrite(self, method: str, box: Box) -> None:
        if method == "read" and self.writes and self._left:
            self._left -= 1
            self.stored()[...] = 1  # what they had read before our write
            self.stored()[0, 7, 7, 7] = 9


def post(store: WatchedStore, value: int = 5, *, confirm: bool = True) -> None:
    store.volume().post_ndarray(BOX.start, BOX.stop, np.full(BOX.shape, value, "uint8"), confirm=confirm)


def methods(store: WatchedStore) -> list[str]:
    return [method for method, _ in store.asked]


def test_what_has_stayed_is_read_once_more() -> None:
    store = Overwritten(0)
    post(store)
    assert methods(store) == ["read", "write", "read"]


def test_nothing_is_confirmed_unless_asked_for() -> None:
    store = Overwritten(0)
    post(store, confirm=False)
    assert methods(store) == ["read", "write"]


@pytest.mark.parametrize("times", range(1, CONFIRMATIONS))
def test_what_was_overwritten_is_merged_again_with_what_they_wrote(times: int) -> None:
    store = Overwritten(times)
    post(store)
    expected = ONES.copy()
    expected[BOX.slices_from((0,) * 4)] = 5
    expected[0, 7, 7, 7] = 9
    np.testing.assert_array_equal(store.stored(), expected)
    assert methods(store) == ["read", *["write", "read"] * (times + 1)]


def test_what_is_overwritten_each_time_is_an_error() -> None:
    store = Overwritten(1000)
    with pytest.raises(StoreError, match=f"another process wrote the same blocks each time, {CONFIRMATIONS} times"):
        post(store)
    assert methods(store) == ["read", *["write", "read"] * CONFIRMATIONS]


def test_the_error_tells_the_boxes() -> None:
    with pytest.raises(StoreError) as raised:
        post(Overwritten(1000))
    assert raised.value.remaining == (Box((0, 0, 0, 0), SHAPE),)


def test_whole_blocks_are_not_read_at_all() -> None:
    store = WatchedStore(ONES, (8, 8, 8))
    store.volume().post_ndarray((0, 0, 0, 0), SHAPE, ONES, confirm=True)
    assert methods(store) == ["write"]


@pytest.mark.parametrize("value", [np.nan, -0.0, np.inf])
def test_floats_that_equal_nothing_are_confirmed(value: float) -> None:
    store = WatchedStore(ONES.astype("float32"), (8, 8, 8))
    store.volume().post_ndarray(BOX.start, BOX.stop, np.full(BOX.shape, value, "float32"), confirm=True)
    assert methods(store) == ["read", "write", "read"]


def test_values_that_are_cast_are_confirmed_as_they_are_stored() -> None:
    store = WatchedStore(ONES.astype("float32"), (8, 8, 8))
    store.volume().post_ndarray(BOX.start, BOX.stop, np.full(BOX.shape, 0.1), confirm=True)
    assert methods(store) == ["read", "write", "read"]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_merged_piece_is_confirmed_and_no_other(concurrency: int) -> None:
    store = WatchedStore(
        np.zeros((1, 64, 64, 64), "uint8"), (4, 4, 4), max_write_bytes=4096, preferred_concurrency=concurrency
    )
    store.volume().post_ndarray((0, 1, 0, 0), (1, 64, 64, 64), np.ones((1, 63, 64, 64), "uint8"), confirm=True)
    merged = [box for box in store.writes if box in store.reads]
    assert len(store.reads) == 2 * len(merged) > 2


def write_many(store: WatchedStore) -> None:
    store.volume().write_many([(BOX, np.full(BOX.shape, 5, "uint8"))], confirm=True)


@pytest.mark.parametrize("write", [post, write_many])
def test_many_boxes_are_confirmed_as_one_is(write: Callable[[WatchedStore], None]) -> None:
    store = Overwritten(2)
    write(store)
    assert store.stored()[0, 1, 1, 1] == 5
    assert methods(store) == ["read", *["write", "read"] * 3]


def test_what_may_not_be_merged_is_not_confirmed_either() -> None:
    store = WatchedStore(ONES, (8, 8, 8), faithful=False)
    with pytest.raises(AlignmentError):
        post(store)
    assert store.asked == []
