"""Volumes are compared with volumes; numbers and arrays are refused with a way out; reductions are carried out."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import MockServer

ARRAY = ramp((2, 4, 5, 6))
ARRAY_LIKES: list[Any] = [
    3, 3.5, True, 2j, np.uint8(3), np.zeros(6), ARRAY, [1, 2], (1, 2), range(6), memoryview(b"ab"),
]  # fmt: skip


@pytest.fixture
def volume() -> pyvolume.Volume:
    return pyvolume.from_array(ARRAY.copy())


@pytest.mark.parametrize("compare", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize("other", ARRAY_LIKES, ids=lambda other: type(other).__name__)
def test_numbers_and_arrays_are_not_compared(volume: pyvolume.Volume, compare: Callable[..., Any], other: Any) -> None:
    with pytest.raises(TypeError, match=r"vol\[\.\.\.\]"):
        compare(volume, other)
    if isinstance(other, np.ndarray):
        with pytest.raises(TypeError, match=r"vol\[\.\.\.\]"):
            compare(other, volume)


@pytest.mark.parametrize("other", [None, "x", b"x", object(), {}, Ellipsis], ids=lambda other: type(other).__name__)
def test_any_other_object_is_unequal(volume: pyvolume.Volume, other: object) -> None:
    assert (volume == other) is False
    assert (volume != other) is True
    with pytest.raises(TypeError, match="not supported"):
        volume < other  # noqa: B015


def test_volumes_have_no_order(volume: pyvolume.Volume) -> None:
    with pytest.raises(TypeError, match="vol"):
        volume < pyvolume.from_array(ARRAY)  # noqa: B015


def test_volumes_in_memory_are_equal_to_themselves_alone(volume: pyvolume.Volume) -> None:
    other = pyvolume.from_array(ARRAY)
    assert (volume == volume, volume == other, len({volume, other, volume})) == (True, False, 2)


def test_volumes_of_one_address_with_the_same_options_are_equal() -> None:
    with MockServer({"gray": np.zeros((1, 8, 8, 8), "uint8"), "other": np.zeros((1, 8, 8, 8), "uint8")}) as server:
        url = f"dvid://{server.url}/:master/gray"
        volume, same = pyvolume.open(url), pyvolume.open(url)
        assert volume == same == pickle.loads(pickle.dumps(volume))
        assert len({volume, same}) == 1
        others = [
            pyvolume.open(url.replace("gray", "other")),
            pyvolume.open(url, mode="r+"),
            pyvolume.open(url, casting="safe"),
            pyvolume.open(url, partial_blocks="raise"),
        ]
        assert [volume == other for other in others] == [False] * 4


@pytest.mark.parametrize(
    "reduce",
    [np.sum, np.max, np.min, np.mean, np.std, np.any, np.all, np.prod, np.ptp, np.median, np.count_nonzero, np.argmax,
     lambda a: np.sum(a, axis=0), lambda a: np.max(a, axis=(1, 2), keepdims=True), lambda a: np.add.reduce(a, 1),
     lambda a: np.sum(a, dtype="float64", initial=5.0), lambda a: np.sum(a, out=np.zeros((4, 5, 6), "int64"), axis=0),
     np.unique, np.array_equal],
)  # fmt: skip
def test_reductions_are_those_of_the_array(volume: pyvolume.Volume, reduce: Callable[..., Any]) -> None:
    operands = (ARRAY,) if reduce is np.array_equal else ()
    np.testing.assert_array_equal(reduce(volume, *operands), reduce(ARRAY, *operands), strict=True)


@pytest.mark.parametrize(
    "calculate",
    [np.negative, np.isfinite, lambda a: np.add(a, 1), lambda a: np.add(1, a), lambda a: ARRAY + a, lambda a: a @ ARRAY,
     np.add.accumulate, lambda a: np.add.outer(a, a), lambda a: np.add(ARRAY, 1, out=a),
     lambda a: np.add.reduce(ARRAY, out=a), lambda a: np.add.at(a, 0, 1)],
)  # fmt: skip
def test_calculations_with_each_voxel_are_refused(volume: pyvolume.Volume, calculate: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        calculate(volume)
    np.testing.assert_array_equal(volume[...], ARRAY)
