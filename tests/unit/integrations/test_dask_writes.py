"""Arrays of dask are written in whole blocks, by threads, processes and a cluster."""

from __future__ import annotations

import functools
import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from on_cluster import result_of
from watched_store import WatchedStore

import pyvolume
from mockserver import MockServer
from pyvolume import Box
from pyvolume.errors import AlignmentError, SelectionError, UnsupportedError, VoxelsMismatchError

dask = pytest.importorskip("dask", reason="dask comes with the extra 'dask'")
da = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")

SHAPE = (2, 100, 64, 33)
VOXELS = ramp(SHAPE, "uint16")
BLOCKS = (16, 16, 16)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def new(array: Any = None, **options: Any) -> WatchedStore:
    return WatchedStore(np.zeros(SHAPE, "uint16") if array is None else array, BLOCKS, **options)


def blocks_written(store: WatchedStore) -> list[tuple[int, ...]]:
    """Return each block as often as it was written."""
    grid = store.traits.write_grid
    found = []
    for box in store.writes:
        whole = box.aligned_to(grid)
        counts = [n // cell for n, cell in zip(whole.shape, grid, strict=True)]
        first = [low // cell for low, cell in zip(whole.start, grid, strict=True)]
        found += [tuple(map(sum, zip(first, each, strict=True))) for each in np.ndindex(*counts)]
    return found


@pytest.mark.parametrize("chunks", [7, (2, 100, 64, 1), (1, 3, 64, 33), -1, 40])
def test_each_block_is_written_once_without_a_merge(chunks: Any) -> None:
    store = new()
    assert store.volume().from_dask(da.from_array(VOXELS, chunks)) is None
    same(store.stored(), VOXELS)
    blocks = blocks_written(store)
    assert store.reads == []
    assert len(blocks) == len(set(blocks)) == math.prod(-(-n // b) for n, b in zip(SHAPE, (1, *BLOCKS), strict=True))


def test_a_box_anywhere_is_merged_by_one_task_for_each_block() -> None:
    store = new(VOXELS)
    box, values = Box((0, 5, 7, 3), (2, 93, 60, 29)), ramp((2, 88, 53, 26), "uint16", seed=1)
    store.volume().from_dask(da.from_array(values, 9), box=box)
    expected = VOXELS.copy()
    expected[box.slices_from((0,) * 4)] = values
    same(store.stored(), expected)
    blocks = blocks_written(store)
    assert len(blocks) == len(set(blocks))


def test_chunks_that_hold_too_much_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyvolume.integrations import dask as integration

    monkeypatch.setattr(integration, "CHUNK_BYTES", 20_000)
    store = new()
    store.volume().from_dask(da.from_array(VOXELS, (1, 100, 64, 1)))
    same(store.stored(), VOXELS)
    assert max(box.size for box in store.writes) * 2 <= 20_000


def test_an_empty_volume_is_filled_from_index_0() -> None:
    volume = pyvolume.from_array(np.zeros((2, 0, 0, 0), "uint16"), growable=True, block_shape=BLOCKS)
    volume.from_dask(da.from_array(VOXELS, 30))
    assert volume.bounds == Box((0, 0, 0, 0), SHAPE)
    volume.from_dask(da.from_array(VOXELS[:, :20], 30), box=((0, -20, 0, 0), (2, 0, 64, 33)))
    same(volume.to_dask().compute(), np.concatenate((VOXELS[:, :20], VOXELS), 1))


def test_nothing_is_written_before_it_is_computed() -> None:
    store = new()
    later = store.volume().from_dask(da.from_array(VOXELS, 30), compute=False)
    assert store.asked == []
    later.compute()
    same(store.stored(), VOXELS)


def test_a_second_write_is_not_taken_for_the_first() -> None:
    store = new()
    volume, array = store.volume(), da.from_array(VOXELS, 30)
    first, second = (volume.from_dask(array, compute=False) for _ in range(2))
    assert first.name != second.name


@pytest.mark.parametrize("compute", [True, False])
def test_what_was_stored_is_returned(compute: bool) -> None:
    store = new(np.zeros(SHAPE, "float32"))
    stored = store.volume().from_dask(da.from_array(VOXELS, 30), compute=compute, return_stored=True)
    assert bool(store.writes) is compute
    same(np.asarray(stored.compute()), VOXELS.astype("float32"))


@pytest.mark.parametrize(
    ("array", "options", "error"),
    [
        (VOXELS, {}, TypeError),
        (da.zeros((2, 100, 64, 32), dtype="uint16"), {}, VoxelsMismatchError),
        (da.zeros((100, 64, 33), dtype="uint16"), {}, VoxelsMismatchError),
        (da.zeros(SHAPE, dtype="float32"), {}, VoxelsMismatchError),
        (da.zeros(SHAPE, dtype="uint16")[da.zeros(SHAPE, dtype=bool)], {}, VoxelsMismatchError),
        (da.zeros(SHAPE, dtype="uint16"), {"box": ((0, 1, 0, 0), (2, 101, 64, 33))}, SelectionError),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(array: Any, options: Any, error: Any) -> None:
    store = new()
    with pytest.raises(error):
        store.volume().from_dask(array, **options)
    assert store.asked == []


def test_what_may_not_be_written_is_refused_before_anything_is_computed() -> None:
    store = new()
    array = da.from_array(VOXELS, 30)
    with pytest.raises(UnsupportedError, match="reading only"):
        store.volume(mode="r").from_dask(array)
    with pytest.raises(AlignmentError):
        store.volume(partial_blocks="raise").from_dask(array[:, 1:], box=((0, 1, 0, 0), SHAPE))
    assert store.asked == []


def test_few_chunks_are_in_memory() -> None:
    volume = pyvolume.from_array(np.zeros((1, 512, 256, 256), "uint8"), block_shape=(32, 32, 32))
    workers, chunk = 2, 1 << 20
    array = da.ones(volume.shape, chunks=(1, 128, 128, 64), dtype="uint8") * 7
    tracemalloc.start()
    try:
        with dask.config.set(scheduler="threads", num_workers=workers):
            volume.from_dask(array)
        assert tracemalloc.get_traced_memory()[1] < 2 * chunk * workers + (8 << 20)
    finally:
        tracemalloc.stop()
    assert (volume.min(), volume.max()) == (7, 7)


GRAY = ramp((1, 96, 64, 64), "uint16")


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer({"gray": GRAY, "new": np.zeros_like(GRAY)}) as server:
        yield server


def copied(server: MockServer, compute: Any) -> None:
    """Copy one volume into another one, and check that no two requests write the same block."""
    url = f"dvid://{server.url}/:master/"
    with pyvolume.open(url + "gray") as source, pyvolume.open(url + "new", mode="r+") as target:
        box = ((0, 0, 0, 5), (1, 96, 64, 60))
        lazy = source.to_dask((1, 32, 64, 64), box=box)
        compute(target.from_dask(lazy.rechunk(25), box=box, compute=False))
        same(target[..., 5:60], GRAY[..., 5:60])
        assert not target[..., :5].any()
        assert not target[..., 60:].any()


def test_processes_read_and_write(server: MockServer) -> None:
    copied(server, functools.partial(dask.compute, scheduler="processes", num_workers=2))


def test_a_cluster_reads_and_writes(server: MockServer, cluster: Any) -> None:
    copied(server, functools.partial(result_of, cluster))
