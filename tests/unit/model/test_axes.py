"""Axes: a letter for each, the channel first."""

from __future__ import annotations

from typing import Any

import pytest

from pyvolume.errors import MetadataError
from pyvolume.model.axes import AXES, DEFAULT_DIMS, checked_dims, default_dims, default_labels


def test_default_dims_are_known_axes() -> None:
    assert set(DEFAULT_DIMS) == set(AXES) - {"a"}
    assert [default_dims(n) for n in (2, 4, 6)] == [("c", "x"), tuple("cxyz"), tuple("cxyztu")]


def test_an_array_of_many_axes_needs_dims() -> None:
    with pytest.raises(MetadataError, match="6"):
        default_dims(7)


@pytest.mark.parametrize("dims", ["caxy", ["c", "a", "x", "y"], ("c", "q", "ω", "7"), iter("caxy")])
def test_dims_are_any_letters(dims: Any) -> None:
    checked = checked_dims(dims, 4)
    assert (type(checked), len(checked), checked[0]) == (tuple, 4, "c")


@pytest.mark.parametrize(
    "dims",
    ["", "cx", "cxyz", "xyc", "cxx", ["c", "xy", "z"], ["c", "", "z"], ["c", 1, 2], ["c", [], {}], None, 3],
    ids=str,
)
def test_other_dims_are_refused(dims: Any) -> None:
    with pytest.raises(MetadataError, match="dims"):
        checked_dims(dims, 3)


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((), ()),
        ((1, 3), (("intensity",), None)),
        ((3, 4, 5), (("channel-0", "channel-1", "channel-2"), None, None)),
    ],
)
def test_only_channels_have_labels_by_default(shape: tuple[int, ...], labels: Any) -> None:
    assert default_labels(shape) == labels
