"""Volumes with a cache: which requests are left, and that the voxels are right."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cached import frozen, use_cache
from conformance_stores import ramp
from interrupts import interrupted_at
from watched_store import WatchedStore

import pyvolume
from pyvolume import BlockCache, Box, Volume
from pyvolume.caching.memory import OVERHEAD

ARRAY = ramp((1, 16, 16, 16))
BLOCKS, BLOCK = 4**3, 4**3


def test_a_second_read_needs_no_request() -> None:
    store = frozen(ARRAY)
    volume = store.volume(cache=BlockCache())
    for _ in range(2):
        np.testing.assert_array_equal(volume[...], ARRAY, strict=True)
    assert store.reads == [Box((0,) * 4, (1, 16, 16, 16))]


def test_a_read_requests_the_whole_blocks_around_it() -> None:
    store = frozen(ARRAY)
    volume = store.volume(cache=BlockCache())
    np.testing.assert_array_equal(volume[0, 3:6, 2, -1], ARRAY[0, 3:6, 2, -1], strict=True)
    assert store.reads == [Box((0, 0, 0, 12), (1, 8, 4, 16))]


def test_the_plan_names_the_requests_of_an_empty_cache() -> None:
    volume = frozen(ARRAY).volume(cache=BlockCache())
    assert [each.box for each in volume.plan(np.s_[0, 3:6, 2, -1])] == [Box((0, 0, 0, 12), (1, 8, 4, 16))]


KEYS: dict[str, Any] = {
    "voxel": np.s_[0, 1, 2, 3],
    "plane": np.s_[0, :, :, 9],
    "box": np.s_[:, 3:9, 5:6, 2:15],
    "steps": np.s_[:, ::3, 1::5, ::7],
    "backwards": np.s_[:, ::-1, 3:9:2, -2],
    "lists": np.s_[0, [1, 9, 3], [5, 5, 0]],
    "mask": np.s_[0, ARRAY[0, :, 0, 0] > 100],
    "new axis": np.s_[..., None, 5],
    "nothing": np.s_[:, 5:5],
}


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("memory", ["1 GiB", 10 * (BLOCK + OVERHEAD)], ids=["large", "small"])
def test_keys_of_all_kinds_give_what_numpy_gives(memory: int | str, at_once: int) -> None:
    store = frozen(ARRAY, max_read_bytes=16 * BLOCK, preferred_concurrency=at_once)
    volume = store.volume(cache=BlockCache(memory))
    for key in [*KEYS.values(), *KEYS.values()]:
        np.testing.assert_array_equal(volume[key], ARRAY[key], strict=True)


def test_what_is_known_is_not_requested_again() -> None:
    store = frozen(ARRAY)
    volume = store.volume(cache=BlockCache())
    volume[:, :8]
    volume[:, 4:12]
    assert store.reads == [Box((0,) * 4, (1, 8, 16, 16)), Box((0, 8, 0, 0), (1, 12, 16, 16))]


def test_missing_blocks_around_known_ones_need_few_requests() -> None:
    array = np.zeros((1, 160, 160, 96), "uint64")
    store = frozen(array, (32, 32, 32))
    volume = store.volume(cache=BlockCache())
    volume[:, 32:128, 32:128, 32:64]
    store.asked.clear()
    volume[...]
    assert (len(store.reads), sum(box.size for box in store.reads)) == (6, array.size - 96 * 96 * 32)


def test_blocks_end_at_bounds_that_cannot_grow() -> None:
    array = ramp((2, 10, 7, 5))
    store = frozen(array, growable=False)
    volume = store.volume(cache=BlockCache())
    for _ in range(2):
        np.testing.assert_array_equal(volume[...], array, strict=True)
    assert store.reads == [Box((0,) * 4, (2, 10, 7, 5))]


def test_voxels_outside_of_bounds_that_can_grow_are_kept_too() -> None:
    store = frozen(ARRAY, growable=True)
    volume = store.volume(cache=BlockCache())
    expected = np.pad(ARRAY, ((0, 0), (3, 0), (0, 0), (0, 2)))
    for _ in range(2):
        np.testing.assert_array_equal(volume.read(((0, -3, 0, 0), (1, 16, 16, 18))), expected, strict=True)
    assert store.reads == [Box((0, -4, 0, 0), (1, 16, 16, 20))]


def test_a_caller_who_changes_his_array_does_not_change_the_cache() -> None:
    volume = frozen(ARRAY).volume(cache=BlockCache())
    for _ in range(3):
        found = volume[...]
        assert (found == ARRAY).all()
        found[...] = 0


def test_a_given_array_of_any_order_is_filled() -> None:
    store = frozen(ARRAY)
    volume = store.volume(cache=BlockCache())
    for _ in range(2):
        out = np.zeros((16, 16, 16, 2), "uint8").transpose(3, 0, 2, 1)[:1, :7, 1:]
        volume.read(((0, 0, 1, 0), (1, 7, 16, 16)), out=out)
        np.testing.assert_array_equal(out, ARRAY[:, :7, 1:])


def test_volumes_that_share_a_cache_keep_their_voxels_apart() -> None:
    cache, other = BlockCache(), 255 - ARRAY
    one, two = frozen(ARRAY), frozen(other)
    two.address = one.address + "2"
    for _ in range(2):
        assert (one.volume(cache=cache)[...] == ARRAY).all()
        assert (two.volume(cache=cache)[...] == other).all()


class Named(WatchedStore):
    def identity(self) -> str:
        return self.name

    name = "first"


def test_what_is_made_anew_under_the_same_address_is_read_anew() -> None:
    cache, other = BlockCache(), 255 - ARRAY
    first = Named(ARRAY, (4, 4, 4), immutable=True, lasting=True)
    second = Named(other, (4, 4, 4), immutable=True, lasting=True)
    first.address, second.name = second.address, "second"
    first.volume(cache=cache)[...]
    np.testing.assert_array_equal(second.volume(cache=cache)[...], other, strict=True)


def test_the_same_name_at_another_address_is_read_anew() -> None:
    cache, other = BlockCache(), 255 - ARRAY
    first = Named(ARRAY, (4, 4, 4), immutable=True, lasting=True)
    second = Named(other, (4, 4, 4), immutable=True, lasting=True)
    first.volume(cache=cache)[...]
    np.testing.assert_array_equal(second.volume(cache=cache)[...], other, strict=True)


def test_the_limit_of_memory_holds() -> None:
    cache = BlockCache(10 * (BLOCK + OVERHEAD))
    frozen(ARRAY).volume(cache=cache)[...]
    assert (cache.blocks, cache.nbytes) == (10, 10 * (BLOCK + OVERHEAD))


UNUSED: dict[str, tuple[Callable[[], Volume], str]] = {
    "can change": (lambda: WatchedStore(ARRAY, (4, 4, 4)).volume(cache=BlockCache()), "the voxels can change"),
    "in memory": (lambda: frozen(ARRAY, lasting=False).volume(cache=BlockCache()), "the voxels are in memory"),
    "no blocks": (lambda: frozen(ARRAY, (1, 1, 1)).volume(cache=BlockCache()), "the store has no blocks"),
    "large blocks": (lambda: frozen(ARRAY, (16, 16, 16)).volume(cache=BlockCache(3000)), "a block has 4 KiB"),
    "larger than requests": (
        lambda: frozen(ARRAY, (16, 16, 16), max_read_bytes=2000).volume(cache=BlockCache()),
        "a block has 4 KiB",
    ),
}


@pytest.mark.parametrize("name", UNUSED)
def test_where_a_cache_is_of_no_use_the_volume_says_so_and_reads_without(name: str) -> None:
    make, reason = UNUSED[name]
    volume = make()
    volume[...], volume[0, 3]
    cache = volume._transfer.cache
    assert cache is not None
    assert (volume.describe()["cache"], cache.hits + cache.misses) == (f"not used: {reason}", 0)


def test_a_volume_that_uses_a_cache_says_so() -> None:
    volume = frozen(ARRAY).volume(cache=BlockCache())
    assert volume.describe()["cache"] == "used"
    assert "used" in volume._repr_html_()


def test_without_a_cache_nothing_of_it_is_said() -> None:
    assert "cache" not in frozen(ARRAY).volume().describe()


@pytest.mark.parametrize("cache", [True, "1 GiB", {}])
def test_a_cache_is_a_block_cache(cache: Any) -> None:
    with pytest.raises(TypeError, match="volume: cache: expected a BlockCache and found"):
        frozen(ARRAY).volume(cache=cache)


def test_a_file_takes_the_option(tmp_path: Any) -> None:
    np.save(tmp_path / "cells.npy", ARRAY)
    with pyvolume.open(tmp_path / "cells.npy", cache=BlockCache()) as volume:
        assert volume.describe()["cache"] == "not used: the voxels can change"


def test_without_a_cache_the_store_is_read_directly() -> None:
    store = frozen(ARRAY)
    assert store.volume()._transfer.reads is store


def test_hits_and_misses_are_traced() -> None:
    volume = frozen(ARRAY).volume(cache=BlockCache())
    volume[:, :4]
    with pyvolume.trace() as t:
        volume[:, :8]
    assert (t.cache_hits, t.cache_misses, t.bytes_used) == (16, 16, 8 * 16 * 16)


def test_the_cache_counts_over_all_volumes() -> None:
    cache = BlockCache()
    for store in (frozen(ARRAY), frozen(ARRAY)):
        volume = store.volume(cache=cache)
        volume[...], volume[...]
    assert (cache.hits, cache.misses) == (2 * BLOCKS, 2 * BLOCKS)


def test_threads_that_miss_the_same_blocks_request_them_once() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(_: str, __: Box) -> None:
        begun.set()
        assert go_on.wait(20)

    store = frozen(ARRAY)
    store.before = slowly
    volume = store.volume(cache=BlockCache())
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(volume[:, 2:9])) for _ in range(3)]
    for each in threads:
        each.start()
    assert begun.wait(20)
    go_on.set()
    for each in threads:
        each.join()
    assert len(store.reads) == 1
    assert all((each == ARRAY[:, 2:9]).all() for each in found)


def test_after_an_error_the_next_thread_requests_the_blocks() -> None:
    store = frozen(ARRAY)
    failures = iter([True])

    def once(_: str, box: Box) -> None:
        if next(failures, False):
            raise pyvolume.errors.TransportError("broken")

    store.before = once
    volume = store.volume(cache=BlockCache())
    with pytest.raises(pyvolume.errors.TransportError):
        volume[...]
    np.testing.assert_array_equal(volume[...], ARRAY, strict=True)


def test_a_callback_of_a_request_can_read_the_same_blocks() -> None:
    store = frozen(ARRAY)
    volume = store.volume(cache=BlockCache())
    nested: list[Any] = []

    def read_again(_: str, __: Box) -> None:
        if not nested:
            nested.append(None)
            nested.append(volume[:, :5])

    store.before = read_again
    np.testing.assert_array_equal(volume[...], ARRAY, strict=True)
    np.testing.assert_array_equal(nested[1], ARRAY[:, :5], strict=True)


def test_what_the_handle_writes_is_read_again() -> None:
    volume = use_cache(WatchedStore(ARRAY, (4, 4, 4)).volume(), BlockCache())
    volume[...]
    volume[:, 3:6, 5, 5] = 77
    expected = ARRAY.copy()
    expected[:, 3:6, 5, 5] = 77
    np.testing.assert_array_equal(volume[...], expected, strict=True)


def test_blocks_are_completed_from_the_store_and_not_from_the_cache() -> None:
    store = WatchedStore(ARRAY, (4, 4, 4))
    volume = use_cache(store.volume(), BlockCache())
    volume[...]
    store.stored()[:, 7, 7, 7] = 3  # an administrator has changed a committed version
    volume[:, 4, 4, 4] = 200
    assert (store.stored()[0, 7, 7, 7], volume[0, 7, 7, 7]) == (3, 3)


def test_all_ways_of_reading_use_the_cache() -> None:
    store = frozen(ARRAY)
    volume = store.volume(cache=BlockCache())
    volume[...]
    store.asked.clear()
    assert volume.sum() == ARRAY.sum()
    assert (volume.to_dask().compute() == ARRAY).all()
    assert [voxels.shape for _, voxels in volume.read_many([((0, 1, 1, 1), (1, 5, 5, 5))])] == [(1, 4, 4, 4)]
    assert volume.absolute[0, 3, 3, 3] == ARRAY[0, 3, 3, 3]
    target = np.zeros_like(ARRAY)
    pyvolume.copy(volume, pyvolume.from_array(target))
    assert (target == ARRAY).all()
    assert list(pyvolume.compare(volume, pyvolume.from_array(target))) == []
    assert store.reads == []


def test_another_level_and_another_copy_share_the_cache() -> None:
    cache = BlockCache()
    volume = frozen(ARRAY).volume(cache=cache)
    other = volume._with_store(frozen(ARRAY), volume.metadata)
    assert other._transfer.cache is volume._transfer.cache is cache
    assert other._transfer.reads is not volume._transfer.reads


def test_a_pickled_transfer_reads_through_its_cache_again() -> None:
    store = GeneratedOnce()
    volume = Volume(store, store.read_metadata(None), cache=BlockCache())
    again = pickle.loads(pickle.dumps(volume))
    again[...], again[...]
    assert len(again.store.reads) == 1


class GeneratedOnce:
    """A store that can be pickled."""

    def __init__(self) -> None:
        self.address = "generated://once"
        self.traits = dataclasses.replace(frozen(ARRAY).traits)
        self.reads: list[Box] = []

    def read_metadata(self, call: Any) -> Any:
        return pyvolume.VoxelsMetadata.of(ARRAY.shape, ARRAY.dtype)

    def read_box(self, box: Box, out: Any, call: Any) -> None:
        self.reads.append(box)
        out[...] = ARRAY[box.slices_from((0,) * 4)]

    def write_box(self, box: Box, voxels: Any, call: Any) -> None:
        raise AssertionError

    def close(self) -> None: ...


def test_a_plane_of_known_blocks_needs_the_memory_of_the_plane() -> None:
    array = np.zeros((1, 64, 64, 64), "uint64")
    volume = frozen(array, (32, 32, 32)).volume(cache=BlockCache())
    volume[...]
    tracemalloc.start()
    try:
        volume[0, :, :, 5]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * array[0, :, :, 5].nbytes


def test_pieces_of_a_read_are_cut_between_blocks() -> None:
    store = frozen(ARRAY, max_read_bytes=20 * BLOCK)
    volume = store.volume(cache=BlockCache())
    volume[:, 1:, 1:, 1:]
    assert {face % 4 for box in store.reads for face in itertools.chain(box.start[1:], box.stop[1:])} == {0}
    assert max(box.size for box in store.reads) <= 20 * BLOCK


def test_ctrl_c_at_any_moment_leaves_volume_and_cache_usable() -> None:
    moment, was_interrupted = 0, True
    while was_interrupted:
        moment += 37
        cache = BlockCache(40 * (BLOCK + OVERHEAD))
        volume = frozen(ARRAY).volume(cache=cache)
        volume[:, :, 2:3]
        try:
            with interrupted_at(moment):
                volume[:, 3:, 3:]
            was_interrupted = False
        except KeyboardInterrupt:
            pass
        found: list[Any] = []
        other = threading.Thread(target=lambda into=found, of=volume: into.append(of[...]), daemon=True)
        other.start()
        other.join(20)
        assert len(found) == 1, f"nothing is read after an interrupt at place {moment}"
        assert (found[0] == ARRAY).all(), moment
        assert cache.nbytes <= 40 * (BLOCK + OVERHEAD)
    assert moment > 100
