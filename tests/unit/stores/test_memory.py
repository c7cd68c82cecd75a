"""A numpy array as a store: growth, zeros outside, whose memory it is."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box, RetryPolicy
from pyvolume.calls.call import Call
from pyvolume.stores.base import VoxelStore


def store_of(array: NDArray[Any], *, growable: bool = False, block_shape: tuple[int, ...] | None = None) -> VoxelStore:
    dims = "cxyzt"[: array.ndim]
    return pyvolume.from_array(array, dims, growable=growable, block_shape=block_shape).store


def call() -> Call:
    return Call(RetryPolicy())


def read(store: VoxelStore, box: Box) -> NDArray[Any]:
    out = np.full(box.shape, 99, np.int16, order="F")
    store.read_box(box, out, call())
    return out


def ramp(*shape: int) -> NDArray[np.int16]:
    return np.arange(1, np.prod(shape) + 1, dtype=np.int16).reshape(shape)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Draw boxes of two channels somewhere around the origin."""
    start = (draw(st.integers(-8, 8)), draw(st.integers(-8, 8)))
    return Box((0, *start), (2, *(low + draw(st.integers(1, 6)) for low in start)))


@given(st.lists(boxes(), max_size=4), boxes())
def test_a_growing_store_keeps_what_is_written_and_gives_zeros_elsewhere(writes: list[Box], wanted: Box) -> None:
    array = ramp(2, 3, 4)
    store = store_of(array.copy(), growable=True)
    plane = np.zeros((2, 40, 40), np.int16)
    plane[:, 20:23, 20:24] = array
    for i, box in enumerate(writes):
        voxels = ramp(*box.shape) + 100 * i
        store.write_box(box, voxels, call())
        plane[box.slices_from((0, -20, -20))] = voxels
    np.testing.assert_array_equal(read(store, wanted), plane[wanted.slices_from((0, -20, -20))])


@given(st.lists(boxes(), min_size=1, max_size=4))
def test_bounds_become_the_smallest_box_around_all_writes(writes: list[Box]) -> None:
    store = store_of(ramp(2, 3, 4), growable=True)
    for box in writes:
        store.write_box(box, np.ones(box.shape, np.int16), call())
    covered = [Box((0, 0, 0), (2, 3, 4)), *writes]
    expected = Box(
        tuple(map(min, zip(*(box.start for box in covered), strict=True))),
        tuple(map(max, zip(*(box.stop for box in covered), strict=True))),
    )
    assert store.read_metadata(call()).bounds == expected


@pytest.mark.parametrize("shape", [(3, 0, 0), (3, 0, 50), (3, 2, 0)])
def test_the_bounds_of_an_empty_store_become_those_of_the_first_write(shape: tuple[int, ...]) -> None:
    store = store_of(np.zeros(shape, np.int16), growable=True)
    store.write_box(Box((0, -4, 10), (3, -1, 12)), np.ones((3, 3, 2), np.int16), call())
    assert store.read_metadata(call()).bounds == Box((0, -4, 10), (3, -1, 12))


def test_an_empty_store_has_all_its_channels_after_the_first_write() -> None:
    store = store_of(np.zeros((3, 0, 0), np.int16), growable=True)
    store.write_box(Box((1, 0, 0), (2, 4, 4)), np.ones((1, 4, 4), np.int16), call())
    assert store.read_metadata(call()).bounds == Box((0, 0, 0), (3, 4, 4))


def test_the_channel_axis_stays_when_another_grows() -> None:
    store = store_of(ramp(3, 2, 2), growable=True)
    store.write_box(Box((1, 5, 5), (2, 6, 6)), np.ones((1, 1, 1), np.int16), call())
    assert store.read_metadata(call()).bounds == Box((0, 0, 0), (3, 6, 6))


def test_a_write_inside_reaches_the_users_array() -> None:
    array = ramp(1, 3, 4)
    store_of(array).write_box(Box((0, 1, 1), (1, 2, 3)), np.full((1, 1, 2), -5), call())
    assert array[0].tolist() == [[1, 2, 3, 4], [5, -5, -5, 8], [9, 10, 11, 12]]


def test_a_store_that_cannot_have_the_memory_to_grow_stays_as_it_is() -> None:
    store = store_of(ramp(1, 3, 4), growable=True)
    with pytest.raises((ValueError, MemoryError)):
        store.write_box(Box((0, 0, 2**61), (1, 1, 2**61 + 1)), np.ones((1, 1, 1), np.int16), call())
    np.testing.assert_array_equal(read(store, Box((0, 0, 0), (1, 3, 4))), ramp(1, 3, 4))


def test_growth_leaves_the_users_array_alone() -> None:
    array = ramp(1, 3, 4)
    store_of(array, growable=True).write_box(Box((0, 2, 2), (1, 5, 6)), np.zeros((1, 3, 4)), call())
    np.testing.assert_array_equal(array, ramp(1, 3, 4))


def test_what_is_read_is_a_copy() -> None:
    array = ramp(1, 3, 4)
    read(store_of(array), Box((0, 0, 0), (1, 3, 4)))[...] = 0
    np.testing.assert_array_equal(array, ramp(1, 3, 4))


def test_a_store_of_a_read_only_array_is_not_writable() -> None:
    array = ramp(1, 3, 4)
    array.flags.writeable = False
    assert not store_of(array).traits.writable


@pytest.mark.parametrize(("growable", "fill", "axes"), [(False, None, (False,) * 3), (True, 0, (False, True, True))])
def test_only_a_growable_store_has_zeros_outside(growable: bool, fill: float | None, axes: tuple[bool, ...]) -> None:
    traits = store_of(ramp(1, 3, 4), growable=growable).traits
    assert (traits.fill, traits.growable) == (fill, axes)


def test_blocks_are_the_grid_of_writes_only() -> None:
    traits = store_of(ramp(1, 8, 8), block_shape=(4, 2)).traits
    assert (traits.write_grid, traits.read_grid) == ((1, 4, 2), (1, 1, 1))


def test_a_pickled_store_brings_its_voxels_and_its_bounds() -> None:
    store = store_of(ramp(1, 3, 4), growable=True)
    store.write_box(Box((0, -1, 0), (1, 0, 4)), np.full((1, 1, 4), 7), call())
    copy: VoxelStore = pickle.loads(pickle.dumps(store))
    box = copy.read_metadata(call()).bounds
    np.testing.assert_array_equal(read(copy, box), np.concatenate([np.full((1, 1, 4), 7), ramp(1, 3, 4)], axis=1))


def test_a_pickled_store_is_another_store() -> None:
    array = ramp(1, 3, 4)
    copy: VoxelStore = pickle.loads(pickle.dumps(store_of(array)))
    copy.write_box(Box((0, 0, 0), (1, 1, 1)), np.zeros((1, 1, 1)), call())
    assert array[0, 0, 0] == 1


def test_every_store_has_an_address_of_its_own() -> None:
    store = store_of(ramp(1, 3, 4))
    copy: VoxelStore = pickle.loads(pickle.dumps(store))
    assert store.address != copy.address
