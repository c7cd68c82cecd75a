"""Many boxes: several at once and a few ahead of the caller, who gets each with its voxels."""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box, RetryPolicy
from pyvolume.calls.call import Call
from pyvolume.errors import SelectionError, StoreError, VoxelsMismatchError
from pyvolume.stores.base import FEW
from pyvolume.transfer import pool
from pyvolume.transfer.pool import AHEAD, run_ahead

PATIENCE = 20
ARRAY = np.arange(2 * 30 * 20, dtype="uint16").reshape(2, 30, 20)
BOXES = [Box((0, x, 3), (2, x + 1, 17)) for x in range(30)]


def store_of(concurrency: int, **options: Any) -> WatchedStore:
    return WatchedStore(ARRAY, preferred_concurrency=concurrency, **options)


def voxels_of(box: Box) -> NDArray[Any]:
    return ARRAY[box.slices_from((0, 0, 0))]


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


class Listed:
    """An iterable that lists what has been taken from it."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = iter(items)
        self.taken: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self.taken.append(item)
            yield item


every_concurrency = pytest.mark.parametrize("concurrency", [1, 2, 8])
both_orders = pytest.mark.parametrize("ordered", [True, False], ids=["in order", "as they arrive"])


class TestReadMany:
    @every_concurrency
    def test_boxes_come_in_the_given_order(self, concurrency: int) -> None:
        pairs = list(store_of(concurrency).volume().read_many(BOXES))
        assert [box for box, _ in pairs] == BOXES
        for box, voxels in pairs:
            same(voxels, voxels_of(box))

    @every_concurrency
    def test_boxes_that_come_as_they_arrive_come_once(self, concurrency: int) -> None:
        pairs = list(store_of(concurrency).volume().read_many(BOXES, ordered=False))
        assert sorted((box for box, _ in pairs), key=BOXES.index) == BOXES
        for box, voxels in pairs:
            same(voxels, voxels_of(box))

    def test_a_box_that_is_late_lets_others_pass(self) -> None:
        arrives = threading.Event()
        store = store_of(2, before=lambda _, box: box == BOXES[0] and arrives.wait(PATIENCE))
        arriving = store.volume().read_many(BOXES[:8], ordered=False)
        first = [next(arriving)[0] for _ in range(3)]
        arrives.set()
        assert BOXES[0] not in first
        assert {box for box, _ in arriving} | set(first) == set(BOXES[:8])

    def test_in_the_given_order_a_late_box_is_waited_for(self) -> None:
        others_are_done = threading.Event()
        store = store_of(2)

        def before(_: str, box: Box) -> None:
            if box == BOXES[0]:
                others_are_done.wait(PATIENCE)
            if box == BOXES[2]:
                others_are_done.set()

        store.before = before
        assert [box for box, _ in store.volume().read_many(BOXES[:8])] == BOXES[:8]

    def test_as_many_as_the_store_prefers_are_read_at_once(self) -> None:
        together = threading.Barrier(4, timeout=PATIENCE)
        store = store_of(4, before=lambda *_: together.wait())
        assert len(list(store.volume().read_many(BOXES[:28]))) == 28

    @both_orders
    @every_concurrency
    def test_only_a_few_are_read_ahead_of_who_pauses(self, concurrency: int, ordered: bool) -> None:
        boxes = Listed(BOXES)
        store = store_of(concurrency)
        arriving = store.volume().read_many(boxes, ordered=ordered)
        for given in range(1, 6):
            next(arriving)
            assert len(boxes.taken) <= AHEAD * concurrency + given - 1
            assert len(store.reads) <= AHEAD * concurrency + given - 1
        assert [box for box, _ in arriving] != []

    @pytest.mark.parametrize("ahead", [0, 1, 5])
    def test_so_many_are_read_ahead_as_the_caller_says(self, ahead: int) -> None:
        boxes = Listed(BOXES)
        arriving = store_of(3).volume().read_many(boxes, ahead=ahead)
        for given in range(1, 6):
            next(arriving)
            assert len(boxes.taken) == ahead + given

    def test_a_negative_number_ahead_is_refused(self) -> None:
        with pytest.raises(ValueError, match="read_many: expected ahead of at least 0 and found -1"):
            next(store_of(1).volume().read_many(BOXES, ahead=-1))

    def test_nothing_is_read_before_the_first_is_asked_for(self) -> None:
        boxes, store = Listed(BOXES), store_of(4)
        arriving = store.volume().read_many(boxes)
        assert (boxes.taken, store.asked) == ([], [])
        assert next(arriving)[0] == BOXES[0]

    def test_boxes_may_have_no_end(self) -> None:
        arriving = store_of(2).volume().read_many(itertools.cycle(BOXES))
        assert [box for box, _ in itertools.islice(arriving, 70)] == (BOXES * 3)[:70]

    def test_no_boxes_are_no_error(self) -> None:
        assert list(store_of(4).volume().read_many([])) == []

    def test_an_error_comes_in_the_place_of_its_box(self) -> None:
        arriving = store_of(4, before=failing_at(BOXES[5])).volume().read_many(BOXES)
        assert [next(arriving)[0] for _ in range(5)] == BOXES[:5]
        with pytest.raises(StoreError, match="the line broke") as raised:
            next(arriving)
        assert tuple(raised.value.remaining) == (BOXES[5],)
        assert list(arriving) == []

    def test_boxes_that_arrive_before_an_error_are_given(self) -> None:
        arriving = store_of(1, before=failing_at(BOXES[5])).volume().read_many(BOXES, ordered=False)
        given: list[Box] = []
        with pytest.raises(StoreError):
            given.extend(box for box, _ in arriving)
        assert given == BOXES[:5]

    def test_after_an_error_no_more_boxes_are_begun(self) -> None:
        boxes, store = Listed(BOXES), store_of(2, before=failing_at(BOXES[5]))
        with pytest.raises(StoreError):
            list(store.volume().read_many(boxes))
        wait_for_readers()
        assert len(boxes.taken) <= 5 + AHEAD * 2
        assert len(store.reads) <= len(boxes.taken)

    @pytest.mark.parametrize(
        ("box", "message"),
        [
            (Box((0, 0), (1, 1)), "one number for each of the 3 axes"),
            (Box((0, 29, 0), (2, 31, 1)), "outside the bounds"),
        ],
    )
    def test_a_box_that_is_none_of_the_volume_is_refused_in_its_place(self, box: Box, message: str) -> None:
        arriving = store_of(2).volume().read_many([BOXES[0], box])
        assert next(arriving)[0] == BOXES[0]
        with pytest.raises(SelectionError, match=message):
            next(arriving)

    def test_what_the_iterable_raises_is_raised(self) -> None:
        def boxes() -> Iterator[Box]:
            yield from BOXES[:3]
            raise KeyError("no more")

        with pytest.raises(KeyError, match="no more"):
            list(store_of(2).volume().read_many(boxes()))

    @both_orders
    def test_who_closes_early_can_go_on_reading(self, ordered: bool) -> None:
        store = store_of(2)
        volume = store.volume()
        arriving = volume.read_many(BOXES, ordered=ordered)
        next(arriving)
        close(arriving)
        same(volume[...], ARRAY)

    def test_who_closes_early_does_not_wait_for_what_is_under_way(self) -> None:
        arrives = threading.Event()
        store = store_of(2, before=lambda _, box: box != BOXES[0] and arrives.wait(PATIENCE))
        arriving = store.volume().read_many(BOXES)
        next(arriving)
        close(arriving)
        arrives.set()
        wait_for_readers()
        assert len(store.reads) <= 3

    def test_pieces_of_each_box_run_at_once_as_well(self) -> None:
        store = store_of(2, max_read_bytes=200)
        for box, voxels in store.volume().read_many([Box((0, 0, 0), ARRAY.shape)] * 3):
            same(voxels, voxels_of(box))

    def test_a_trace_around_it_counts(self) -> None:
        with pyvolume.trace() as t:
            list(store_of(4).volume().read_many(BOXES))
        assert t.bytes_used == sum(voxels_of(box).nbytes for box in BOXES)


def close(iterator: Iterator[Any]) -> None:
    """Close what is promised as an iterator, as a loop that is left does."""
    made: Any = iterator
    made.close()


def failing_at(failing: Box) -> Callable[[str, Box], None]:
    def before(_: str, box: Box) -> None:
        if box == failing:
            raise StoreError("the line broke")

    return before


def wait_for_readers() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("pyvolume"):
            thread.join(PATIENCE)


class TestWriteMany:
    @every_concurrency
    def test_every_box_is_written(self, concurrency: int) -> None:
        store, values = store_of(concurrency), ARRAY[::-1] + 5000
        store.volume().write_many((box, values[box.slices_from((0, 0, 0))]) for box in BOXES)
        expected = ARRAY.copy()
        expected[..., 3:17] = values[..., 3:17]
        same(np.ascontiguousarray(store.stored()), expected)

    @every_concurrency
    def test_boxes_that_share_blocks_lose_nothing(self, concurrency: int) -> None:
        store = WatchedStore(ARRAY, (8, 8), preferred_concurrency=concurrency)
        store.volume().write_many((box, voxels_of(box) + 7) for box in BOXES)
        expected = ARRAY.copy()
        expected[..., 3:17] += 7
        same(np.ascontiguousarray(store.stored()), expected)

    def test_boxes_are_taken_as_they_are_needed(self) -> None:
        together = threading.Barrier(2, timeout=PATIENCE)
        store = store_of(2, before=lambda *_: together.wait())
        most = 0

        def boxes() -> Iterator[tuple[Box, NDArray[Any]]]:
            nonlocal most
            for number, box in enumerate(BOXES):
                most = max(most, number - len(store.writes))
                yield box, voxels_of(box)

        store.volume().write_many(boxes())
        assert most <= AHEAD * 2

    def test_few_large_boxes_are_taken_where_the_number_of_requests_is_learnt(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pyvolume.stores.base.HELD_BYTES", BOXES[0].size)  # two bytes a voxel
        store = store_of(64)
        many = SimpleNamespace(room=64, soon=64, rate=0.0, count=64)
        monkeypatch.setattr(store, "lanes", SimpleNamespace(is_learnt=True, of=lambda **_: many), raising=False)
        most = 0

        def boxes() -> Iterator[tuple[Box, NDArray[Any]]]:
            nonlocal most
            for number, box in enumerate(BOXES * 4):
                most = max(most, number - len(store.writes))
                yield box, voxels_of(box)

        store.volume().write_many(boxes())
        assert most <= AHEAD * FEW + 1

    def test_a_volume_grows(self) -> None:
        store = WatchedStore(ARRAY, (1, 1), growable=True, preferred_concurrency=4)
        volume = store.volume()
        volume.write_many((Box((0, x, 0), (2, x + 5, 20)), np.ones((2, 5, 20), "uint16")) for x in range(30, 60, 5))
        volume.refresh()
        assert volume.shape == (2, 60, 20)
        assert (volume[:, 30:] == 1).all()

    def test_an_error_ends_it_and_nothing_more_is_begun(self) -> None:
        pieces, fail, is_told = Listed((box, voxels_of(box)) for box in BOXES), failing_at(BOXES[5]), threading.Event()

        def before(action: str, box: Box) -> None:
            if BOXES.index(box) > 5:  # none passes the one that fails
                is_told.wait(PATIENCE)
            fail(action, box)

        store = store_of(2, before=before)
        with pytest.raises(StoreError, match="the line broke"):
            store.volume().write_many(pieces)
        is_told.set()
        wait_for_readers()
        assert len(pieces.taken) <= 5 + AHEAD * 2
        assert len(store.writes) <= len(pieces.taken)

    @pytest.mark.parametrize(
        "values", [np.zeros((2, 1, 13), "uint16"), np.full((2, 1, 14), -1), np.zeros((2, 1, 14))], ids=str
    )
    def test_values_that_do_not_fit_are_refused(self, values: NDArray[Any]) -> None:
        store = store_of(2)
        with pytest.raises(VoxelsMismatchError):
            store.volume().write_many([(BOXES[0], values)])
        assert store.asked == []

    def test_nothing_to_write_is_no_error(self) -> None:
        store_of(2).volume().write_many([])


def begin() -> Call:
    return Call(RetryPolicy())


class TestRunAhead:
    def test_the_context_of_who_asks_goes_along(self) -> None:
        said = contextvars.ContextVar("said", default="nothing")
        said.set("hello")
        results = run_ahead(range(5), lambda _, __: said.get(), begin, lambda: 2, ordered=True)
        assert [result for _, result in results] == ["hello"] * 5

    def test_a_task_is_given_with_its_result(self) -> None:
        assert list(run_ahead(range(5), lambda n, _: n * n, begin, lambda: 3, ordered=True)) == [
            (n, n * n) for n in range(5)
        ]

    def test_a_task_that_a_thread_has_taken_when_a_later_one_fails_is_given_before_its_error(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failed = threading.Event()

        class Queue(SimpleQueue[Any]):
            def get(self, block: bool = True, timeout: float | None = None) -> Any:
                found = super().get(block, timeout)
                if getattr(found, "task", None) == 0:
                    failed.wait(PATIENCE)
                    time.sleep(0.05)  # until the pool has stopped
                return found

        def work(number: int, call: Call) -> None:
            if number:
                failed.set()
                raise StoreError("the line broke")

        monkeypatch.setattr(pool, "SimpleQueue", Queue)
        given = run_ahead(range(4), work, begin, lambda: 2, ordered=True)
        assert next(given) == (0, None)
        with pytest.raises(StoreError, match="the line broke"):
            next(given)

    def test_nothing_begins_after_an_error_also_while_who_asks_is_busy(self) -> None:
        begun, failed, third, release = [], threading.Event(), threading.Event(), threading.Event()

        def work(number: int, call: Call) -> None:
            begun.append(number)
            if number == 0:
                release.wait(PATIENCE)
            elif number == 1:
                failed.set()
                raise StoreError("the line broke")
            else:
                third.set()

        def tasks() -> Iterator[int]:
            yield from range(3)
            failed.wait(PATIENCE)
            third.wait(0.1)
            yield 3

        with pytest.raises(StoreError, match="the line broke"):
            list(run_ahead(tasks(), work, begin, lambda: 2, ordered=False))
        release.set()
        wait_for_readers()
        assert sorted(begun) == [0, 1]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_many_boxes_report_one_transfer(concurrency: int) -> None:
    seen: list[Any] = []
    volume = store_of(concurrency).volume()
    with pyvolume.set_options(progress=seen.append):
        pieces = list(volume.read_many(BOXES))
        nbytes = sum(voxels.nbytes for _, voxels in pieces)
        assert [status.bytes_done for status in seen] == sorted({status.bytes_done for status in seen})
        assert (len(seen), seen[-1].bytes_done, seen[-1].bytes_total) == (len(BOXES), nbytes, nbytes)
        seen.clear()
        volume.write_many(pieces)
        assert (len(seen), seen[-1].bytes_done, seen[-1].bytes_total) == (len(BOXES), nbytes, nbytes)
