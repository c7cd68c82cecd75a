"""Locks of a user: which blocks a write locks, in which order, and that every lock is released."""

from __future__ import annotations

import contextlib
import logging
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box, RetryPolicy, Volume
from pyvolume.calls.call import Call
from pyvolume.errors import StoreError, TransportError
from pyvolume.stores.locks import BoxLocks
from pyvolume.transfer import locking
from pyvolume.transfer.locking import LOCKS_AT_ONCE

SHAPE = (1, 64, 64, 64)
CELLS = 8
LONG = 20.0


class Locks:
    """A `lock=` of one process that lists what is taken and what is held by each thread."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.held: dict[int, list[str]] = {}
        self.most = 0
        self._locks: dict[str, threading.Lock] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        with self._locks.setdefault(name, threading.Lock()):
            mine = self.held.setdefault(threading.get_ident(), [])
            self.taken.append(name)
            mine.append(name)
            self.most = max(self.most, len(mine))
            assert mine == sorted(mine)
            try:
                yield
            finally:
                mine.remove(name)

    @property
    def are_free(self) -> bool:
        return not any(self.held.values())


def zeros(concurrency: int = 1, **traits: Any) -> WatchedStore:
    return WatchedStore(np.zeros(SHAPE, "uint8"), (CELLS,) * 3, preferred_concurrency=concurrency, **traits)


WRITES: dict[str, tuple[Any, int, int]] = {
    "a voxel": (np.s_[0, 3, 3, 3], 1, 1),
    "a corner of eight blocks": (np.s_[:, 7:9, 7:9, 7:9], 8, 8),
    "a block": (np.s_[:, 8:16, 8:16, 8:16], 1, 0),
    "everything": (np.s_[...], 512, 0),
    "every other plane": (np.s_[:, ::2], 512, 512),
    "points": (np.s_[0, [1, 60], [1, 60], [1, 60]], 2, 2),
}
"""A key, and the blocks that are locked: with those that are filled, and without them."""


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("lock_aligned", [True, False])
@pytest.mark.parametrize("key", WRITES)
def test_a_write_locks_each_of_its_blocks_once(key: str, lock_aligned: bool, concurrency: int) -> None:
    locks, store = Locks(), zeros(concurrency)
    selected, blocks, partial = WRITES[key]
    volume = store.volume(lock=locks, lock_aligned=lock_aligned)
    volume[selected] = 7
    names = set(locks.taken)
    if key != "points":  # what lies between them is locked too, where it is cheaper to move it
        assert len(locks.taken) == len(names) == (blocks if lock_aligned else partial)
    assert len(names) >= (blocks if lock_aligned else partial)
    assert locks.most <= LOCKS_AT_ONCE
    assert locks.are_free
    expected = np.zeros(SHAPE, "uint8")
    expected[selected] = 7
    np.testing.assert_array_equal(store.stored(), expected)


def test_names_are_short_and_safe_as_names_of_files() -> None:
    locks = Locks()
    zeros().volume(lock=locks)[...] = 1
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in locks.taken)


def test_without_lock_nothing_is_split() -> None:
    store = zeros()
    store.volume()[...] = 1
    assert len(store.writes) == 1


def test_the_plan_shows_the_steps_of_a_locked_write() -> None:
    store = zeros()
    volume = store.volume(lock=Locks())
    plan = volume.plan(np.s_[:, 1:], write=True)
    volume[:, 1:] = 1
    assert [(request.action, request.box) for request in plan] == store.asked


def test_blocks_of_negative_coordinates_have_names_of_their_own() -> None:
    locks, store = Locks(), zeros(growable=True)
    store.volume(lock=locks).write(Box((0, -1, -1, -1), (1, 1, 1, 1)), np.ones((1, 2, 2, 2), "uint8"))
    assert len(set(locks.taken)) == 8


def test_what_is_read_cannot_be_overwritten_by_another_process() -> None:
    """B has read its blocks when A writes; without the lock B would store its old copy over the voxels of A."""
    locks, store = Locks(), zeros()
    a, b = (store.volume(lock=locks, locks=BoxLocks()) for _ in range(2))  # as two processes, which share no table
    started: list[Future[None]] = []

    def begin(method: str, _: Box) -> None:
        if method == "write" and not started:
            started.append(pool.submit(a.__setitem__, np.s_[:, :4, :4, :4], 1))

    store.before = begin
    with ThreadPoolExecutor(1) as pool:
        b[:, 4:6, 4:6, 4:6] = 2
        started[0].result(LONG)
    assert (store.stored()[0, :4, :4, :4] == 1).all()
    assert (store.stored()[0, 4:6, 4:6, 4:6] == 2).all()
    assert [method for method, _ in store.asked] == ["read", "write"] * 2


def test_writers_of_crossing_boxes_do_not_wait_in_a_circle() -> None:
    locks, store = Locks(), zeros(4)
    volumes = [store.volume(lock=locks, locks=BoxLocks()) for _ in range(4)]

    def write(n: int) -> None:
        for _ in range(5):
            volumes[n][:, n::4, 1:] = n + 1

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write, n) for n in range(4)]:
            done.result(LONG)
    np.testing.assert_array_equal(store.stored()[0, :, 5, 5], 1 + np.arange(64) % 4)


@pytest.mark.parametrize("error", [StoreError("no"), KeyboardInterrupt(), ZeroDivisionError()])
@pytest.mark.parametrize("method", ["read", "write"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_locks_are_released_on_every_exit(error: BaseException, method: str, concurrency: int) -> None:
    def fail(asked: str, _: Box) -> None:
        if asked == method:
            raise error

    locks, store = Locks(), zeros(concurrency)
    store.before = fail
    with pytest.raises(type(error)):
        store.volume(lock=locks)[:, 1:63] = 1
    assert locks.taken
    assert locks.are_free


@pytest.mark.parametrize("fails", [0, 5])
def test_a_lock_that_is_not_given_releases_those_before_it(fails: int) -> None:
    locks, store = Locks(), zeros()

    def lock(name: str) -> contextlib.AbstractContextManager[None]:
        if len(locks.taken) == fails:
            raise TimeoutError(name)
        return locks(name)

    with pytest.raises(TimeoutError):
        store.volume(lock=lock)[:, 1:63] = 1
    assert len(locks.taken) == fails
    assert locks.are_free
    assert store.asked == []


def test_waiting_for_a_lock_costs_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    store, touched = zeros(), list[Call]()
    monkeypatch.setattr(Call, "touch", lambda call: touched.append(call))
    store.volume(lock=Locks())[0, 1, 1, 1] = 1
    assert len(touched) == 1


def test_the_deadline_is_looked_at_when_the_lock_has_come() -> None:
    locks, store = Locks(), zeros()
    late = threading.Event()

    @contextlib.contextmanager
    def lock(name: str) -> Iterator[None]:
        late.wait(0.02)
        with locks(name):
            yield

    with pytest.raises(TransportError, match="deadline"):
        Volume(store, store.metadata, retry=RetryPolicy(deadline=0.01), lock=lock)[0, 1, 1, 1] = 1
    assert locks.are_free
    assert store.asked == []


@pytest.mark.parametrize("lock", [threading.Lock(), "name", 1])
def test_a_lock_is_made_from_a_name(lock: Any) -> None:
    with pytest.raises(TypeError, match="lock"):
        zeros().volume(lock=lock)


class TestMergingInAnotherProcess:
    """A volume that comes from another process merges with a warning, once."""

    @pytest.fixture(autouse=True)
    def nothing_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locking, "_WARNED", set())

    @pytest.fixture
    def warned(self, caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
        return lambda: sum(record.levelno == logging.WARNING for record in caplog.records)

    def opened(self, **options: Any) -> Volume:
        store = PickledStore(np.zeros(SHAPE, "uint8"), (CELLS,) * 3, lasting=True)
        return pickle.loads(pickle.dumps(store.volume(**options)))  # type: ignore[no-any-return]

    def test_it_says_so_once(self, warned: Callable[[], int]) -> None:
        volume = self.opened()
        volume[0, 1, 1, 1] = volume[0, 2, 2, 2] = 1
        again = pickle.loads(pickle.dumps(volume))
        again[0, 1, 1, 1] = 1
        assert warned() == 1

    def test_whole_blocks_are_no_reason(self, warned: Callable[[], int]) -> None:
        self.opened()[:, :8, :8, :8] = 1
        assert warned() == 0

    def test_a_lock_is_enough(self, warned: Callable[[], int]) -> None:
        self.opened(lock=contextlib.nullcontext)[0, 1, 1, 1] = 1
        assert warned() == 0

    def test_neither_is_a_volume_of_this_process(self, warned: Callable[[], int]) -> None:
        zeros(lasting=True).volume()[0, 1, 1, 1] = 1
        assert warned() == 0

    def test_a_process_made_by_fork_counts_as_another(
        self, warned: Callable[[], int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        volume = zeros(lasting=True).volume()
        monkeypatch.setattr("os.getpid", lambda: -1)
        volume[0, 1, 1, 1] = 1
        assert warned() == 1

    def test_an_array_in_memory_is_a_copy(self, warned: Callable[[], int]) -> None:
        array = pyvolume.from_array(np.zeros(SHAPE, "uint8"), block_shape=(CELLS,) * 3)
        pickle.loads(pickle.dumps(array))[0, 1, 1, 1] = 1
        assert warned() == 0


class PickledStore(WatchedStore):
    """A store that can be pickled, and has the same address everywhere."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_listing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._listing = threading.Lock()

    def _new_address(self) -> str:
        return "watched://a"
