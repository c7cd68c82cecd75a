"""Lazy arrays of dask, and reductions without dask: numpy on the same array is the oracle.

What dask refuses is not drawn: index arrays of more than one axis of the volume, of several dimensions or of none;
single booleans; a new axis beside a list. An integer beside a list that stands apart from it is not drawn either: numpy
moves the axis of the list to the front, dask does not. A mask of all axes selects a number of voxels that dask does not
know before it has computed the mask. Of a slice such as ``[-100::-1]`` of ten voxels dask selects some, numpy none.
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
from keys import slices
from numpy.typing import NDArray

import pyvolume

pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")

SHAPE = (2, 32, 16, 48)
BACKENDS = ["memory", "mock_backend", *real_dvid.if_there("real_backend"), "hpc_backend", "mikro_backend"]


@pytest.fixture(scope="module", params=BACKENDS)
def stored(request: pytest.FixtureRequest) -> tuple[pyvolume.Volume, NDArray[Any]]:
    """Give a volume, and the array in it."""
    is_memory = request.param == "memory"
    backend: Backend = MemoryBackend() if is_memory else request.getfixturevalue(request.param)
    array = ramp(SHAPE if is_memory or request.param == "hpc_backend" else (1, *SHAPE[1:]), "uint16")
    return backend.new(array), array


@pytest.fixture
def filled(stored: tuple[pyvolume.Volume, NDArray[Any]]) -> tuple[Any, NDArray[Any]]:
    """Give the lazy array of the volume, in several chunks, and the array in it."""
    volume, array = stored
    return volume.to_dask((1, 16, 16, 32)), array


@st.composite
def keys_of_axes(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw an item for each axis: slices, and one list or mask; or slices, integers and perhaps a new axis."""
    items: list[Any] = [draw(slices(n).filter(partial(is_understood, n)) | st.integers(-n, n - 1)) for n in shape]
    axis = draw(st.none() | st.integers(0, len(shape) - 1))
    if axis is not None:
        items = [item if isinstance(item, slice) else slice(None) for item in items]
        listed = draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), min_size=1, max_size=4))
        items[axis] = listed if draw(st.booleans()) else np.isin(np.arange(shape[axis]), listed)
    elif draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), None)
    return tuple(items)


def is_understood(length: int, item: slice) -> bool:
    """Whether a slice does not begin before the first voxel and go backwards."""
    return (item.step or 1) > 0 or item.start is None or item.start >= -length


def test_reads_drawn_keys_as_numpy_does(filled: tuple[Any, NDArray[Any]]) -> None:
    lazy, array = filled

    @settings(max_examples=25, suppress_health_check=list(HealthCheck), database=None)
    @given(keys_of_axes(array.shape))
    def check(key: tuple[Any, ...]) -> None:
        np.testing.assert_array_equal(lazy[key].compute(scheduler="sync"), np.asarray(array[key]), strict=True)

    check()


@pytest.mark.parametrize(
    "key", [np.s_[...], np.s_[0], np.s_[..., 5], np.s_[0, ..., ::-7], np.s_[:, [], 3], np.s_[0, 1, 2, 3]], ids=str
)
def test_reads_listed_keys_as_numpy_does(filled: tuple[Any, NDArray[Any]], key: Any) -> None:
    lazy, array = filled
    np.testing.assert_array_equal(lazy[key].compute(), array[key])


@pytest.mark.parametrize("name", ["min", "max", "sum", "mean", "std", "any", "all"])
def test_reductions_are_those_of_numpy(stored: tuple[pyvolume.Volume, NDArray[Any]], name: str) -> None:
    volume, array = stored
    for axis in (None, (0, 2)):
        expected = getattr(array, name)(axis)
        np.testing.assert_allclose(getattr(volume, name)(axis), expected, rtol=1e-12, strict=True)
        np.testing.assert_allclose(getattr(volume.to_dask(), name)(axis).compute(), expected, rtol=1e-12)


def test_values_are_counted(stored: tuple[pyvolume.Volume, NDArray[Any]]) -> None:
    volume, array = stored
    expected = np.unique(array, return_counts=True)
    np.testing.assert_array_equal(volume.unique_counts().values, expected[0], strict=True)
    np.testing.assert_array_equal(volume.unique_counts().counts, expected[1], strict=True)
    np.testing.assert_array_equal(volume.histogram(7)[0], np.histogram(array, 7)[0], strict=True)
