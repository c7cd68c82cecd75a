"""What every store does with whole boxes: growth, coordinates, dtypes, merging, errors."""

from __future__ import annotations

import dataclasses
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from conformance_stores import Backend, ramp, travelling

import pyvolume
from pyvolume.errors import AlignmentError, SelectionError, UnsupportedError, VoxelsMismatchError
from pyvolume.transfer import plan

SHAPE = (1, 48, 32, 64)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [("uint8", 1), ("uint8", 4), ("uint16", 1), ("uint32", 1), ("uint64", 1), ("float32", 1)],
)
def test_what_is_written_is_read_back(readable: Backend, dtype: str, channels: int) -> None:
    array = ramp((channels, 33, 20, 17), dtype)
    volume = readable.new(array)
    same(volume[:, :33, :20, :17], array)


@pytest.mark.parametrize("order", ["F", "C"])
def test_the_memory_order_of_the_source_does_not_matter(readable: Backend, order: Any) -> None:
    array = np.array(ramp(SHAPE, "uint16"), order=order)
    same(readable.new(array)[...], array)


def test_a_view_of_a_larger_array_is_written(readable: Backend) -> None:
    array = ramp((1, 96, 64, 64))[:, ::2, ::-2]
    same(readable.new(array)[...], array)


def test_coordinates_are_literal_on_both_sides_of_zero(growing: Backend) -> None:
    volume = growing.new(ramp(SHAPE))
    array = ramp((1, 32, 16, 48), seed=3)
    volume.post_ndarray((0, -32, 16, -48), (1, 0, 32, 0), array)
    same(volume.absolute[:, -32:0, 16:32, -48:0], array)
    assert volume.minindex == (0, -32, 0, -48)


def test_what_is_not_stored_reads_as_zeros(growing: Backend) -> None:
    array = ramp(SHAPE)
    expected = np.zeros((1, 60, 40, 70), "uint8")
    expected[:, 5:53, 4:36, 3:67] = array
    same(growing.new(array).get_ndarray((0, -5, -4, -3), (1, 55, 36, 67)), expected)


def test_an_unaligned_box_leaves_its_neighbours_alone(backend: Backend) -> None:
    expected = ramp(SHAPE)
    volume = backend.new(expected)
    values = ramp((1, 30, 20, 41), seed=5)
    volume.post_ndarray((0, 3, 7, 11), (1, 33, 27, 52), values)
    expected[:, 3:33, 7:27, 11:52] = values
    same(volume[...], expected)


def test_one_channel_leaves_the_others_alone(backend: Backend) -> None:
    expected = ramp((4, 32, 16, 16))
    volume = backend.new(expected)
    volume[2, 5:20] = 9
    expected[2, 5:20] = 9
    same(volume[...], expected)


def test_one_channel_is_read(readable: Backend) -> None:
    array = ramp((4, 32, 16, 16))
    same(readable.new(array)[1:3, 3:9], array[1:3, 3:9])


