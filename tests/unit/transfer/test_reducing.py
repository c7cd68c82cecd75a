"""Voxels of a coarser level: means, most frequent values, every n-th voxel."""

from __future__ import annotations

import fractions
import itertools
import math
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray

from pyvolume.transfer.reducing import Method, reduced

DTYPES = [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
FACTORS = [(1, 2, 2, 1), (1, 2, 2, 2), (1, 3, 1, 2), (1, 8, 4, 16), (1, 1, 1, 1)]
SHAPE = (2, 24, 8, 16)


def windows(voxels: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
    """Return the voxels of each window as a list of Python numbers."""
    sides = [min(factor, length) for factor, length in zip(factors, voxels.shape, strict=True)]
    shape = [length // side for length, side in zip(voxels.shape, sides, strict=True)]
    found = np.empty(shape, object)
    for index in itertools.product(*map(range, shape)):
        place = tuple(slice(i * side, (i + 1) * side) for i, side in zip(index, sides, strict=True))
        found[index] = voxels[place].ravel().tolist()
    return found


def mean(values: list[int]) -> int:
    return math.floor(fractions.Fraction(sum(values), len(values)) + fractions.Fraction(1, 2))


def mode(values: list[int]) -> int:
    counts = Counter(values)
    return min(value for value in counts if counts[value] == max(counts.values()))


def label(values: list[int]) -> int:
    return mode([value for value in values if value] or [0])


@pytest.mark.parametrize("factors", FACTORS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_means_of_integers_are_exact_and_rounded_half_up(dtype: str, factors: tuple[int, ...]) -> None:
    voxels = ramp(SHAPE, dtype)
    voxels[0, :2], voxels[1, :2] = np.iinfo(dtype).max, np.iinfo(dtype).min
    found = reduced(voxels, factors, "mean")
    assert found.dtype == voxels.dtype
    assert found.tolist() == np.vectorize(mean, otypes=[object])(windows(voxels, factors)).tolist()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_of_floats(dtype: str) -> None:
    voxels = ramp(SHAPE, dtype)
    voxels[0, 0, 0, 0] = np.nan
    found = reduced(voxels, (1, 2, 2, 2), "mean")
    expected = voxels.astype("float64").reshape((2, 12, 2, 4, 2, 8, 2)).mean(axis=(2, 4, 6)).astype(dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == dtype


@pytest.mark.parametrize("factors", FACTORS, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint64"])
def test_the_most_frequent_label_wins_and_of_equal_ones_the_lowest(dtype: str, factors: tuple[int, ...]) -> None:
    voxels = np.random.default_rng(1).choice(np.array([0, 1, 7, np.iinfo(dtype).max], dtype), SHAPE)
    found = reduced(voxels, factors, "mode")
    assert found.tolist() == np.vectorize(mode, otypes=[object])(windows(voxels, factors)).tolist()


@pytest.mark.parametrize("factors", FACTORS, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "uint64", "float32"])
def test_the_most_frequent_label_wins_over_any_number_of_zeros(dtype: str, factors: tuple[int, ...]) -> None:
    values = np.array([0, 0, 0, 0, 1, 7, 100, -5 if np.dtype(dtype).kind != "u" else 3], dtype)
    voxels = np.random.default_rng(1).choice(values, SHAPE)
    voxels[0, :4] = 0
    found = reduced(voxels, factors, "label")
    assert found.dtype == voxels.dtype
    assert found.tolist() == np.vectorize(label, otypes=[object])(windows(voxels, factors)).tolist()


@pytest.mark.parametrize("factors", FACTORS, ids=str)
def test_every_nth_voxel(factors: tuple[int, ...]) -> None:
    voxels = ramp(SHAPE)
    steps = tuple(slice(None, None, factor) for factor in factors)
    np.testing.assert_array_equal(reduced(voxels, factors, "stride"), voxels[steps])


@pytest.mark.parametrize("method", ["mean", "mode", "label", "stride"])
def test_an_axis_shorter_than_its_factor_becomes_one_voxel(method: Method) -> None:
    assert reduced(np.full((1, 5, 3), 7, "uint8"), (1, 5, 16), method).tolist() == [[[7]]]


def test_the_most_frequent_labels_need_little_memory() -> None:
    voxels = ramp((1, 64, 64, 64), "uint8")
    tracemalloc.start()
    reduced(voxels, (1, 2, 2, 1), "mode")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * voxels.nbytes
