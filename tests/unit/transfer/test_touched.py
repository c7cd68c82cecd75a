"""The boxes that a selection touches: each selected voxel is in one, and nothing between far voxels is in any."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from generated_store import GeneratedStore, expected_at
from hypothesis import given, settings
from hypothesis import strategies as st
from keys import keys
from numpy.typing import NDArray
from plans import grids, on_grid, traits_of
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box
from pyvolume.indexing.selection import Selection
from pyvolume.stores.base import SKIP_BYTES
from pyvolume.transfer.grid import aligned
from pyvolume.transfer.groups import CELL_BYTES, Cells
from pyvolume.transfer.touched import TouchedBoxes

EXAMPLES = settings(max_examples=80)


@dataclasses.dataclass(frozen=True)
class Touched:
    """A selection of an array, which of its voxels numpy selects, and the boxes around those."""

    mask: Any
    grid: tuple[int, ...]
    whole: Box
    boxes: list[Box]
    itemsize: int


@st.composite
def touched_cases(draw: st.DrawFn) -> Touched:
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=4)))
    key = draw(keys(shape))
    mask = np.zeros(shape, bool)
    mask[key] = True
    grid = draw(grids(len(shape)))
    selection = Selection.for_reading(key, shape)
    itemsize = draw(st.sampled_from([1, 1 << 16, SKIP_BYTES // 4, SKIP_BYTES]))
    if not mask.any():
        return Touched(mask, grid, selection.box, [], itemsize)
    whole = aligned(selection.box, grid, traits_of(grid), Box((0,) * len(shape), shape))
    cell = tuple(side * draw(st.integers(1, 3)) for side in grid)
    most = draw(st.integers(1, 40)) * itemsize
    return Touched(mask, grid, whole, list(TouchedBoxes(selection, whole, Cells(cell, grid, itemsize, most))), itemsize)


@EXAMPLES
@given(touched_cases())
def test_what_is_touched_holds_every_selected_voxel_once(case: Touched) -> None:
    counts = np.zeros(case.mask.shape, int)
    for box in case.boxes:
        counts[box.slices_from((0,) * box.ndim)] += 1
    assert (counts <= 1).all()
    assert (counts[case.mask] == 1).all()


@EXAMPLES
@given(touched_cases())
def test_what_is_touched_lies_on_the_grid_inside_the_whole(case: Touched) -> None:
    bounds = Box((0,) * case.mask.ndim, case.mask.shape)
    assert all(case.whole.contains(box) for box in case.boxes)
    assert all(on_grid(box, case.grid, traits_of(case.grid), bounds) for box in case.boxes)


def test_large_gaps_are_left_out_and_small_ones_read() -> None:
    plane = SKIP_BYTES // 4
    selection = Selection.for_reading(np.s_[:, [0, 3, 9, 20], :], (1, 30, 4))
    whole = Box((0, 0, 0), (1, 21, 4))
    found = list(TouchedBoxes(selection, whole, Cells((1, 1, 1), (1, 1, 1), plane // 4, 1)))
    assert [(box.start[1], box.stop[1]) for box in found] == [(0, 4), (9, 10), (20, 21)]


def test_a_gap_is_not_worth_a_request_where_it_saves_little() -> None:
    selection = Selection.for_reading(np.s_[:, ::64, ::64], (1, 1000, 1000))
    whole = Box((0, 0, 0), (1, 961, 961))
    assert list(TouchedBoxes(selection, whole, Cells((1, 1, 1), (1, 1, 1), 1, 1))) == [whole]


def cells_of(box: Box, side: int) -> list[tuple[int, ...]]:
    """Return the numbers of the cells that a box touches, behind the channel."""
    spans = [range(a // side, -(-b // side)) for a, b in zip(box.start[1:], box.stop[1:], strict=True)]
    return [(x, y, z) for x in spans[0] for y in spans[1] for z in spans[2]]


def scattered(shape: tuple[int, ...], number: int, seed: int = 0) -> list[NDArray[Any]]:
    """Return index arrays of points of either sign, some of them twice."""
    draw = np.random.default_rng(seed)
    return [draw.integers(-n, n, number) for n in shape]


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("number", [1, 30, 300, 5000])
def test_each_cell_with_points_is_moved_once_and_no_other(number: int, write: bool, concurrency: int) -> None:
    voxels = np.random.default_rng(1).integers(0, 200, (1, 96, 96, 96), "uint8")
    store = WatchedStore(voxels, (8, 8, 8), preferred_concurrency=concurrency)
    xyz = scattered(voxels.shape[1:], number)
    if write:
        store.volume()[0, xyz[0], xyz[1], xyz[2]] = 255
        voxels[0, xyz[0], xyz[1], xyz[2]] = 255
        np.testing.assert_array_equal(store.stored(), voxels)
    else:
        np.testing.assert_array_equal(store.volume()[0, xyz[0], xyz[1], xyz[2]], voxels[0, xyz[0], xyz[1], xyz[2]])
    wanted = {tuple(cell) for cell in (np.stack(xyz, axis=-1) % 96 // 8).tolist()}
    for boxes_ in (store.reads, store.writes) if write else (store.reads,):
        found = [cell for box in boxes_ for cell in cells_of(box, 8)]
        assert len(found) == len(set(found))
        assert set(found) == wanted


LINE = np.arange(0, 96, 2)
MANY = scattered((96, 64, 80), 2000)
KEYS: dict[str, Any] = {
    "points": (0, *MANY),
    "and a slice": np.s_[:, MANY[0], MANY[1], 5:9],
    "and a step": np.s_[:, MANY[0], 3::7, MANY[2]],
    "and a step backwards": np.s_[:, ::-9, MANY[1], MANY[2]],
    "and a new axis": np.s_[0, MANY[0], None, MANY[1], MANY[2]],
    "in two axes": (0, *(each.reshape(40, 50) for each in MANY)),
    "broadcast": (0, MANY[0], MANY[1], 7),
    "two of one axis and an open one": (0, MANY[0][:300, None], MANY[1][:300, None], np.arange(0, 80, 11)),
    "all of one cell": (0, np.full(900, 3), np.arange(900) % 8, np.arange(900) % 5),
    "two pairs": (np.zeros(2000, int), *MANY),
}


@pytest.mark.parametrize("blocks", [(8, 8, 8), (1, 1, 1), (64, 5, 3)], ids=str)
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_many_points_are_read_as_numpy_reads_them(key: Any, blocks: tuple[int, ...]) -> None:
    voxels = np.random.default_rng(1).integers(0, 1000, (1, 96, 64, 80), "uint16")
    store = WatchedStore(voxels, blocks, preferred_concurrency=3)
    np.testing.assert_array_equal(store.volume()[key], voxels[key], strict=True)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_of_a_point_that_is_written_twice_the_last_value_stays(key: Any) -> None:
    voxels = np.zeros((1, 96, 64, 80), "int32")
    store = WatchedStore(voxels, (8, 8, 8), preferred_concurrency=3)
    # with several axes numpy's order depends on how the arrays lie in memory
    values = np.arange(voxels[key].size) if voxels[key].ndim == 1 else np.full(voxels[key].shape, 7)
    store.volume()[key] = values
    voxels[key] = values
    np.testing.assert_array_equal(store.stored(), voxels)


def test_a_thin_mask_is_read_as_points() -> None:
    voxels = np.random.default_rng(1).integers(0, 200, (1, 96, 96, 96), "uint8")
    mask = np.zeros(voxels.shape, bool)
    mask[0][tuple(scattered((96, 96, 96), 50))] = True
    store = WatchedStore(voxels, (8, 8, 8))
    np.testing.assert_array_equal(store.volume()[mask], voxels[mask], strict=True)
    found = {cell for box in store.reads for cell in cells_of(box, 8)}
    assert found == {tuple(cell) for cell in (np.argwhere(mask[0]) // 8).tolist()}


@pytest.mark.parametrize("side", [512, 20_000, 1 << 40])
def test_points_of_a_large_volume_move_little_more_than_they_are(side: int) -> None:
    points = np.random.default_rng(0).integers(0, side, (3, 1000))
    points[:, :4] = [[0, 0, side - 1, side - 1], [0, side - 1, 0, side - 1], [0, 0, 0, side - 1]]
    store = GeneratedStore(4, side)
    np.testing.assert_array_equal(store.volume()[0, *points], expected_at(*points))
    assert len(store.asked) <= 1000
    cells = len(np.unique(points // 64, axis=1).T)
    assert sum(box.size for _, box in store.asked) <= cells * 64**3


def test_neighbours_are_fetched_together_up_to_the_size_of_a_piece() -> None:
    starts = np.arange(0, 8192, 64)
    x, across = np.concatenate([starts, starts + 63]), np.repeat([0, 63], starts.size)
    store = GeneratedStore(1, 8192)
    store.volume()[0, x, across, across]
    assert [box.size for _, box in store.asked] == [store.traits.piece_bytes[0]] * 2


def test_neighbours_are_fetched_apart_where_that_saves_a_mebibyte_for_each() -> None:
    volume = pyvolume.from_array(np.broadcast_to(np.float64(0), (1, 512, 256, 256)), block_shape=(256, 256, 256))
    key = (0, np.array([0, 0, 511]), np.array([0, 1, 255]), np.array([0, 1, 255]))
    assert [request.box.shape for request in volume.plan(key)] == [(1, 1, 2, 2), (1, 1, 1, 1)]


def test_a_store_without_blocks_is_read_in_cubes() -> None:
    points = np.random.default_rng(0).integers(0, 1 << 20, (3, 500))
    points = np.concatenate([points, points + 1], axis=1)
    volume = pyvolume.from_array(np.broadcast_to(np.uint8(0), (1, *(1 + (1 << 20),) * 3)))
    sizes = [request.nbytes for request in volume.plan((0, *points))]
    assert len(sizes) < 600
    assert max(sizes) <= CELL_BYTES
