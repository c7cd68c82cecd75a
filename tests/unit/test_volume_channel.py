"""One channel of a volume is the array without the channel axis: numpy is the oracle."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keys import is_decided, keys, not_growing

import pyvolume
from mockserver import MockServer
from pyvolume import Box
from pyvolume.errors import SelectionError, VoxelsMismatchError

SHAPE = (3, 9, 8, 7)


def volume_of(*, growable: bool = False) -> pyvolume.Volume:
    return pyvolume.from_array(ramp(SHAPE), block_shape=(4, 4, 4), growable=growable)


@settings(max_examples=100)
@given(keys(SHAPE[1:]))
def test_a_read_is_that_of_the_array_without_channel(key: Any) -> None:
    np.testing.assert_array_equal(volume_of().channel(1)[key], ramp(SHAPE)[1][key], strict=True)


@settings(max_examples=100)
@given(st.data())
def test_an_assignment_is_that_to_the_array_without_channel(data: st.DataObject) -> None:
    key = not_growing(data.draw(keys(SHAPE[1:])), SHAPE[1:])
    expected, volume = ramp(SHAPE), volume_of()
    target = expected[1][key].shape
    assume(np.prod(target))
    values = ramp(tuple(data.draw(st.sampled_from([n, 1])) for n in target[data.draw(st.integers(0, len(target))) :]))
    assume(is_decided(key, SHAPE[1:], values))
    expected[1][key] = values
    volume.channel(1)[key] = values
    np.testing.assert_array_equal(volume[...], expected)


@pytest.mark.parametrize("number", [2, -1, np.uint8(2)])
def test_it_says_of_itself_what_the_volume_says_behind_the_channel(number: int) -> None:
    volume = volume_of()
    channel = volume.channel(number)
    assert (channel.number, channel.shape, channel.ndim, channel.size) == (2, (9, 8, 7), 3, 504)
    assert channel.dtype == np.uint8
    assert (channel.dims, channel.bounds, channel.chunks) == (("x", "y", "z"), Box((0, 0, 0), (9, 8, 7)), (4, 4, 4))
    assert (channel.resolution, channel.units) == (volume.resolution, volume.units)
    assert repr(volume) in repr(channel)


@pytest.mark.parametrize("key", [5, np.s_[5, 6, 7], np.s_[[0, 5]], np.s_[-4]], ids=repr)
def test_a_forgotten_channel_is_named(key: Any) -> None:
    with pytest.raises(SelectionError, match="channel"):
        volume_of()[key]
    with pytest.raises(SelectionError, match="channel"):
        volume_of().plan(key)


@pytest.mark.parametrize(
    ("source", "key"), [(volume_of(), np.s_[0, 9]), (volume_of().channel(0), np.s_[9])], ids=["volume", "channel"]
)
def test_another_axis_is_not_called_the_channel(source: Any, key: Any) -> None:
    with pytest.raises(SelectionError) as caught:
        source[key]
    assert "channel" not in str(caught.value)


@pytest.mark.parametrize("number", [3, -4])
def test_a_channel_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(SelectionError, match="0 to 2"):
        volume_of().channel(number)


def test_boxes_and_absolute_coordinates_have_no_channel() -> None:
    array, volume = ramp(SHAPE), volume_of(growable=True)
    channel, box = volume.channel(1), Box((2, 3, 1), (6, 8, 4))
    inside = box.slices_from((0, 0, 0))
    np.testing.assert_array_equal(channel.read(box), array[1][inside], strict=True)
    out = np.zeros(box.shape, "uint8")
    assert channel.read(box, out) is out
    np.testing.assert_array_equal(out, array[1][inside])
    channel.write((box.start, box.stop), np.full(box.shape, 9, "uint8"))
    array[1][inside] = 9
    channel.absolute[-4:0, 0, 0] = [1, 2, 3, 4]
    np.testing.assert_array_equal(volume[...], array)
    assert channel.absolute[-4:2, 0, 0].tolist() == [1, 2, 3, 4, *array[1, :2, 0, 0]]
    with pytest.raises(SelectionError, match="axes"):
        channel.read(Box((0, 0, 0, 0), (1, 1, 1, 1)))


def test_a_volume_grows_by_a_write_to_a_channel() -> None:
    volume = volume_of(growable=True)
    channel = volume.channel(0)
    channel[9:12, 0, 0] = 5
    assert channel.shape == (12, 8, 7)
    assert volume[:, 9:12, 0, 0].tolist() == [[5] * 3, [0] * 3, [0] * 3]


def test_refusals_name_the_axes_of_the_channel() -> None:
    channel = volume_of().channel(0)
    with pytest.raises(SelectionError, match=r"axis 0 \('x'\) with size 9"):
        channel[0:10] = 1
    with pytest.raises(SelectionError, match="axis 2 with size 7"):
        channel[0, 0, 7]
    with pytest.raises(VoxelsMismatchError, match="300"):
        channel[0, 0, 0] = 300
    with pytest.raises(TypeError, match="channel"):
        channel == 3  # noqa: B015
    with pytest.raises(TypeError, match="iterable"):
        iter(channel)


def test_it_is_an_array_to_numpy() -> None:
    channel = volume_of().channel(1)
    np.testing.assert_array_equal(np.asarray(channel), ramp(SHAPE)[1])
    assert np.asarray(channel, "float32").dtype == np.float32
    assert np.sum(channel) == ramp(SHAPE)[1].sum()
    with pytest.raises(ValueError, match="copy"):
        np.array(channel, copy=False)


def test_channels_are_equal_as_their_volumes_are() -> None:
    array = ramp((4, 8, 8, 8))
    with MockServer({"rgba": array}) as server:
        volume, same = (pyvolume.open(f"dvid://{server.url}/:master/rgba", mode="r+") for _ in range(2))
        assert volume.channel(1) == same.channel(1) != volume.channel(2)
        assert len({volume.channel(1), same.channel(1)}) == 1
        assert (volume.channel(1) == "rgba") is False
        volume.channel(1)[2:5, 3] = 7
        array[1, 2:5, 3] = 7
        copied = pickle.loads(pickle.dumps(same.channel(1)))
        np.testing.assert_array_equal(copied[...], array[1])
        np.testing.assert_array_equal(volume[...], array)