def test_borders_of_a_large_box_are_merged_around_whole_blocks(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MERGE_WHOLE_BYTES", 1 << 16)
    expected = ramp((1, 80, 80, 80))
    volume = backend.new(expected)
    values = ramp((1, 72, 63, 55), seed=6)
    volume[:, 5:77, 16:79, 25:80] = values
    expected[:, 5:77, 16:79, 25:80] = values
    same(volume[...], expected)


def test_a_box_over_the_cap_is_read_in_pieces(readable: Backend) -> None:
    array = ramp(SHAPE, "uint16")
    volume = readable.new(array)
    set_caps(volume, 10_000)
    same(volume[:, 1:47, 2:31, 3:63], array[:, 1:47, 2:31, 3:63])


def test_a_box_over_the_cap_is_written_in_pieces(backend: Backend) -> None:
    expected = ramp(SHAPE, "uint16")
    volume = backend.new(expected)
    set_caps(volume, 10_000)
    values = ramp((1, 46, 29, 60), "uint16", seed=8)
    volume[:, 1:47, 2:31, 3:63] = values
    expected[:, 1:47, 2:31, 3:63] = values
    same(volume[...], expected)


def set_caps(volume: pyvolume.Volume, most: int) -> None:
    """Let the store move so few bytes at once that every box is split."""
    store: Any = volume.store
    store.traits = dataclasses.replace(store.traits, max_read_bytes=most, max_write_bytes=most)


def test_out_is_filled_whatever_its_strides(readable: Backend) -> None:
    array = ramp(SHAPE, "uint16")
    out = np.zeros((1, 96, 64, 64), "uint16")[:, ::-2, ::2]
    result = readable.new(array).get_ndarray((0, 0, 0, 0), SHAPE, out)
    assert result is out
    same(out, array)


def test_values_are_cast_where_that_changes_none(backend: Backend) -> None:
    volume = backend.new(np.zeros(SHAPE, "uint8"))
    values = ramp(SHAPE).astype("int64")
    volume[...] = values
    same(volume[...], values.astype("uint8"))


def test_values_that_do_not_fit_are_refused_and_nothing_is_stored(backend: Backend) -> None:
    array = ramp(SHAPE)
    volume = backend.new(array)
    with pytest.raises(VoxelsMismatchError, match="300 does not fit uint8"):
        volume[...] = np.full(SHAPE, 300)
    same(volume[...], array)


def test_partial_blocks_are_refused_where_that_is_asked_for(backend: Backend) -> None:
    volume = backend.new(ramp(SHAPE))
    if set(volume.store.traits.write_grid) == {1}:
        pytest.skip("an array in a file has no blocks")
    strict = pyvolume.Volume(volume.store, volume.metadata, partial_blocks="raise")
    with pytest.raises(AlignmentError) as caught:
        strict[:, 1:40] = 3
    assert caught.value.nearest == pyvolume.Box((0, 0, 0, 0), (1, 48, 32, 64))


def test_a_volume_opened_for_reading_refuses_writes(readable: Backend) -> None:
    volume = readable.new(ramp(SHAPE))
    reader = pyvolume.Volume(volume.store, volume.metadata, mode="r")
    with pytest.raises(UnsupportedError, match="reading only"):
        reader[...] = 0


def test_a_reversed_box_is_a_selection_error(readable: Backend) -> None:
    with pytest.raises(SelectionError, match="stop is before start on axis 1: 10:5"):
        readable.new(ramp(SHAPE)).get_ndarray((0, 10, 0, 0), (1, 5, 1, 1))


def test_an_array_of_another_shape_is_refused_with_both_shapes(backend: Backend) -> None:
    with pytest.raises(VoxelsMismatchError, match=r"\(1, 16, 16, 32\).*\(1, 32, 16, 16\)"):
        backend.new(ramp(SHAPE)).post_ndarray((0, 0, 0, 0), (1, 16, 16, 32), ramp((1, 32, 16, 16)))


def test_a_pickled_volume_reads_the_same(readable: Backend) -> None:
    array = ramp(SHAPE)
    same(pickle.loads(pickle.dumps(travelling(readable.new(array))))[...], array)


def test_unaligned_writes_of_many_threads_lose_nothing(backend: Backend) -> None:
    expected = np.zeros((1, 64, 48, 16), "uint8", order="F")
    volume = backend.new(expected)
    boxes = [(x, y) for x in range(0, 64, 8) for y in range(0, 48, 12)]
    for i, (x, y) in enumerate(boxes):
        expected[:, x : x + 8, y : y + 12, 3:14] = i + 1

    def write(first: int) -> None:
        for i in range(first, len(boxes), 8):
            x, y = boxes[i]
            volume[:, x : x + 8, y : y + 12, 3:14] = i + 1

    threads = [threading.Thread(target=write, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(volume[...], expected)
