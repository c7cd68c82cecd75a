"""Histograms and counts of values of whole volumes, as numpy counts those of an array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume.reductions import stream

SHAPE = (2, 20, 13, 7)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SLAB_VOXELS", 50)


def in_pieces(array: NDArray[Any]) -> pyvolume.Volume:
    return WatchedStore(array, (4, 4, 4), piece_bytes=(1000, 1000)).volume()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint64", "float32"])
@pytest.mark.parametrize(
    ("bins", "limits"),
    [(10, None), (7, (3, 90)), ([0, 1, 5, 100], None), (np.linspace(-1, 1, 9), None), (256, (0, 256))],
)
def test_a_histogram_is_that_of_numpy(dtype: str, bins: Any, limits: Any) -> None:
    array = ramp(SHAPE, "uint8") > 9 if dtype == "bool" else ramp(SHAPE, dtype)
    counts, edges = in_pieces(array).histogram(bins, limits)
    expected = np.histogram(array.astype("uint8") if dtype == "bool" else array, bins, limits)
    np.testing.assert_array_equal(counts, expected[0], strict=True)
    np.testing.assert_array_equal(edges, expected[1], strict=True)


def test_a_histogram_of_a_box() -> None:
    array = ramp(SHAPE)
    counts, _ = in_pieces(array).histogram(4, (0, 256), box=((0, 3, 2, 1), (1, 9, 8, 5)))
    np.testing.assert_array_equal(counts, np.histogram(array[:1, 3:9, 2:8, 1:5], 4, (0, 256))[0])


@pytest.mark.parametrize(
    ("bins", "error"), [("auto", TypeError), (0, ValueError), ([3, 1], ValueError), (None, TypeError)]
)
def test_other_bins_are_refused(bins: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        in_pieces(ramp(SHAPE)).histogram(bins)


def test_a_histogram_of_nothing_is_that_of_numpy() -> None:
    counts, edges = pyvolume.from_array(np.zeros((1, 0), "uint8"), "cx").histogram(3)
    expected = np.histogram(np.zeros((1, 0), "uint8"), 3)
    np.testing.assert_array_equal(counts, expected[0])
    np.testing.assert_array_equal(edges, expected[1])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint64", "float32"])
@pytest.mark.parametrize("distinct", [1, 5, 10**6])
def test_values_are_counted(dtype: str, distinct: int) -> None:
    array = (ramp(SHAPE, "int64") % distinct).astype(dtype)
    if dtype == "float32":
        array[0, 2:9] = np.nan
    values, counts = in_pieces(array).unique_counts()
    expected = np.unique(array, return_counts=True)
    np.testing.assert_array_equal(values, expected[0], strict=True)
    np.testing.assert_array_equal(counts, expected[1], strict=True)


def test_nothing_has_no_values() -> None:
    found = pyvolume.from_array(np.zeros((1, 0), "uint16"), "cx").unique_counts()
    assert (found.values.dtype, found.values.size, found.counts.size) == (np.dtype("uint16"), 0, 0)
