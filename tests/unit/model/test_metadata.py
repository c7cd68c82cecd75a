"""VoxelsMetadata: what a volume is, apart from its voxels."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from pyvolume import Box, VoxelsMetadata
from pyvolume.errors import MetadataError


def test_bounds_begin_at_zero_and_cover_the_shape() -> None:
    assert VoxelsMetadata.of((2, 30, 40, 50), "uint8").bounds == Box((0, 0, 0, 0), (2, 30, 40, 50))


def test_what_is_not_given_has_a_default() -> None:
    assert VoxelsMetadata.of((2, 30, 40), "uint8") == VoxelsMetadata(
        bounds=Box((0, 0, 0), (2, 30, 40)),
        dtype=np.dtype("uint8"),
        dims=("c", "x", "y"),
        resolution=(1.0, 1.0),
        units=("", ""),
        labels=(("channel-0", "channel-1"), None, None),
    )


def test_the_dtype_is_normalised() -> None:
    assert VoxelsMetadata.of((1, 3, 4), np.float32).dtype == np.dtype("float32")


@pytest.mark.parametrize("dims", ["caxy", ["c", "a", "x", "y"], ("c", "a", "x", "y")])
def test_dims_are_a_text_or_a_sequence(dims: Any) -> None:
    assert VoxelsMetadata.of((1, 3, 4, 5), "uint8", dims=dims).dims == ("c", "a", "x", "y")


@pytest.mark.parametrize("resolution", [4, 4.0, np.float32(4), np.int64(4), [4, 4], (4.0, 4.0), np.array([4, 4])])
def test_resolution_is_one_value_or_one_per_axis(resolution: Any) -> None:
    assert VoxelsMetadata.of((1, 3, 4), "uint8", resolution=resolution).resolution == (4.0, 4.0)


@pytest.mark.parametrize("units", ["nm", ["nm", "nm"], ("nm", "nm")])
def test_units_are_one_text_or_one_per_axis(units: Any) -> None:
    assert VoxelsMetadata.of((1, 3, 4), "uint8", units=units).units == ("nm", "nm")


def test_resolution_and_units_may_differ_between_axes() -> None:
    metadata = VoxelsMetadata.of((1, 3, 4, 5), "uint8", resolution=(4, 4, 40), units=["nm", "nm", "um"])
    assert list(zip(metadata.resolution, metadata.units, strict=True)) == [(4.0, "nm"), (4.0, "nm"), (40.0, "um")]


def test_axes_have_the_labels_that_are_given() -> None:
    given = {"a": ["left", "right"], "c": np.array(["red", "green", "blue"])}
    labels = VoxelsMetadata.of((3, 2, 4), "uint8", dims="cax", labels=given).labels  # type: ignore[arg-type]
    assert {type(label) for label in labels[0] or ()} == {str}
    assert labels == (("red", "green", "blue"), ("left", "right"), None)


def test_labels_of_one_axis_leave_the_channels_their_default() -> None:
    metadata = VoxelsMetadata.of((1, 2), "uint8", labels={"x": ["left", "right"]})
    assert metadata.labels == (("intensity",), ("left", "right"))


@pytest.mark.parametrize(
    "labels", [{"c": ["red"]}, {"c": "rg"}, {"c": [1, 2]}, {"c": None}, {"c": 2}, {"z": ["a", "b"]}], ids=str
)
def test_labels_that_do_not_fit_are_refused(labels: Any) -> None:
    with pytest.raises(MetadataError, match="labels"):
        VoxelsMetadata.of((2, 3, 4), "uint8", labels=labels)


@pytest.mark.parametrize(
    ("shape", "given", "word"),
    [
        ((1, 3, 4), {"dims": "cxyz"}, "dims"),
        ((1, 3, 4), {"dims": "xyc"}, "first"),
        ((1, 3, 4), {"dims": "cxx"}, "different"),
        ((), {"dims": ""}, "dims"),
        ((1,) * 7, {}, "axes"),
        ((0, 3, 4), {}, "channel"),
        ((1, -3, 4), {}, "negative"),
        ((1, 3.5, 4), {}, "integer"),
        ((1,), {}, "behind"),
        ((), {}, "behind"),
        ((1, 3, 4), {"resolution": [1.0]}, "resolution"),
        ((1, 3, 4), {"resolution": [1, 2, 3]}, "resolution"),
        ((1, 3, 4), {"resolution": "fine"}, "resolution"),
        ((1, 3, 4), {"resolution": [1, None]}, "resolution"),
        ((1, 3, 4), {"units": ["nm"]}, "units"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(shape: Any, given: Any, word: str) -> None:
    with pytest.raises(MetadataError, match=word):
        VoxelsMetadata.of(shape, "uint8", **given)


@pytest.mark.parametrize(("name", "meant"), [("uint46", "uint64"), ("unit8", "uint8"), ("flaot32", "float32")])
def test_a_misspelt_dtype_is_answered_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(MetadataError, match=f"'{meant}'"):
        VoxelsMetadata.of((1, 3, 4), name)


@pytest.mark.parametrize("resolution", [0, -1, float("inf"), float("nan")])
def test_an_impossible_resolution_is_refused(resolution: float) -> None:
    with pytest.raises(MetadataError, match="finite"):
        VoxelsMetadata.of((1, 3, 4), "uint8", resolution=(1, resolution))


def test_seven_axes_can_be_described_by_their_dims() -> None:
    assert VoxelsMetadata.of((1,) * 7, "uint8", dims="cxyztua").dims == tuple("cxyztua")


def test_equal_metadata_is_one_key_and_survives_pickling() -> None:
    one, other = (VoxelsMetadata.of((1, 3, 4), "uint8", labels={"c": ["red"]}) for _ in range(2))
    assert {one: 1}[other] == 1
    assert {one: 1}[pickle.loads(pickle.dumps(one))] == 1


@pytest.mark.parametrize(
    "given",
    [
        {"dims": "cxt"},
        {"resolution": 2},
        {"units": "nm"},
        {"labels": {"c": ["red"]}},
    ],
)
def test_each_part_counts_in_a_comparison(given: Any) -> None:
    assert VoxelsMetadata.of((1, 3, 4), "uint8", **given) != VoxelsMetadata.of((1, 3, 4), "uint8")


def test_metadata_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        VoxelsMetadata.of((1, 3, 4), "uint8").dims = ("c", "x", "y")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("start", "stop", "shape"),
    [
        ((0, 0, 0), (1, 30, 40), (1, 30, 40)),
        ((0, 10, -10), (1, 30, 40), (1, 30, 40)),
        ((0, -30, -20), (1, -10, 40), (1, 0, 40)),
    ],
)
def test_shape_is_the_upper_corner_and_never_negative(
    start: tuple[int, ...], stop: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    metadata = dataclasses.replace(VoxelsMetadata.of((1, 1, 1), "uint8"), bounds=Box(start, stop))
    assert (metadata.shape, metadata.minindex) == (shape, start)
