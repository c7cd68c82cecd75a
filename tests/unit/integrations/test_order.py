"""Axes in the order of a store, and back."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import pyvolume
from pyvolume.errors import MetadataError


def test_every_order_of_axes_is_put_right_and_back() -> None:
    voxels = np.arange(2 * 5 * 4 * 3).reshape(2, 5, 4, 3)
    for order in itertools.permutations(range(4)):
        dims = "".join("cxyz"[axis] for axis in order)
        given = voxels.transpose(order)
        ordered = pyvolume.canonical(given, dims)
        np.testing.assert_array_equal(ordered, voxels, strict=True)
        assert np.shares_memory(ordered, voxels)
        np.testing.assert_array_equal(pyvolume.restored(ordered, dims), given, strict=True)


@pytest.mark.parametrize(
    ("dims", "order", "shape"),
    [("xy", "cxyz", (1, 3, 2, 1)), ("yx", "cxyzta", (1, 2, 3, 1, 1, 1)), ("xy", "xy", (3, 2))],
)
def test_missing_axes_have_a_length_of_one(dims: str, order: str, shape: tuple[int, ...]) -> None:
    voxels = np.arange(6).reshape(3, 2)
    ordered = pyvolume.canonical(voxels, dims, order)
    assert ordered.shape == shape
    np.testing.assert_array_equal(pyvolume.restored(ordered, dims, order), voxels, strict=True)


def test_an_axis_that_the_store_lacks_may_have_one_voxel() -> None:
    voxels = np.arange(6).reshape(3, 1, 2)
    ordered = pyvolume.canonical(voxels, "xty")
    assert ordered.shape == (1, 3, 2, 1)
    np.testing.assert_array_equal(pyvolume.restored(ordered, "xty"), voxels, strict=True)


def test_lists_become_arrays_and_dask_stays_lazy() -> None:
    assert pyvolume.canonical([[1, 2, 3], [4, 5, 6]], ["y", "x"])[0, :, 1, 0].tolist() == [4, 5, 6]
    dask = pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")
    lazy = pyvolume.canonical(dask.zeros((4, 5, 2), chunks=2), "xyc")
    assert (type(lazy), lazy.shape) == (dask.Array, (2, 4, 5, 1))
    assert pyvolume.restored(lazy, "xyc").shape == (4, 5, 2)


@pytest.mark.parametrize(
    ("shape", "dims", "order", "message"),
    [
        ((3, 4), "xyz", "cxyz", r"expected different 2 letters, for the shape \(3, 4\), and found 'xyz'"),
        ((3, 4), "xx", "cxyz", "expected different 2 letters"),
        ((3, 4), ["x", "why"], "cxyz", "expected different 2 letters"),
        ((3, 4), None, "cxyz", "and found None"),
        ((3, 4), "xy", "cxx", "expected different letters and found 'cxx'"),
        ((3, 4), "xz", "cxyz", "expected the axes x and y and found x, z"),
        ((3, 0), "xy", "cxyz", "at least one voxel along each axis and found none along 'y'"),
        ((100, 3, 4), "cxy", "cxyz", "100 channels of 3 × 4 voxels"),
        ((3, 4, 5), "xyt", "cxyz", "expected 't' to be one of c, x, y, z, because its length is 5"),
    ],
)
def test_what_is_no_image_is_refused(shape: tuple[int, ...], dims: Any, order: str, message: str) -> None:
    with pytest.raises(MetadataError, match=message):
        pyvolume.canonical(np.zeros(shape), dims, order)


def test_an_axis_that_has_voxels_is_not_left_out() -> None:
    with pytest.raises(MetadataError, match="expected 'c' to be one of x, y, because its length is 2"):
        pyvolume.restored(np.zeros((2, 3, 4, 1)), "xy")
