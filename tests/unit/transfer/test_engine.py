"""Transfers: pieces, caps and merged borders against a store in memory that lists what it is asked for."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keys import keys, not_growing
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box, RetryPolicy
from pyvolume.calls.call import Call
from pyvolume.errors import AlignmentError, StoreError
from pyvolume.indexing.selection import Selection
from pyvolume.transfer.engine import Operation, Transfer
from pyvolume.transfer.grid import aligned
from pyvolume.transfer.known import Known
from pyvolume.volume import transfer_of

EXAMPLES = settings(max_examples=100)


def noise(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def read(store: WatchedStore, box: Box) -> NDArray[Any]:
    return store.volume().get_ndarray(box.start, box.stop)


def write(store: WatchedStore, box: Box, voxels: NDArray[Any], *, merges: bool = True) -> None:
    operation = Operation(Call(RetryPolicy(patience=0)))
    transfer = Transfer(store, Known(store.metadata), partial_blocks="merge" if merges else "raise")
    transfer.post(box, voxels, operation)


@st.composite
def stores(draw: st.DrawFn, *, one_grid: bool = False) -> tuple[WatchedStore, NDArray[Any]]:
    """Draw a store with a grid and caps of a few voxels, and the array in it."""
    shape = (draw(st.integers(1, 3)), *(draw(st.integers(1, 9)) for _ in range(draw(st.integers(1, 3)))))
    write_grid = tuple(draw(st.integers(1, 4)) for _ in shape)
    read_grid = (1,) * len(shape) if one_grid else tuple(draw(st.integers(1, 4)) for _ in shape)
    array = noise(shape)
    store = WatchedStore(
        array,
        write_grid[1:],
        read_grid=read_grid,
        write_grid=write_grid,
        max_read_bytes=draw(st.integers(int(np.prod(write_grid)) if one_grid else 1, 300)),
        max_write_bytes=draw(st.integers(1, 200)),
        preferred_concurrency=draw(st.sampled_from([1, 1, 2, 8])),
    )
    return store, array


@st.composite
def cases(draw: st.DrawFn) -> tuple[WatchedStore, NDArray[Any], Box]:
    """Draw a store, the array in it, and a box of it."""
    store, array = draw(stores())
    start = tuple(draw(st.integers(0, n - 1)) for n in array.shape)
    stop = tuple(draw(st.integers(low + 1, n)) for low, n in zip(start, array.shape, strict=True))
    return store, array, Box(start, stop)


@EXAMPLES
@given(cases())
def test_a_box_is_read_through_any_grid_and_cap(case: tuple[WatchedStore, NDArray[Any], Box]) -> None:
    store, array, box = case
    np.testing.assert_array_equal(read(store, box), array[box.slices_from((0,) * array.ndim)], strict=True)


@EXAMPLES
@given(cases(), st.sampled_from(["F", "C", "strided"]))
def test_memory_at_hand_is_filled_whatever_its_order(case: tuple[WatchedStore, NDArray[Any], Box], order: Any) -> None:
    store, array, box = case
    larger = np.zeros((*box.shape, 2), np.uint8, order="F" if order == "strided" else order)
    out = larger[..., 0] if order == "strided" else np.zeros(box.shape, np.uint8, order=order)
    store.volume().get_ndarray(box.start, box.stop, out)
    np.testing.assert_array_equal(out, array[box.slices_from((0,) * array.ndim)])
    assert not larger[..., 1].any()


@EXAMPLES
@given(cases())
def test_a_box_is_written_through_any_grid_and_cap(case: tuple[WatchedStore, NDArray[Any], Box]) -> None:
    store, array, box = case
    voxels = noise(box.shape, seed=1)
    write(store, box, voxels)
    array[box.slices_from((0,) * array.ndim)] = voxels
    np.testing.assert_array_equal(store.stored(), array)


@EXAMPLES
@given(cases())
def test_a_write_sends_the_whole_blocks_around_a_box_once(case: tuple[WatchedStore, NDArray[Any], Box]) -> None:
    store, _, box = case
    write(store, box, noise(box.shape, seed=1))
    sent = aligned(box, store.traits.write_grid, store.traits, store.metadata.bounds)
    assert sum(piece.size for piece in store.writes) == sent.size
    assert all(sent.contains(piece) for piece in store.writes)


@EXAMPLES
@given(st.data())
def test_any_key_is_read_through_any_grid_and_cap(data: st.DataObject) -> None:
    store, array = data.draw(stores())
    key = data.draw(keys(array.shape))
    np.testing.assert_array_equal(store.volume()[key], array[key], strict=True)


@EXAMPLES
@given(st.data())
def test_any_key_is_written_through_any_grid_and_cap(data: st.DataObject) -> None:
    store, array = data.draw(stores())
    key = not_growing(data.draw(keys(array.shape)), array.shape)
    values = noise(array[key].shape, seed=1)
    store.volume()[key] = values
    array[key] = values
    np.testing.assert_array_equal(store.stored(), array)


def in_any_order(requests: Sequence[tuple[str, Box]]) -> list[tuple[str, str]]:
    return sorted((method, str(box)) for method, box in requests)


@EXAMPLES
@given(st.data(), st.booleans())
def test_the_plan_is_what_the_store_is_asked_for(data: st.DataObject, is_write: bool) -> None:
    store, array = data.draw(stores(one_grid=True))
    key, volume = not_growing(data.draw(keys(array.shape)), array.shape), store.volume()
    plan = volume.plan(key, write=is_write)
    assert store.asked == []
    if is_write:
        volume[key] = 1
    else:
        volume[key]
    planned = [(request.action, request.box) for request in plan]
    assert in_any_order(store.asked) == in_any_order(planned)
    if plan.concurrency == 1:
        assert store.asked == planned


@pytest.mark.parametrize(
    "key", [np.s_[:, ::2], np.s_[:, 3:60:7, ::-1], np.s_[0, np.arange(64) % 3 == 0], np.s_[:, [5, 60], [9, 1]]], ids=str
)
@pytest.mark.parametrize("is_write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_plan_of_a_step_or_a_mask_is_what_the_store_is_asked_for(
    key: Any, is_write: bool, concurrency: int
) -> None:
    store = WatchedStore(
        noise((1, 64, 64, 64)),
        (16, 16, 16),
        max_read_bytes=20_000,
        max_write_bytes=20_000,
        preferred_concurrency=concurrency,
    )
    plan = store.volume().plan(key, write=is_write)
    if is_write:
        store.volume()[key] = 1
    else:
        store.volume()[key]
    assert len(plan) > 1
    assert in_any_order(store.asked) == in_any_order([(request.action, request.box) for request in plan])


def test_an_aligned_write_reads_nothing() -> None:
    store = WatchedStore(np.zeros((1, 64, 70), np.uint8), (32, 32))
    write(store, Box((0, 32, 32), (1, 64, 70)), noise((1, 32, 38)))
    assert store.asked == [("write", Box((0, 32, 32), (1, 64, 70)))]


def test_of_a_large_unaligned_write_only_the_border_is_read_back() -> None:
    expected = noise((1, 320, 320, 320))
    store = WatchedStore(expected, (32, 32, 32))
    box, voxels = Box((0, 1, 0, 0), (1, 320, 320, 300)), noise((1, 319, 320, 300), seed=1)
    write(store, box, voxels)
    expected[box.slices_from((0,) * 4)] = voxels
    np.testing.assert_array_equal(store.stored(), expected)
    inner = Box((0, 32, 0, 0), (1, 320, 320, 288))
    assert not any(inner.intersection(piece) for piece in store.reads)


def failing(store: WatchedStore, number: int) -> WatchedStore:
    """Let a request fail; the first has the number 1."""

    def fail(method: str, box: Box) -> None:
        if len(store.asked) == number:
            raise StoreError("the line broke")

    store.before = fail
    return store


def test_a_failed_read_says_which_boxes_did_not_arrive() -> None:
    store = failing(WatchedStore(noise((1, 8, 4)), (4, 4), max_read_bytes=8), 3)
    with pytest.raises(StoreError) as raised:
        read(store, Box((0, 0, 0), (1, 8, 4)))
    assert tuple(raised.value.remaining) == (Box((0, 4, 0), (1, 8, 2)), Box((0, 4, 2), (1, 8, 4)))


def test_a_failed_write_says_which_boxes_are_not_stored() -> None:
    store = failing(WatchedStore(noise((1, 8, 8)), (4, 4), max_write_bytes=16), 4)
    with pytest.raises(StoreError) as raised:
        write(store, Box((0, 0, 0), (1, 8, 8)), noise((1, 8, 8)))
    assert tuple(raised.value.remaining) == (Box((0, 4, 4), (1, 8, 8)),)


def test_a_failed_merge_says_which_boxes_are_not_stored() -> None:
    store = failing(WatchedStore(noise((1, 8, 8)), (4, 4), max_write_bytes=16), 3)
    with pytest.raises(StoreError) as raised:
        store.volume()[:, ::2, :4] = 1
    assert tuple(raised.value.remaining) == (Box((0, 4, 0), (1, 8, 4)),)


@pytest.mark.parametrize(
    ("faithful", "merges", "why"),
    [
        (False, True, "what is read from this store is not what is stored, so nothing can be merged"),
        (True, False, "blocks are not merged here"),
    ],
)
def test_nothing_is_sent_where_blocks_cannot_be_merged(faithful: bool, merges: bool, why: str) -> None:
    store = WatchedStore(noise((1, 8, 8)), (4, 4), faithful=faithful)
    with pytest.raises(AlignmentError, match=why):
        write(store, Box((0, 1, 0), (1, 8, 8)), noise((1, 7, 8)), merges=merges)
    assert store.asked == []


def test_whole_blocks_are_sent_to_a_lossy_store() -> None:
    store = WatchedStore(noise((1, 8, 8)), (4, 4), faithful=False)
    write(store, Box((0, 4, 0), (1, 8, 8)), noise((1, 4, 8)))
    assert store.writes == [Box((0, 4, 0), (1, 8, 8))]


def test_a_copy_in_the_process_keeps_the_callback_and_has_voxels_of_its_own() -> None:
    def noted(_wait: object) -> None:
        raise AssertionError

    volume = pyvolume.from_array(np.zeros((1, 2, 3, 4), "uint8"))
    transfer = dataclasses.replace(transfer_of(volume, "copy"), retry=RetryPolicy(on_wait=noted))
    other = copy.deepcopy(transfer)
    everything = Selection.for_writing(..., (1, 2, 3, 4), (False,) * 4)
    other.write(everything, 5, other.operation())
    assert (int(volume[...].max()), other.retry.on_wait) == (0, noted)
