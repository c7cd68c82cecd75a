"""What a message says about a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyvolume
from pyvolume import Box, VoxelsMetadata
from pyvolume.errors import MetadataError, SelectionError
from pyvolume.model.arguments import LONGEST, brief

ARRAY = np.zeros((2, 30, 30, 30))
TEXT = "x" * 1000
ROWS = [[1] * 500, [2]]


class Broken:
    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "5"),
        ("gray", "'gray'"),
        ((0, 1, 2, 3), "(0, 1, 2, 3)"),
        (np.array([1.5, 2]), "array([1.5, 2. ])"),
        (np.array([[1, 2], [3, 4]]), "array([[1, 2], [3, 4]])"),
        (np.float64, "<class 'numpy.float64'>"),
        (ARRAY, "ndarray float64 of shape (2, 30, 30, 30)"),
        ([ARRAY], "[ndarray float64 of shape (2, 30, 30, 30)]"),
        (pyvolume.from_array(ARRAY), "Volume float64 of shape (2, 30, 30, 30)"),
    ],
)
def test_a_value_is_said_on_one_line(value: object, said: str) -> None:
    assert brief(value) == said


@pytest.mark.parametrize("value", [TEXT, [TEXT] * 9, ROWS, 10**500, {TEXT: TEXT}, [[[[[[1]]]]]] * 99, Broken()])
def test_any_value_is_said_in_few_characters(value: object) -> None:
    assert 2 <= len(brief(value)) <= LONGEST


VOLUME = pyvolume.from_array(np.zeros((1, 8, 8, 8), "uint8"))
CALLS: list[Callable[[Any], object]] = [
    lambda value: VOLUME.write(value, VOLUME.bounds),  # type: ignore[arg-type]
    VOLUME.read,
    lambda value: VOLUME.get_ndarray(value, value),
    lambda value: VOLUME.post_ndarray((0, 0, 0, 0), value),
    lambda value: Box(value, value),
    lambda value: VOLUME[value:],
    lambda value: VoxelsMetadata.of((1, 2, 3), "uint8", resolution=value),
    lambda value: VoxelsMetadata.of(value, "uint8"),
    lambda value: VoxelsMetadata.of((1, 2, 3), "uint8", dims=value),
    lambda value: VoxelsMetadata.of((1, 2, 3), "uint8", labels={"c": value}),
    lambda value: pyvolume.from_array(VOLUME[...], block_shape=value),
]


@pytest.mark.parametrize("value", [ARRAY, TEXT, ROWS])
@pytest.mark.parametrize("call", CALLS)
def test_a_message_does_not_hold_a_whole_value(call: Callable[[Any], object], value: object) -> None:
    with pytest.raises((SelectionError, MetadataError, TypeError)) as caught:
        call(value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_two_corners_in_place_of_a_pair_are_refused_with_the_form() -> None:
    flat = pyvolume.from_array(np.zeros((1, 8), "uint8"))
    with pytest.raises(SelectionError, match="pair"):
        flat.read((0, 0), (1, 8))  # type: ignore[arg-type]


@pytest.mark.parametrize("corners", [np.array([[0, 0, 0, 0], [1, 2, 2, 2]]), [range(4), (4, 5, 6, 7)]])
def test_corners_can_be_the_rows_of_an_array(corners: Any) -> None:
    start, stop = corners
    wide = pyvolume.from_array(np.zeros((8, 8, 8, 8), "uint8"))
    assert wide.read(corners).shape == Box(start, stop).shape
