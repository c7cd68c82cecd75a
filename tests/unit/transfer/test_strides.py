"""Steps and masks on 64 GiB: never more than the result and a piece for each worker is held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from generated_store import PLANE_BYTES, SIDE, GeneratedStore, expected_at

from pyvolume import Box

MEBI = 1 << 20
ALL = np.arange(SIDE)


def peak_while(operate: Callable[[], Any]) -> tuple[Any, int]:
    """Return a result, and how many bytes more were held at the peak than before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = operate()
        return result, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def requests_of(store: GeneratedStore, method: str) -> list[Box]:
    return [box for asked, box in store.asked if asked == method]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_coarse_view_holds_a_plane_for_each_worker(concurrency: int) -> None:
    store = GeneratedStore(concurrency)
    coarse, peak = peak_while(lambda: store.volume()[0, ::64, ::64, ::64])
    every = ALL[::64]
    expected = expected_at(every[:, None, None], every[:, None], every)
    np.testing.assert_array_equal(coarse, expected, strict=True)
    assert max(box.size for box in requests_of(store, "read")) <= PLANE_BYTES
    assert peak <= concurrency * PLANE_BYTES + coarse.nbytes + MEBI


def test_a_coarse_view_asks_for_no_plane_without_a_selected_voxel() -> None:
    store = GeneratedStore(4)
    store.volume()[0, ::64, ::64, ::64]
    assert sorted((box.start[3], box.stop[3]) for box in requests_of(store, "read")) == [
        (z, z + 1) for z in range(0, SIDE, 64)
    ]


@pytest.mark.parametrize(
    ("key", "most"),
    [
        # a gap of less than 1 MiB is read: along x always
        (np.s_[0, ::512, ::512, ::512], 8 * 8 * SIDE),
        (np.s_[0, [5, 4000], [7, 3000], [9, 2000]], 3),
        (np.s_[0, ALL == 77, ::2048, ::-2048], 2 * 2049),
        (np.s_[0, 100:132:8, 3, [1, 4000]], 25 * 4000),
        (np.s_[:, 5, None, [1, 4095], [0, 4095]], 2),
        (np.s_[0, ::-1024, 7, 4095::-1000], 5 * 3073),
    ],
    ids=["coarse", "points", "mask", "step", "new axis", "backwards"],
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_scattered_voxels_are_read_alone(key: Any, most: int, concurrency: int) -> None:
    store = GeneratedStore(concurrency)
    result, peak = peak_while(lambda: store.volume()[key])
    coordinates = [np.broadcast_to(axis, (1, SIDE, SIDE, SIDE)) for axis in np.ix_(np.zeros(1, int), ALL, ALL, ALL)]
    np.testing.assert_array_equal(result, expected_at(*(axis[key] for axis in coordinates[1:])), strict=True)
    assert sum(box.size for box in requests_of(store, "read")) <= most
    assert peak <= MEBI


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_mask_of_several_axes_reads_its_voxels_alone(concurrency: int) -> None:
    mask = np.zeros((SIDE, SIDE), bool, order="F")
    mask[10:14, 20:22] = mask[4000:4003, 3900:3950] = mask[11, 3901] = True
    store = GeneratedStore(concurrency)
    result, peak = peak_while(lambda: store.volume()[0, mask, 7])
    x, y = np.nonzero(mask)
    np.testing.assert_array_equal(result, expected_at(x, y, np.full(x.size, 7)), strict=True)
    assert sum(box.size for box in requests_of(store, "read")) <= 4 * 2 + 3993 * 50
    assert peak <= mask.nbytes // 4 + MEBI


def test_index_arrays_of_several_axes_are_not_spread() -> None:
    store = GeneratedStore(1)
    each = np.arange(100)
    result, peak = peak_while(lambda: store.volume()[np.ix_(each[:1], each, each, each)])
    np.testing.assert_array_equal(result[0], expected_at(*np.ix_(each, each, each)), strict=True)
    assert peak <= 3 * result.nbytes + MEBI


def test_a_plan_of_a_coarse_view_holds_little_itself() -> None:
    _, peak = peak_while(lambda: GeneratedStore().volume().plan(np.s_[0, ::64, ::64, ::64]))
    assert peak <= MEBI


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    "key",
    [
        np.s_[0, ::64, ::64, ::64],
        np.s_[0, ::-8, :512:8, 100],
        np.s_[0, ::9, ALL % 600 == 7, 5:9],
        np.s_[0, ::-1, :, 100:103],
        np.s_[:, :, :, 100:103],
    ],
    ids=["coarse", "backwards", "mask", "mirrored", "box"],
)
def test_the_plan_tells_the_peak(key: Any, concurrency: int) -> None:
    store = GeneratedStore(concurrency)
    plan = store.volume().plan(key)
    result, peak = peak_while(lambda: store.volume()[key])
    assert result.nbytes <= plan.peak_bytes
    assert peak <= plan.peak_bytes + MEBI


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_stepped_write_moves_the_touched_blocks_alone(concurrency: int) -> None:
    store = GeneratedStore(concurrency)
    values = np.random.default_rng(0).integers(0, 128, (4, 4, 4), np.uint8) * 2 + 1
    _, peak = peak_while(lambda: store.volume().__setitem__(np.s_[0, ::1024, ::1024, ::1024], values))
    assert store.changed == {(0, 1024 * x, 1024 * y, 1024 * z): int(values[x, y, z]) for x, y, z in np.ndindex(4, 4, 4)}
    assert {box.shape for box in requests_of(store, "write")} == {(1, 64, 64, 64)}
    assert len(requests_of(store, "write")) == len(requests_of(store, "read")) == 64
    assert peak <= 5 * MEBI


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_stepped_write_of_one_plane_holds_a_piece_for_each_worker(concurrency: int) -> None:
    store = GeneratedStore(concurrency)
    plan = store.volume().plan(np.s_[0, :1024:8, ::32, 100], write=True)
    _, peak = peak_while(lambda: store.volume().__setitem__(np.s_[0, :1024:8, ::32, 100], 1))
    assert store.changed == dict.fromkeys(((0, x, y, 100) for x in range(0, 1024, 8) for y in range(0, SIDE, 32)), 1)
    assert plan.peak_bytes <= concurrency * 64 * MEBI
    assert peak <= plan.peak_bytes + concurrency * 5 * MEBI  # what the store itself holds to compare
