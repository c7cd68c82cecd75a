"""Transfers: pieces, caps and merged borders against a store in memory that watches what it is asked for."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyvolume import Box, RetryPolicy, VoxelsMetadata
from pyvolume.errors import AlignmentError, StoreError
from pyvolume.locks import BoxLocks
from pyvolume.memory import MemoryStore
from pyvolume.transfer.engine import Transfer
from pyvolume.transport.call import Call


class WatchedStore(MemoryStore):
    """A store in memory that lists what is read and written, and fails at the piece that it is told."""

    def __init__(self, array: NDArray[Any], blocks: tuple[int, ...], **traits: Any) -> None:
        self.metadata = VoxelsMetadata.create_default_metadata(array.shape, array.dtype, "cxyz"[: array.ndim], 1.0, "")
        super().__init__(array, self.metadata, block_shape=blocks, growable=False)
        self.traits = dataclasses.replace(self.traits, **traits)
        self.reads: list[Box] = []
        self.writes: list[Box] = []
        self.fails_at = -1

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        self.reads.append(box)
        self._fail(len(self.reads))
        super().read_box(box, out, call)

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        self.writes.append(box)
        self._fail(len(self.writes))
        super().write_box(box, voxels, call)

    def _fail(self, count: int) -> None:
        if count == self.fails_at:
            raise StoreError("the line broke")

    def read(self, box: Box) -> NDArray[Any]:
        out = np.empty(box.shape, self.metadata.dtype, order="F")
        Transfer(self, BoxLocks(), merges=True).read(box, out, self.metadata, Call(RetryPolicy()))
        return out

    def write(self, box: Box, voxels: NDArray[Any], *, merges: bool = True) -> Box:
        transfer = Transfer(self, BoxLocks(), merges)
        return transfer.write(box, voxels, self.metadata, Call(RetryPolicy()))


def noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@st.composite
def cases(draw: st.DrawFn) -> tuple[WatchedStore, NDArray[Any], Box]:
    """Draw a store with a grid and caps of a few voxels, the array in it, and a box of it."""
    shape = (draw(st.integers(1, 3)), *(draw(st.integers(1, 9)) for _ in range(draw(st.integers(1, 3)))))
    grids = [tuple(draw(st.integers(1, 4)) for _ in shape) for _ in range(2)]
    array = noise(shape)
    store = WatchedStore(
        array.copy(),
        grids[0][1:],
        read_grid=grids[0],
        write_grid=grids[1],
        max_read_bytes=draw(st.integers(1, 200)),
        max_write_bytes=draw(st.integers(1, 200)),
    )
    start = tuple(draw(st.integers(0, n - 1)) for n in shape)
    stop = tuple(draw(st.integers(low + 1, n)) for low, n in zip(start, shape, strict=True))
    return store, array, Box(start, stop)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_box_is_read_through_any_grid_and_cap(case: tuple[WatchedStore, NDArray[Any], Box]) -> None:
    store, array, box = case
    np.testing.assert_array_equal(store.read(box), array[box.slices_from((0,) * array.ndim)], strict=True)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_box_is_written_through_any_grid_and_cap(case: tuple[WatchedStore, NDArray[Any], Box]) -> None:
    store, array, box = case
    voxels = noise(box.shape, seed=1)
    store.write(box, voxels)
    array[box.slices_from((0,) * array.ndim)] = voxels
    np.testing.assert_array_equal(store.read(store.metadata.bounds), array)


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_write_says_which_whole_blocks_it_has_sent(case: tuple[WatchedStore, NDArray[Any], Box]) -> None:
    store, _, box = case
    sent = store.write(box, noise(box.shape, seed=1))
    assert sum(piece.size for piece in store.writes) == sent.size
    assert all(sent.contains(piece) for piece in store.writes)


def test_an_aligned_write_reads_nothing() -> None:
    store = WatchedStore(np.zeros((1, 64, 70), np.uint8), (32, 32))
    store.write(Box((0, 32, 32), (1, 64, 70)), noise((1, 32, 38)))
    assert (store.reads, store.writes) == ([], [Box((0, 32, 32), (1, 64, 70))])


def test_of_a_large_unaligned_write_only_the_border_is_read_back() -> None:
    expected = noise((1, 320, 320, 320))
    store = WatchedStore(expected.copy(order="F"), (32, 32, 32))
    box, voxels = Box((0, 1, 0, 0), (1, 320, 320, 300)), noise((1, 319, 320, 300), seed=1)
    store.write(box, voxels)
    expected[box.slices_from((0,) * 4)] = voxels
    np.testing.assert_array_equal(store.read(store.metadata.bounds), expected)
    inner = Box((0, 32, 0, 0), (1, 320, 320, 288))
    assert not any(inner.intersection(piece) for piece in store.reads[:-1])


def test_a_failed_read_says_which_boxes_did_not_arrive() -> None:
    store = WatchedStore(noise((1, 8, 4)), (4, 4), max_read_bytes=8)
    store.fails_at = 3
    with pytest.raises(StoreError) as raised:
        store.read(Box((0, 0, 0), (1, 8, 4)))
    assert raised.value.remaining == (Box((0, 0, 2), (1, 8, 3)), Box((0, 0, 3), (1, 8, 4)))


def test_a_failed_write_says_which_boxes_are_not_stored() -> None:
    store = WatchedStore(noise((1, 8, 8)), (4, 4), max_write_bytes=16)
    store.fails_at = 4
    with pytest.raises(StoreError) as raised:
        store.write(Box((0, 0, 0), (1, 8, 8)), noise((1, 8, 8)))
    assert raised.value.remaining == (Box((0, 4, 4), (1, 8, 8)),)


@pytest.mark.parametrize(
    ("lossy", "merges", "why"),
    [
        (True, True, "what is read from this store is not what is stored, so nothing can be merged"),
        (False, False, "blocks are not merged here"),
    ],
)
def test_nothing_is_sent_where_blocks_cannot_be_merged(lossy: bool, merges: bool, why: str) -> None:
    store = WatchedStore(noise((1, 8, 8)), (4, 4), lossy=lossy)
    with pytest.raises(AlignmentError, match=why):
        store.write(Box((0, 1, 0), (1, 8, 8)), noise((1, 7, 8)), merges=merges)
    assert (store.reads, store.writes) == ([], [])


def test_whole_blocks_are_sent_to_a_lossy_store() -> None:
    store = WatchedStore(noise((1, 8, 8)), (4, 4), lossy=True)
    assert store.write(Box((0, 4, 0), (1, 8, 8)), noise((1, 4, 8))) == Box((0, 4, 0), (1, 8, 8))
