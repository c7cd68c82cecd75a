"""BlockCache: sizes, statistics, and what travels to other processes."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyvolume import BlockCache
from pyvolume.caching.memory import OVERHEAD, BlockKey

KEY: BlockKey = ("voxels", (0, 0, 0, 0))
BLOCK = np.asfortranarray(np.random.default_rng(0).integers(0, 256, (1, 16, 16, 16), "uint8"))


def found(cache: BlockCache) -> bool:
    return cache.get(KEY, BLOCK.shape, BLOCK.dtype) is not None


@pytest.mark.parametrize("size", ["lots", "-1", "1 XB", "1 GiBs", "", "1e9 B"])
def test_a_size_is_a_number_and_a_unit(size: str) -> None:
    with pytest.raises(ValueError, match="BlockCache: expected memory as a number of bytes, or a text such as '1 GiB'"):
        BlockCache(size)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="expected disk of at least 0 and found -5"):
        BlockCache(disk=-5)


@pytest.mark.parametrize("size", [1.5, None])
def test_a_size_is_whole(size: Any) -> None:
    with pytest.raises(TypeError, match="expected memory as a whole number"):
        BlockCache(size)


def test_a_folder_is_a_path() -> None:
    with pytest.raises(TypeError, match="BlockCache: expected a folder as a path and found True"):
        BlockCache(folder=True)  # type: ignore[arg-type]


def test_the_disk_serves_what_memory_has_lost_and_memory_has_it_again(tmp_path: Path) -> None:
    cache = BlockCache(folder=tmp_path)
    cache.put(KEY, BLOCK)
    cache._memory.clear()
    assert [found(cache), found(cache), cache.hits, cache.disk_hits] == [True, True, 2, 1]


def test_a_later_program_finds_the_blocks_on_disk(tmp_path: Path) -> None:
    BlockCache(folder=tmp_path).put(KEY, BLOCK)
    later = BlockCache(folder=str(tmp_path))
    assert (found(later), later.disk_hits) == (True, 1)


def test_a_cache_without_memory_keeps_blocks_on_disk(tmp_path: Path) -> None:
    cache = BlockCache(0, folder=tmp_path)
    cache.put(KEY, BLOCK)
    assert (cache.blocks, found(cache)) == (0, True)


def test_clear_removes_all_blocks(tmp_path: Path) -> None:
    cache = BlockCache(folder=tmp_path)
    cache.put(KEY, BLOCK)
    cache.clear()
    assert (found(cache), cache.blocks, cache.nbytes, cache.disk_nbytes) == (False, 0, 0, 0)


def test_the_statistics_are_printed(tmp_path: Path) -> None:
    cache = BlockCache("1 MiB", folder=tmp_path, disk="1 GB")
    cache.put(KEY, BLOCK)
    found(cache)
    cache.missed(3)
    assert cache.nbytes == BLOCK.nbytes + OVERHEAD
    assert repr(cache) == f"<BlockCache 4.5 KiB of 1 MiB in memory, 953.7 MiB at most in {tmp_path}, 1 hits, 3 misses>"


def test_a_notebook_shows_the_statistics_as_a_table(tmp_path: Path) -> None:
    table = BlockCache(folder=tmp_path / "<b>")._repr_html_()
    assert "&lt;b&gt;" in table
    assert "0 B of 10 GiB" in table


def test_a_copy_in_the_same_process_is_the_same_cache() -> None:
    cache = BlockCache()
    assert pickle.loads(pickle.dumps(cache)) is cache
    assert copy.deepcopy(cache) is cache


def test_the_memory_of_a_cache_that_nobody_uses_is_given_back() -> None:
    import weakref

    cache = BlockCache()
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    assert gone() is None


def _look(pickled: bytes, answers: Any) -> None:
    first, second = pickle.loads(pickled), pickle.loads(pickled)
    answers.put((first is second, first.blocks, first.folder, found(first), repr(first)))


def test_in_another_process_memory_is_empty_and_the_folder_the_same(tmp_path: Path) -> None:
    cache = BlockCache("2 MiB", folder=tmp_path, disk="3 MiB")
    cache.put(KEY, BLOCK)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    child = context.Process(target=_look, args=(pickle.dumps(cache), answers))
    child.start()
    answer = answers.get(timeout=60)
    child.join(20)
    expected = f"<BlockCache 4.5 KiB of 2 MiB in memory, 3 MiB at most in {tmp_path}, 1 hits, 0 misses>"
    assert answer == (True, 0, tmp_path, True, expected)
