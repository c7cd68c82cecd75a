"""Keys of the lazy array of xarray: numpy on the same array is the oracle, one axis after the other.

What xarray understands in another way than numpy, or not at all, is not drawn:

- index arrays of several axes, also beside integers: numpy takes points, xarray a grid, so that each axis keeps its
  name; `test_lists_of_several_axes_select_a_grid`;
- masks of several axes, index arrays of several axes and ``None``: the axes of the result would have no names;
- single booleans: xarray takes them for the integers 0 and 1;
- slices with a negative step that begin before the axis, such as ``[-100::-1]`` of ten voxels: of any array that is
  read lazily xarray selects all voxels, where numpy selects none.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import real_dvid
from conformance_stores import Backend, MemoryBackend, ramp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keys import indices, slices
from numpy.typing import NDArray

xr = pytest.importorskip("xarray", reason="xarray comes with the extra 'xarray'")

SHAPE = (2, 32, 16, 48)
BACKENDS = ["memory", "mock_backend", *real_dvid.if_there("real_backend"), "hpc_backend", "mikro_backend"]


@pytest.fixture(scope="module", params=BACKENDS)
def filled(request: pytest.FixtureRequest) -> tuple[Any, NDArray[Any]]:
    """Give the lazy array of a volume, and the array in it."""
    is_memory = request.param == "memory"
    backend: Backend = MemoryBackend() if is_memory else request.getfixturevalue(request.param)
    dtype = "uint8" if request.param != "real_backend" else "uint16"
    has_channels = request.param in {"memory", "hpc_backend", "mikro_backend"}
    array = ramp(SHAPE if has_channels else (1, *SHAPE[1:]), dtype)
    return backend.new(array).data, array


@st.composite
def keys_of_axes(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw an item for each axis: slices and integers, and one list or mask at most."""
    items: list[Any] = [draw((slices(n) | indices(n)).filter(partial(is_understood, n))) for n in shape]
    axis = draw(st.none() | st.integers(0, len(shape) - 1))
    if axis is not None:
        listed = draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=4))
        items[axis] = listed if draw(st.booleans()) else np.isin(np.arange(shape[axis]), listed)
    return tuple(items)


def is_understood(length: int, item: Any) -> bool:
    """Whether an item is no slice with a negative step that begins before the first voxel."""
    return not isinstance(item, slice) or (item.step or 1) > 0 or item.start is None or item.start >= -length


def by_axis(array: NDArray[Any], key: tuple[Any, ...]) -> NDArray[Any]:
    """Apply each item of a key to its own axis."""
    for axis in reversed(range(len(key))):
        array = array[(slice(None),) * axis + (key[axis],)]
    return np.asarray(array)


def test_reads_drawn_keys_as_numpy_does_axis_by_axis(filled: tuple[Any, NDArray[Any]]) -> None:
    lazy, array = filled

    @settings(max_examples=50, suppress_health_check=list(HealthCheck), database=None)
    @given(keys_of_axes(array.shape))
    def check(key: tuple[Any, ...]) -> None:
        np.testing.assert_array_equal(lazy[key].values, by_axis(array, key), strict=True)

    check()


@pytest.mark.parametrize(
    "key", [np.s_[...], np.s_[0], np.s_[..., 5], np.s_[0, ..., ::-7], np.s_[:, [], 3], np.s_[0, 1, 2, 3]], ids=str
)
def test_reads_listed_keys_as_numpy_does(filled: tuple[Any, NDArray[Any]], key: Any) -> None:
    lazy, array = filled
    np.testing.assert_array_equal(lazy[key].values, np.asarray(array[key]), strict=True)


def test_lists_of_several_axes_select_a_grid(filled: tuple[Any, NDArray[Any]]) -> None:
    lazy, array = filled
    found = lazy.isel(x=[5, 1, 1], z=[2, 40]).values
    np.testing.assert_array_equal(found, array[:, [5, 1, 1]][..., [2, 40]], strict=True)


def test_points_are_read_as_numpy_does(filled: tuple[Any, NDArray[Any]]) -> None:
    lazy, array = filled
    found = lazy.isel(x=xr.DataArray([5, 1, 5], dims="point"), z=xr.DataArray([2, 40, 2], dims="point"))
    np.testing.assert_array_equal(
        found.transpose("c", "point", "y").values, array[:, [5, 1, 5], :, [2, 40, 2]].transpose(1, 0, 2)
    )
