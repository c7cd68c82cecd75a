"""Boxes that share no block: they cover what they are cut from, and each can have a writer of its own."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box
from pyvolume.errors import SelectionError

SHAPE = (2, 100, 64, 33)
BOXES = [
    None,
    Box((0, 0, 0, 0), SHAPE),
    Box((0, 3, 5, 7), (2, 99, 60, 21)),
    Box((0, 16, 16, 16), (2, 32, 32, 32)),
    Box((0, 4, 4, 4), (2, 5, 5, 5)),
]
SHAPES: list[tuple[int, ...] | None] = [None, (1, 1, 1, 1), (2, 16, 16, 16), (2, 40, 64, 17), (9, 999, 999, 999)]


def new(**options: Any) -> WatchedStore:
    return WatchedStore(np.zeros(SHAPE, "uint8"), (16, 16, 16), **options)


def cells_of(box: Box, grid: tuple[int, ...]) -> set[tuple[int, ...]]:
    sides = zip(box.start, box.stop, grid, strict=True)
    return set(itertools.product(*(range(a // cell, -(-b // cell)) for a, b, cell in sides)))


@pytest.mark.parametrize("piece", [1, 10_000, 16 << 20])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("box", BOXES)
def test_each_block_is_in_one_box(box: Box | None, shape: tuple[int, ...] | None, piece: int) -> None:
    store = new(piece_bytes=(piece, 64 << 20))
    volume, counted, seen = store.volume(), np.zeros(SHAPE, int), set[tuple[int, ...]]()
    for each in volume.blocks(box, shape):
        counted[each.slices_from((0,) * 4)] += 1
        cells = cells_of(each, store.traits.write_grid)
        assert not seen & cells
        seen |= cells
    expected = np.zeros(SHAPE, int)
    expected[(box or volume.bounds).slices_from((0,) * 4)] = 1
    np.testing.assert_array_equal(counted, expected)
    assert store.asked == []


@pytest.mark.parametrize("start", [-20, 0, 7])
def test_negative_coordinates_lie_on_the_same_blocks(start: int) -> None:
    volume = new(growable=True).volume()
    boxes = list(volume.blocks(((0, start, 0, 0), (2, start + 40, 16, 16)), (2, 16, 16, 16)))
    assert {x for box in boxes for x in (box.start[1], box.stop[1])} - {start, start + 40} <= set(range(-16, 64, 16))


def test_a_shape_is_rounded_up_to_whole_blocks() -> None:
    assert [box.shape for box in new().volume().blocks(shape=(2, 17, 64, 48))] == [(2, 32, 64, 33)] * 3 + [
        (2, 4, 64, 33)
    ]


def test_boxes_of_no_shape_have_a_good_size() -> None:
    volume = new(piece_bytes=(64 * 1024, 64 << 20)).volume()
    sizes = [box.size for box in volume.blocks()]
    assert max(sizes) <= 64 * 1024
    assert len(sizes) < 15


def test_an_empty_box_has_none() -> None:
    volume = new().volume()
    empty = Box((0, 5, 5, 5), (2, 5, 9, 9))
    assert [*volume.blocks(empty), *volume.blocks(empty, (1, 16, 16, 16))] == []


@pytest.mark.parametrize("shape", [(16, 16, 16), (1, 16, 16, 0), (1, -1, 1, 1), (1, 1.5, 1, 1), 16, "abcd"])
def test_a_bad_shape_is_refused_at_once(shape: Any) -> None:
    with pytest.raises(SelectionError):
        new().volume().blocks(shape=shape)


@pytest.mark.parametrize("box", [((0, 0), (1, 1)), 5, ((0, 5, 0, 0), (1, 4, 1, 1))])
def test_a_bad_box_is_refused_at_once(box: Any) -> None:
    with pytest.raises(SelectionError):
        new().volume().blocks(box)


def test_a_store_of_single_voxels_is_cut_as_asked() -> None:
    volume = pyvolume.from_array(np.zeros((1, 10, 10, 10), "uint8"))
    assert [box.shape for box in volume.blocks(shape=(1, 10, 10, 4))] == [
        (1, 10, 10, 4),
        (1, 10, 10, 4),
        (1, 10, 10, 2),
    ]


class TestDask:
    da: Any

    @pytest.fixture(autouse=True)
    def imported(self) -> None:
        self.da = pytest.importorskip("dask.array", reason="dask comes with the extra 'test'")

    @pytest.mark.parametrize("chunks", ["auto", "40 KiB", None])
    def test_its_chunks_are_whole_blocks(self, chunks: str | None) -> None:
        volume = new().volume()
        array = self.da.from_array(volume, chunks=volume.chunks if chunks is None else chunks)
        for sizes, cell in zip(array.chunks, volume.chunks, strict=True):
            assert all(size % cell == 0 for size in sizes[:-1])

    def test_it_stores_without_a_merge(self) -> None:
        store = new()
        volume = store.volume()
        values = np.arange(np.prod(SHAPE), dtype="uint32").astype("uint8").reshape(SHAPE)
        self.da.store(self.da.from_array(values, chunks=volume.chunks), volume, lock=False)
        assert store.reads == []
        np.testing.assert_array_equal(store.stored(), values)
