"""Volumes are compared with volumes; numbers and arrays are refused with a way out; reductions are carried out."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from mockserver import MockServer
from pyvolume.errors import ArrayAttributeError, UnsupportedError

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


@pytest.mark.parametrize("name", ["T", "astype", "reshape", "transpose", "copy", "flat", "ravel", "var", "item"])
def test_attributes_of_arrays_are_named_with_a_way_out(volume: pyvolume.Volume, name: str) -> None:
    for owner, voxels in ((volume, "vol"), (volume.channel(0), "channel")):
        with pytest.raises(ArrayAttributeError, match=rf"{voxels}\[\.\.\.\]\.{name}") as caught:
            getattr(owner, name)
        assert isinstance(caught.value, AttributeError)
        assert isinstance(caught.value, UnsupportedError)
        assert not hasattr(owner, name)
    with pytest.raises(ArrayAttributeError, match=r"vol\.data"):
        getattr(volume, name)


@pytest.mark.parametrize("name", ["no_such_name", "_private", "__no_such__"])
def test_any_other_attribute_is_the_error_of_python(volume: pyvolume.Volume, name: str) -> None:
    for owner in (volume, volume.channel(0)):
        with pytest.raises(AttributeError, match=f"object has no attribute '{name}'") as caught:
            getattr(owner, name)
        assert type(caught.value) is AttributeError


def test_the_attribute_error_of_a_property_stays() -> None:
    class Own(pyvolume.Volume):
        @property
        def T(self) -> object:  # noqa: N802 - the name of numpy
            return operator.attrgetter("no_such_name")(self.size)

    plain = pyvolume.from_array(ARRAY)
    with pytest.raises(AttributeError, match="'int' object has no attribute 'no_such_name'"):
        Own(plain.store, plain.metadata).T  # noqa: B018


def test_functions_of_numpy_that_need_an_array_read_it(volume: pyvolume.Volume) -> None:
    for function in (np.transpose, np.ravel, np.argmax, np.var, np.round, np.cumsum):
        np.testing.assert_array_equal(function(volume), function(ARRAY), strict=True)
    assert pickle.loads(pickle.dumps(volume)).shape == copy.deepcopy(volume).shape == copy.copy(volume).shape
