"""Keys listed and drawn: numpy on the same array is the oracle."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from conformance_stores import Backend, ramp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keys import is_decided, keys, not_growing
from numpy.typing import NDArray

import pyvolume
from pyvolume import aio

SHAPE = (1, 32, 16, 48)


def settings_for(backend: Backend) -> settings:
    return settings(max_examples=backend.examples, suppress_health_check=list(HealthCheck), database=None)


@pytest.fixture(scope="module")
def filled(readable: Backend) -> tuple[pyvolume.Volume, NDArray[Any]]:
    """Give a volume that is only read, and the array in it."""
    array = ramp(SHAPE)
    return readable.new(array), array


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def test_reads_drawn_keys_as_numpy_does(readable: Backend, filled: tuple[pyvolume.Volume, NDArray[Any]]) -> None:
    volume, array = filled

    @settings_for(readable)
    @given(keys(SHAPE))
    def check(key: Any) -> None:
        same(volume[key], array[key])

    check()


def test_writes_drawn_keys_as_numpy_does(backend: Backend) -> None:
    array = ramp(SHAPE)
    volume = backend.new(array)

    @settings_for(backend)
    @given(keys(SHAPE), st.data())
    def check(key: Any, data: st.DataObject) -> None:
        key = not_growing(key, SHAPE)
        expected = array.copy()
        shape = expected[key].shape
        smaller = tuple(data.draw(st.sampled_from([n, 1])) for n in shape[data.draw(st.integers(0, len(shape))) :])
        values = ramp(smaller, seed=1)
        assume(is_decided(key, SHAPE, values))
        expected[key] = values
        volume.post_ndarray((0,) * 4, SHAPE, array)
        try:
            volume[key] = values
        except pyvolume.errors.SelectionError:
            assert values.size > 1 > np.prod(shape)  # numpy drops the values
        same(volume[...], expected)

    check()


KEYS = [
    np.s_[...],
    np.s_[:, 10:20, 3:9, 40:],
    np.s_[0, 5, 6, 7],
    np.s_[0, -1, -1, -1],
    np.s_[:, ::-1, ::2, ::-3],
    np.s_[0, 3:3],
    np.s_[..., None, 5],
    np.s_[:, [1, 5, 1]],
    np.s_[0, [1, 2, 3], 4, [5, 6, 7]],
    np.s_[:, np.arange(32) % 5 == 0],
    np.s_[:, []],
    np.s_[0, 100:200],
    np.s_[-1:, -200:7],
    ramp(SHAPE) == 5,
    ramp(SHAPE) > 300,
    np.s_[0, ramp(SHAPE)[0] == 5],
    np.s_[0, :, ramp((16, 48)) % 7 == 0],
    np.s_[:, ramp((32, 16)) % 5 == 0, 3],
    np.s_[:, ramp((32, 16)) % 5 == 0, :2],
    np.s_[0, ramp((32, 16)) == 5, :, None],
    np.s_[:, [[1, 2], [3, 1]]],
    np.s_[0, [[1], [5]], :, [3, 4]],
    np.ix_([0], [5, 1, 5], [2], range(7)),
    np.nonzero(ramp(SHAPE) == 5),
    np.s_[True],
    np.s_[False],
    np.s_[0, :, True],
    np.s_[..., 0, 0, 0, 0],
    np.s_[0, 1, ..., 2, 3],
    np.s_[0, 1, 2, 3, None],
]


def names(key: object) -> str:
    return str(key)[:60]


@pytest.mark.parametrize("key", KEYS, ids=names)
def test_reads_listed_keys_as_numpy_does(filled: tuple[pyvolume.Volume, NDArray[Any]], key: Any) -> None:
    volume, array = filled
    same(volume[key], array[key])


def test_reads_listed_keys_as_numpy_does_through_asyncio(filled: tuple[pyvolume.Volume, NDArray[Any]]) -> None:
    volume, array = filled

    async def read() -> list[Any]:
        vol = aio.AsyncVolume(volume)
        return list(await asyncio.gather(*(vol[key] for key in KEYS)))

    for key, found in zip(KEYS, asyncio.run(read()), strict=True):
        same(found, array[key])


def test_reads_drawn_keys_as_numpy_does_through_asyncio(
    readable: Backend, filled: tuple[pyvolume.Volume, NDArray[Any]]
) -> None:
    volume, array = filled

    @settings(settings_for(readable), max_examples=10)
    @given(st.lists(keys(SHAPE), max_size=4))
    def check(drawn: list[Any]) -> None:
        async def read() -> list[Any]:
            vol = aio.AsyncVolume(volume)
            return list(await asyncio.gather(*(vol[key] for key in drawn)))

        for key, found in zip(drawn, asyncio.run(read()), strict=True):
            same(found, array[key])

    check()


def test_a_result_owns_its_memory_in_fortran_order(filled: tuple[pyvolume.Volume, NDArray[Any]]) -> None:
    result = filled[0][0, 3:9, 2, ::2]
    assert result.flags.owndata
    assert result.flags.f_contiguous


def test_a_result_without_axes_is_a_numpy_scalar(filled: tuple[pyvolume.Volume, NDArray[Any]]) -> None:
    assert isinstance(filled[0][0, 1, 2, 3], np.uint8)


@pytest.mark.parametrize(
    "key",
    [np.s_[1], np.s_[0, 32], np.s_[0, 0, -17], np.s_[0, 0, 0, 0, 0], np.s_[1.0], np.s_["x"], np.s_[::0],
     np.s_[..., ...], np.s_[:, [40]], np.s_[:, np.ones((2, 2), bool)], np.s_[:, [1, 2], [1, 2, 3]],
     np.ones((1, 32, 16), bool)[:, :, :5], np.s_[:, [[1], [40]]]],
    ids=names,
)  # fmt: skip
def test_a_key_that_addresses_no_voxels_is_a_selection_error(
    filled: tuple[pyvolume.Volume, NDArray[Any]], key: Any
) -> None:
    with pytest.raises(pyvolume.errors.SelectionError, match=r"key: "):
        filled[0][key]


def padded(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    return np.pad(array, [(0, max(0, new - old)) for old, new in zip(array.shape, shape, strict=True)])


@pytest.mark.parametrize(
    ("key", "literal", "grown"),
    [
        (np.s_[:, 20:40], np.s_[:, 20:40], (1, 40, 16, 48)),
        (np.s_[:, 30:70:7, 3], np.s_[:, 30:70:7, 3], (1, 66, 16, 48)),
        (np.s_[0, 40, 20, 60], np.s_[0, 40, 20, 60], (1, 41, 21, 61)),
        (np.s_[:, -2:40, :, -1], np.s_[:, 30:40, :, 47], (1, 40, 16, 48)),
        (np.s_[:, 50:, :, :], np.s_[:, 50:32], SHAPE),
        (np.s_[:, 40::-9, 2:4], np.s_[:, 40::-9, 2:4], (1, 41, 16, 48)),
        (np.s_[:, [3, 40]], np.s_[:, [3, 40]], (1, 41, 16, 48)),
        (np.s_[..., 50:64], np.s_[..., 50:64], (1, 32, 16, 64)),
    ],
    ids=str,
)
def test_an_explicit_stop_beyond_the_end_lets_the_volume_grow(
    growing: Backend, key: Any, literal: Any, grown: tuple[int, ...]
) -> None:
    array = ramp(SHAPE)
    volume = growing.new(array)
    expected = padded(array, grown)
    expected[literal] = 77
    volume[key] = 77
    same(volume[...], expected)


def test_of_values_for_one_voxel_the_last_is_written(backend: Backend) -> None:
    array = ramp(SHAPE)
    volume = backend.new(array)
    key = np.s_[0, [3, 30, 3, 30, 3], 5, [2, 40, 2, 40, 2]]
    volume[key] = np.arange(5)
    array[key] = np.arange(5)
    same(volume[...], array)


def test_the_channel_axis_does_not_grow(backend: Backend) -> None:
    array = ramp((4, 16, 16, 16))
    volume = backend.new(array)
    beyond: list[Any] = [
        np.s_[4, 1, 1, 1],
        np.s_[2:9, 1, 1, 1],
        np.s_[:16, :16, :16],
        np.s_[9::-1, 1],
        np.s_[[0, 4], 1],
    ]
    for key in beyond:
        with pytest.raises(pyvolume.errors.SelectionError, match="channel"):
            volume[key] = 5
    same(volume[...], array)


def test_values_for_no_voxel_are_refused(backend: Backend) -> None:
    array = ramp(SHAPE)
    volume = backend.new(array)
    empty: list[Any] = [np.s_[:, 5:5], np.s_[:, 200:], np.s_[:, []], np.s_[1:], np.zeros(SHAPE, bool)]
    for key in empty:
        with pytest.raises(pyvolume.errors.SelectionError, match="no voxel"):
            volume[key] = ramp((2,))
        volume[key] = array[key]
        volume[key] = 7
    same(volume[...], array)
