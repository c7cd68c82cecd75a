"""Reductions of volumes: the results and dtypes of numpy, piece by piece; integers are exact."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.exceptions import AxisError
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box
from pyvolume.errors import SelectionError
from pyvolume.reductions import stream

SHAPE = (2, 20, 13, 7)
NAMES = ["min", "max", "sum", "mean", "std", "any", "all"]
DTYPES = ["bool", "uint8", "int8", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
          "complex64"]  # fmt: skip
AXES = [None, 0, -1, (1, 2), (0, 1, 2, 3), (3, 0), ()]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SLAB_VOXELS", 50)


def in_pieces(array: NDArray[Any], **traits: Any) -> pyvolume.Volume:
    return WatchedStore(array, (4, 4, 4), piece_bytes=(1000, 1000), preferred_concurrency=2, **traits).volume()


def voxels_of(dtype: str) -> NDArray[Any]:
    """Make voxels whose sums fit 64 bits."""
    if dtype == "bool":
        return ramp(SHAPE) > 3
    if dtype == "complex64":
        return (ramp(SHAPE, "float32") + 1j * ramp(SHAPE, "float32", seed=1)).astype(dtype)
    if np.dtype(dtype).itemsize == 8 and np.dtype(dtype).kind in "iu":
        return (ramp(SHAPE, dtype) // 10_000).astype(dtype)
    return ramp(SHAPE, dtype)


def agrees(found: Any, expected: Any) -> None:
    """Compare results; those of floats differ by the order of additions."""
    assert (type(found), np.shape(found)) == (type(expected), np.shape(expected))
    assert found.dtype == expected.dtype
    if expected.dtype.kind in "fc":
        digits = 200 * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=digits, atol=digits)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_results_are_those_of_numpy(name: str, dtype: str) -> None:
    """Check each result for each dtype, and both for each of the axes, but not each of them for both at once."""
    array = voxels_of(dtype)
    volume = in_pieces(array)
    function, method = getattr(np, name), getattr(volume, name)
    turn = NAMES.index(name) + DTYPES.index(dtype)
    axis, other = AXES[turn % len(AXES)], AXES[(turn + 3) % len(AXES)]
    agrees(method(axis), function(array, axis=axis))
    agrees(function(volume, axis=other, keepdims=True), function(array, axis=other, keepdims=True))
    agrees(method(1, keepdims=True), function(array, axis=1, keepdims=True))
    agrees(function(volume), function(array))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
@pytest.mark.parametrize("result", ["uint8", "int16", "uint64", "float32", "float64", "complex128", "bool"])
def test_a_dtype_is_that_of_the_result(dtype: str, result: str) -> None:
    array = voxels_of(dtype)
    agrees(in_pieces(array).sum((1, 3), result), array.sum((1, 3), result))
    if result != "bool":
        agrees(in_pieces(array).mean(2, result), array.mean(2, result))


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_sums_are_exact_where_64_bits_are_not_enough(dtype: str) -> None:
    array = np.full(SHAPE, np.iinfo(dtype).max if dtype == "uint64" else np.iinfo(dtype).min, dtype)
    array[0, 3] = 12345
    volume, exact = in_pieces(array), array.astype(object)
    total = volume.sum()
    assert type(total) is int
    assert total == exact.sum()
    np.testing.assert_array_equal(volume.sum((0, 2)), exact.sum((0, 2)))
    np.testing.assert_array_equal(volume.sum(1, object), exact.sum(1))
    assert volume.mean() == exact.sum() / array.size
    agrees(volume.sum(1, dtype), array.sum(1, dtype))


@settings(max_examples=60)
@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=120), st.sampled_from(["int64", "uint64"]))
def test_any_integers_are_added_exactly(values: list[int], dtype: str) -> None:
    array = np.array(values).astype(dtype).reshape(1, -1, 1, 1)
    assert int(in_pieces(array).sum()) == sum(array.ravel().tolist())
    assert in_pieces(array).mean() == pytest.approx(sum(array.ravel().tolist()) / array.size, rel=1e-15)


def test_a_small_deviation_around_a_large_mean_keeps_its_digits() -> None:
    array = (np.arange(np.prod(SHAPE)).reshape(SHAPE) % 3 + (1 << 40)).astype("int64")
    assert in_pieces(array).std() == pytest.approx((array - (1 << 40)).std(), rel=1e-6)
    assert in_pieces(np.full(SHAPE, 1 << 50)).std() == 0


@pytest.mark.parametrize("ddof", [0, 1, 2.5])
def test_a_deviation_takes_ddof(ddof: float) -> None:
    array = voxels_of("uint16")
    agrees(np.std(in_pieces(array), axis=2, ddof=ddof), np.std(array, axis=2, ddof=ddof))


@pytest.mark.parametrize("name", NAMES)
def test_a_nan_and_infinities_stay(name: str) -> None:
    array = voxels_of("float64")
    array[0, 3, 4, 5], array[1, 2, 3, 4] = np.nan, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for axis in (None, 1):
            agrees(getattr(in_pieces(array), name)(axis), getattr(np, name)(array, axis=axis))


@pytest.mark.parametrize(
    "reduce",
    [
        lambda a: np.sum(a, axis=1, initial=7), lambda a: np.sum(a, dtype="float64", initial=2.5),
        lambda a: np.min(a, initial=0), lambda a: np.max(a, axis=2, initial=60_000),
        lambda a: np.add.reduce(a), lambda a: np.add.reduce(a, (1, 2), dtype="int32", keepdims=True),
        lambda a: np.minimum.reduce(a, 3), lambda a: np.maximum.reduce(a, None, initial=3),
        lambda a: np.sum(a, axis=0, out=np.zeros(SHAPE[1:], "int64")),
        lambda a: np.add.reduce(a, axis=0, out=np.zeros(SHAPE[1:], "float64")),
        lambda a: np.mean(a, axis=(0, 3), out=np.zeros(SHAPE[1:3])),
        lambda a: np.any(a, axis=(0, 3), out=np.zeros(SHAPE[1:3], bool)),
    ],
)  # fmt: skip
def test_functions_of_numpy_stream(reduce: Callable[[Any], Any]) -> None:
    array = voxels_of("uint16")
    store = WatchedStore(array, (4, 4, 4), piece_bytes=(1000, 1000))
    agrees(reduce(store.volume()), reduce(array))
    assert max(box.size for box in store.reads) <= 500


def test_an_output_is_returned() -> None:
    volume, out = in_pieces(voxels_of("uint8")), np.zeros(SHAPE[:1], "uint64")
    assert volume.sum((1, 2, 3), out=out) is out
    with pytest.raises(ValueError, match="out"):
        volume.sum((1, 2), out=out)
    with pytest.raises(TypeError):
        volume.mean((1, 2, 3), out=out)


@pytest.mark.parametrize(
    ("axis", "error"),
    [(4, AxisError), (-5, AxisError), ((1, 1), ValueError), ((0, 9), AxisError), ("x", TypeError), (1.5, TypeError)],
)
@pytest.mark.parametrize("name", ["sum", "min", "std"])
def test_a_wrong_axis_is_the_error_of_numpy(name: str, axis: Any, error: type[Exception]) -> None:
    store = WatchedStore(voxels_of("uint8"), (4, 4, 4))
    with pytest.raises(error):
        getattr(store.volume(), name)(axis)
    assert store.asked == []


def test_a_box_is_reduced() -> None:
    array, box = voxels_of("int32"), Box((0, 3, 2, 1), (1, 17, 13, 6))
    part = array[box.slices_from((0,) * 4)]
    for name in NAMES:
        agrees(getattr(in_pieces(array), name)(2, box=box), getattr(np, name)(part, axis=2))
    with pytest.raises(SelectionError):
        in_pieces(array).sum(box=((0, 0, 0, 0), (1, 99, 1, 1)))


def test_the_bounds_are_reduced() -> None:
    volume = pyvolume.from_array(np.zeros((1, 0, 0, 0), "int32"), growable=True, block_shape=(4, 4, 4))
    volume.write(Box((0, -5, 600, 8), (1, 15, 613, 15)), voxels_of("int32")[:1])
    assert volume.mean() == np.mean(voxels_of("int32")[:1])
    agrees(np.min(volume, axis=0), np.min(voxels_of("int32")[:1], axis=0))


def test_an_empty_volume_is_that_of_numpy() -> None:
    empty = np.zeros((1, 0, 3), "uint8")
    volume = pyvolume.from_array(empty, "cxy")
    agrees(volume.sum(1), empty.sum(1))
    agrees(np.sum(volume, initial=3), np.sum(empty, initial=3))
    assert (volume.any(), volume.all()) == (False, True)
    with pytest.raises(ValueError, match="zero-size"):
        volume.max()
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="empty"):
        assert np.isnan(volume.mean())


def test_each_voxel_is_read_once_and_told() -> None:
    seen: list[pyvolume.TransferStatus] = []
    store = WatchedStore(voxels_of("uint16"), (4, 4, 4), piece_bytes=(1000, 1000))
    store.volume().std(progress=seen.append)
    assert sum(box.size for box in store.reads) == np.prod(SHAPE)
    assert seen[-1].bytes_done == seen[-1].bytes_total == 2 * np.prod(SHAPE)
    assert len(seen) == len(store.reads) > 3


@pytest.mark.parametrize("reduce", [np.sum, np.std, pyvolume.Volume.unique_counts], ids=lambda each: each.__name__)
def test_few_pieces_are_in_memory(reduce: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    volume = pyvolume.from_array(np.broadcast_to(np.uint8(1), (1, 512, 512, 512)), block_shape=(64, 64, 64))
    tracemalloc.start()
    try:
        reduce(volume)
        assert tracemalloc.get_traced_memory()[1] < volume.nbytes * 3 // 4
    finally:
        tracemalloc.stop()
