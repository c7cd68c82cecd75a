"""VoxelsMetadata: what a volume is, apart from its voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyvolume import Box, VoxelsMetadata
from pyvolume.errors import MetadataError

create = VoxelsMetadata.create_default_metadata


def test_bounds_begin_at_zero_and_cover_the_shape() -> None:
    assert create((2, 30, 40, 50), "uint8", "cxyz", 1.0, "").bounds == Box((0, 0, 0, 0), (2, 30, 40, 50))


def test_the_dtype_is_normalised() -> None:
    assert create((1, 3, 4), np.float32, "cxy", 1.0, "").dtype == np.dtype("float32")


@pytest.mark.parametrize("resolution", [4, 4.0, np.float32(4), np.int64(4), [4, 4], (4.0, 4.0), np.array([4, 4])])
def test_resolution_is_one_value_or_one_per_axis(resolution: Any) -> None:
    assert create((1, 3, 4), "uint8", "cxy", resolution, "nm").resolution == (4.0, 4.0)


@pytest.mark.parametrize("units", ["nm", ["nm", "nm"], ("nm", "nm")])
def test_units_are_one_text_or_one_per_axis(units: Any) -> None:
    assert create((1, 3, 4), "uint8", "cxy", 1.0, units).units == ("nm", "nm")


def test_resolution_and_units_may_differ_between_axes() -> None:
    metadata = create((1, 3, 4, 5), "uint8", "cxyz", (4, 4, 40), ["nm", "nm", "um"])
    assert list(zip(metadata.resolution, metadata.units, strict=True)) == [(4.0, "nm"), (4.0, "nm"), (40.0, "um")]


@pytest.mark.parametrize(("channels", "labels"), [(1, ("intensity",)), (3, ("channel-0", "channel-1", "channel-2"))])
def test_channels_that_nobody_named_have_labels(channels: int, labels: tuple[str, ...]) -> None:
    assert create((channels, 3, 4), "uint8", "cxy", 1.0, "").channel_labels == labels


@pytest.mark.parametrize(
    ("shape", "axiskeys", "resolution", "units", "message"),
    [
        ((1, 3, 4), "cxyz", 1.0, "", "axiskeys must be 3 different letters, channel first .*, not 'cxyz'"),
        ((1, 3, 4), "xyc", 1.0, "", "channel first"),
        ((1, 3, 4), "cxx", 1.0, "", "3 different letters"),
        ((0, 3, 4), "cxy", 1.0, "", "at least one channel, not 0"),
        ((1, -3, 4), "cxy", 1.0, "", r"not negative: \(1, -3, 4\)"),
        ((1,), "c", 1.0, "", "an axis behind the channel"),
        ((), "", 1.0, "", "axiskeys must be 0 different letters"),
        ((1, 3, 4), "cxy", [1.0], "", "resolution must be one value or one for each of the 2 axes .*, not 1"),
        ((1, 3, 4), "cxy", [1, 2, 3], "", "resolution must be .* not 3"),
        ((1, 3, 4), "cxy", "fine", "", "resolution must be float, not 'fine'"),
        ((1, 3, 4), "cxy", [1, None], "", "resolution must be float"),
        ((1, 3, 4), "cxy", 1.0, ["nm"], "units must be one value or one for each of the 2 axes"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(
    shape: Any, axiskeys: str, resolution: Any, units: Any, message: str
) -> None:
    with pytest.raises(MetadataError, match=message):
        create(shape, "uint8", axiskeys, resolution, units)


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
    metadata = VoxelsMetadata(Box(start, stop), np.dtype("uint8"), "cxy", (1.0, 1.0), ("", ""), ("intensity",))
    assert (metadata.shape, metadata.minindex) == (shape, start)


@pytest.mark.parametrize("resolution", [0, -1, float("inf"), float("nan")])
def test_an_impossible_resolution_is_refused(resolution: float) -> None:
    with pytest.raises(MetadataError, match="a resolution is finite and above 0"):
        create((1, 3, 4), "uint8", "cxy", (1, resolution), "nm")
