"""Blocks in memory: exact bounds, the order in which they go, threads, forks and Ctrl-C."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from interrupts import interrupted_at
from numpy.typing import NDArray

from pyvolume.caching.memory import OVERHEAD, BlockKey, MemoryBlocks

SIZE = 1000
COST = SIZE + OVERHEAD


def key(number: int) -> BlockKey:
    return "voxels", (0, number)


def block(number: int = 0, size: int = SIZE) -> NDArray[Any]:
    return np.full(size, number, "uint8")


def kept(blocks: MemoryBlocks) -> list[int]:
    return [number for number in range(20) if key(number) in blocks._blocks]


def true_bytes(blocks: MemoryBlocks) -> int:
    return sum(each.nbytes + OVERHEAD for each in blocks._blocks.values())


def test_a_block_is_found_again() -> None:
    blocks = MemoryBlocks(COST)
    blocks.put(key(1), block(7))
    found = blocks.get(key(1))
    assert found is not None
    np.testing.assert_array_equal(found, block(7), strict=True)


def test_exactly_the_bytes_of_the_limit_are_kept() -> None:
    blocks = MemoryBlocks(3 * COST)
    for number in range(4):
        blocks.put(key(number), block())
    assert (kept(blocks), blocks.nbytes) == ([1, 2, 3], 3 * COST)


def test_what_was_not_used_for_the_longest_time_goes_first() -> None:
    blocks = MemoryBlocks(3 * COST)
    for number in range(3):
        blocks.put(key(number), block())
    blocks.get(key(0))
    blocks.put(key(3), block())
    assert kept(blocks) == [0, 2, 3]


def test_a_large_block_removes_as_many_as_it_needs() -> None:
    blocks = MemoryBlocks(4 * COST)
    for number in range(4):
        blocks.put(key(number), block())
    blocks.put(key(4), block(size=2 * SIZE))
    assert (kept(blocks), blocks.nbytes) == ([2, 3, 4], true_bytes(blocks))


def test_a_block_that_does_not_fit_removes_nothing() -> None:
    blocks = MemoryBlocks(2 * COST)
    blocks.put(key(0), block())
    blocks.put(key(1), block(size=3 * SIZE))
    assert kept(blocks) == [0]


def test_a_block_that_is_replaced_counts_once() -> None:
    blocks = MemoryBlocks(3 * COST)
    blocks.put(key(0), block())
    blocks.put(key(0), block(size=10))
    assert blocks.nbytes == 10 + OVERHEAD


def test_a_removed_block_counts_no_more() -> None:
    blocks = MemoryBlocks(3 * COST)
    blocks.put(key(0), block())
    blocks.put(key(1), block())
    blocks.discard(key(0))
    blocks.discard(key(5))
    assert (kept(blocks), blocks.nbytes) == ([1], COST)


def test_a_limit_of_nothing_keeps_nothing() -> None:
    blocks = MemoryBlocks(0)
    blocks.put(key(0), block())
    assert (len(blocks), blocks.nbytes) == (0, 0)


def test_many_threads_keep_the_sum_and_the_limit() -> None:
    blocks, together = MemoryBlocks(5 * COST), threading.Barrier(4, timeout=20)

    def use(seed: int) -> None:
        rng = np.random.default_rng(seed)
        together.wait()
        for number in rng.integers(0, 20, 500).tolist():
            if blocks.get(key(number)) is None:
                blocks.put(key(number), block(size=int(rng.integers(1, SIZE))))
            elif number % 7 == 0:
                blocks.discard(key(number))

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert blocks.nbytes == true_bytes(blocks) <= 5 * COST


def test_ctrl_c_at_any_moment_leaves_the_sum_right_and_the_lock_free() -> None:
    moment, was_interrupted = 0, True
    while was_interrupted:
        moment += 1
        blocks = MemoryBlocks(2 * COST)
        blocks.put(key(0), block())
        blocks.put(key(1), block())
        try:
            with interrupted_at(moment):
                blocks.put(key(2), block())
                blocks.discard(key(1))
                blocks.get(key(2))
            was_interrupted = False
        except KeyboardInterrupt:
            pass
        other = threading.Thread(target=blocks.put, args=(key(3), block()), daemon=True)
        other.start()
        other.join(20)
        assert not other.is_alive(), f"locked after an interrupt at place {moment}"
        assert blocks.nbytes == true_bytes(blocks) <= 2 * COST, moment
    assert moment > 10


class Interrupting(np.ndarray[Any, np.dtype[Any]]):
    """A block whose size takes so long to find that a signal handler comes in between."""

    handler: Callable[[], object] | None = None

    @property
    def nbytes(self) -> int:
        if self.handler is not None:
            self.handler()
        return super().nbytes


@pytest.mark.parametrize("moment", [1, 2])
def test_a_change_by_a_signal_handler_inside_a_change_is_counted(moment: int) -> None:
    blocks, asked = MemoryBlocks(10 * COST), itertools.count(1)
    blocks.put(key(0), block())

    def handle() -> None:
        if next(asked) == moment:
            blocks.put(key(8), block())
            blocks.put(key(9), block())

    interrupting = block().view(Interrupting)
    interrupting.handler = handle
    blocks.put(key(1), interrupting)
    assert (kept(blocks), blocks.nbytes) == ([0, 1, 8, 9], 4 * COST)


def _in_child(blocks: MemoryBlocks, answers: Any) -> None:
    blocks.put(key(1), block())
    answers.put((kept(blocks), blocks.nbytes))


def test_a_forked_process_goes_on_although_a_thread_held_the_lock() -> None:
    blocks = MemoryBlocks(5 * COST)
    blocks.put(key(0), block())
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with blocks._locks[os.getpid()]:
            blocks._is_torn = True  # as in the middle of a change
            holds.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(20)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_in_child, args=(blocks, answers))
    child.start()
    found = answers.get(timeout=20)
    child.join(20)
    done.set()
    thread.join()
    assert found == ([0, 1], 2 * COST)
