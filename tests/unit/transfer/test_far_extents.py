"""Extents of 2^31 voxels along each axis: what is asked for begins at once, and holds no list of its pieces."""

from __future__ import annotations

import itertools
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from generated_store import GeneratedStore, expected_at

import pyvolume
from pyvolume import Box, Volume
from pyvolume.display.planes import read_plane
from pyvolume.errors import SelectionError, StoreError, UnsupportedError

FAR = 2**31
MEBI = 1 << 20
MANY = np.s_[0, :: FAR // 1024, :: FAR // 1024, 5]
"""A million voxels, each of which needs a request of its own."""


class StoppedError(Exception):
    """Ends a transfer that would last for years."""


class FarStore(GeneratedStore):
    """Voxels of 2^31 along each axis; it stops a transfer after some requests."""

    def __init__(self, concurrency: int = 1, *, most: int = 0, address: str = "far://") -> None:
        super().__init__(concurrency, FAR)
        self.address = address
        self._most = most

    def read_box(self, box: Box, out: Any, *args: Any) -> None:
        self._count("read", box)
        out[...] = 0

    def write_box(self, box: Box, *args: Any) -> None:
        self._count("write", box)

    def _count(self, method: str, box: Box) -> None:
        with self._lock:
            self.asked.append((method, box))
            if len(self.asked) > self._most:
                raise StoppedError


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Count the boxes that are made, and refuse to hold more than some memory."""
    count = itertools.count()
    trusted = Box._trusted.__func__  # type: ignore[attr-defined]

    def counted(cls: type[Box], start: Any, stop: Any) -> Box:
        if next(count) > 10_000:
            raise AssertionError("too many boxes are made")
        return trusted(cls, start, stop)  # type: ignore[no-any-return]

    monkeypatch.setattr(Box, "_trusted", classmethod(counted))
    tracemalloc.start()
    yield lambda: next(count)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * MEBI


def far(**options: Any) -> Volume:
    return FarStore(**options).volume()


class TestPlan:
    def test_a_box_is_counted_by_arithmetic(self, made: Callable[[], int]) -> None:
        plan = far(concurrency=4).plan(np.s_[0, :, :, : 2**20])
        assert len(plan) == 2**82 // 2**26
        assert plan.nbytes == plan.bytes_wanted == 2**82
        assert repr(plan) == (
            "<Plan to read 4 YiB with 72057594037927936 requests of together 4 YiB, 4 at once, peak memory 4 YiB>"
        )
        assert made() < 1000

    def test_an_unaligned_write_is_counted_by_arithmetic(self, made: Callable[[], int]) -> None:
        plan = far().plan(np.s_[0, 1:, 1:, 1 : 2**20], write=True)
        assert plan.bytes_wanted < plan.nbytes == 2**82 + plan.merged_bytes
        assert 64 * 2**62 < plan.merged_bytes < 64 * 2**63
        assert "of it merged" in repr(plan)
        assert made() < 1000

    def test_its_first_requests_come_at_once(self, made: Callable[[], int]) -> None:
        first = list(itertools.islice(far().plan(...), 3))
        assert [request.box.start for request in first] == [(0, 0, 0, 0), (0, 2**14, 0, 0), (0, 2**15, 0, 0)]
        assert made() < 100

    @pytest.mark.parametrize("write", [False, True])
    def test_voxels_far_apart_are_planned_as_they_are_needed(self, made: Callable[[], int], write: bool) -> None:
        plan = far().plan(MANY, write=write)
        assert repr(plan).endswith(f"with more than {4000 if write else 2000} requests, 1 at once>")
        assert len(list(itertools.islice(plan, 9))) == 9

    def test_voxels_far_apart_along_one_axis_are_counted(self, made: Callable[[], int]) -> None:
        plan = far().plan(np.s_[0, :: FAR // 1024, 7, 5])
        assert (len(plan), plan.nbytes) == (1024, 1024)


@pytest.mark.parametrize("concurrency", [1, 4])
class TestTransfers:
    def test_a_strided_read_begins_at_once(self, made: Callable[[], int], concurrency: int) -> None:
        store = FarStore(concurrency, most=20)
        with pytest.raises(StoppedError):
            store.volume()[MANY]
        assert len(store.asked) <= 20 + concurrency

    def test_a_few_voxels_are_right(self, made: Callable[[], int], concurrency: int) -> None:
        store = GeneratedStore(concurrency, FAR)
        found = store.volume()[0, 5 :: FAR // 2, :: FAR // 2, :: -FAR // 2]
        x, y, z = np.array([5, 5 + FAR // 2]), np.array([0, FAR // 2]), np.array([FAR - 1, FAR // 2 - 1])
        np.testing.assert_array_equal(found, expected_at(x[:, None, None], y[:, None], z))

    def test_a_strided_write_begins_at_once(self, made: Callable[[], int], concurrency: int) -> None:
        store = FarStore(concurrency, most=20)
        with pytest.raises(StoppedError):
            store.volume()[MANY] = 1
        assert len(store.asked) <= 20 + concurrency

    def test_a_write_of_everything_begins_at_once(self, made: Callable[[], int], concurrency: int) -> None:
        store = FarStore(concurrency, most=2)
        with pytest.raises(StoppedError):
            store.volume()[:, 1:, : 2**20, 5] = 1
        assert len(store.asked) <= 2 + concurrency

    def test_a_locked_write_begins_at_once(self, made: Callable[[], int], concurrency: int) -> None:
        store, names = FarStore(concurrency, most=2), list[str]()

        def lock(name: str) -> Any:
            names.append(name)
            return memoryview(b"")

        with pytest.raises(StoppedError):
            Volume(store, store.metadata, lock=lock)[:, 1:, : 2**20, 5] = 1
        assert len(names) <= 48 * (2 + 2 * concurrency)

    def test_a_copy_begins_at_once(self, made: Callable[[], int], concurrency: int, tmp_path: Any) -> None:
        store = FarStore(concurrency, most=2)
        with pytest.raises(StoppedError):
            pyvolume.copy(far(most=9), store.volume(), concurrency=concurrency, resume=tmp_path / "journal")
        assert len(store.asked) <= 2 + concurrency

    def test_a_comparison_begins_at_once(self, made: Callable[[], int], concurrency: int) -> None:
        store = FarStore(concurrency, most=2)
        with pytest.raises(StoppedError):
            pyvolume.compare(far(most=9, address="other://"), store.volume(), concurrency=concurrency)

    def test_what_did_not_arrive_is_no_list(self, made: Callable[[], int], concurrency: int) -> None:
        store = FarStore(concurrency)
        store._count = _fail  # type: ignore[method-assign]
        with pytest.raises(StoreError) as caught:
            store.volume()[..., : 2**20, 64:65] = 1
        error = pickle.loads(pickle.dumps(caught.value))
        assert error.remaining
        assert next(iter(error.remaining)).start == (0, 0, 0, 64)
        assert repr(error.remaining).startswith("[Box(0:1, 0:")
        assert repr(error.remaining).endswith(", ...]")


def _fail(method: str, box: Box) -> None:
    raise StoreError("the line broke")


class TestEverythingElse:
    def test_a_volume_prints_itself(self, made: Callable[[], int]) -> None:
        volume = far()
        assert str(FAR) in repr(volume)
        assert volume.describe()["bytes"] == FAR**3
        assert str(FAR) in volume._repr_html_()

    def test_blocks_come_at_once(self, made: Callable[[], int]) -> None:
        volume = far()
        for shape in (None, (1, 64, 64, 64), (1, FAR, FAR, 64)):
            assert len(list(itertools.islice(volume.blocks(shape=shape), 5))) == 5

    def test_a_plane_of_the_viewer_is_small(self, made: Callable[[], int]) -> None:
        store = FarStore(most=2000)
        plane = read_plane(store.volume(), "z", 77, 512, {})
        assert max(plane.voxels.shape) <= 512
        assert len(store.asked) <= 1024

    @pytest.mark.parametrize("read", [lambda volume: volume[...], lambda volume: volume[:, ::2, ::2, ::2]])
    def test_what_does_not_fit_into_memory_is_refused(self, made: Callable[[], int], read: Any) -> None:
        with pytest.raises(SelectionError, match="memory"):
            read(far())

    def test_it_is_no_array(self, made: Callable[[], int]) -> None:
        with pytest.raises((UnsupportedError, SelectionError)):
            np.asarray(far())

    def test_points_need_no_more_than_their_own_memory(self, made: Callable[[], int]) -> None:
        places = np.array([0, FAR - 1, FAR // 2])
        found = GeneratedStore(4, FAR).volume()[0, places, places, places]
        np.testing.assert_array_equal(found, expected_at(places, places, places))
