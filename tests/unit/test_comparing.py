"""Comparing arrays and volumes in memory: numpy says where they differ."""

from __future__ import annotations

import pickle
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from generated_store import GeneratedStore
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box
from pyvolume.errors import SelectionError, TransportError, VoxelsMismatchError

SHAPE = (2, 20, 17, 25)
BLOCKS = (8, 4, 16)


def volume_of(array: NDArray[Any], blocks: tuple[int, ...] | None = BLOCKS, **options: Any) -> pyvolume.Volume:
    return pyvolume.from_array(array.copy(order="F"), block_shape=blocks, **options)


def changed(array: NDArray[Any], count: int, seed: int = 0) -> NDArray[Any]:
    other = array.copy()
    for place in np.random.default_rng(seed).integers(0, array.shape, (count, array.ndim)):
        other[tuple(place)] ^= 1
    return other


def counts_by_block(a: NDArray[Any], b: NDArray[Any], box: Box, blocks: tuple[int, ...]) -> dict[Box, int]:
    """Count by looking at each voxel."""
    found: dict[tuple[int, ...], int] = {}
    for place in np.argwhere(a != b):
        if all(low <= each < high for low, each, high in zip(box.start, place, box.stop, strict=True)):
            block = tuple(int(each) // cell for each, cell in zip(place, blocks, strict=True))
            found[block] = found.get(block, 0) + 1
    boxes = {}
    for block, count in found.items():
        cells = list(zip(block, blocks, strict=True))
        whole = Box(tuple(n * cell for n, cell in cells), tuple(n * cell + cell for n, cell in cells))
        part = whole.intersection(box)
        assert part is not None
        boxes[part] = count
    return boxes


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 30),
    blocks=st.tuples(st.integers(2, 12), st.integers(1, 20), st.integers(1, 30)),
    corners=st.tuples(*(st.tuples(st.integers(0, n), st.integers(0, n)) for n in SHAPE)),
)
def test_blocks_and_counts_are_those_that_looking_at_each_voxel_finds(
    seed: int, count: int, blocks: tuple[int, int, int], corners: tuple[tuple[int, int], ...]
) -> None:
    a = ramp(SHAPE, seed=seed)
    b = changed(a, count, seed)
    box = Box([min(each) for each in corners], [max(each) for each in corners])
    difference = pyvolume.compare(volume_of(a, blocks), b, box)
    counted = dict(zip(difference, difference.counts.tolist(), strict=True))
    # the channel is an axis of its own: a store in memory has blocks of one channel
    assert counted == counts_by_block(a, b, box, (1, *blocks))
    part = (a != b)[box.slices_from((0,) * 4)]
    assert difference.voxel_count == part.sum()
    assert bool(difference) == part.any()
    if part.any():
        faces = [np.argwhere(part).min(0) + box.start, np.argwhere(part).max(0) + box.start + 1]
        assert difference.bounds == Box(*faces)
    else:
        assert difference.bounds is None


def test_the_values_are_read_again() -> None:
    a = ramp(SHAPE)
    b = changed(a, 5)
    found = list(pyvolume.compare(volume_of(a), b).values())
    assert len(found) == 5
    for box, left, right in found:
        np.testing.assert_array_equal(left, a[box.slices_from((0,) * 4)], strict=True)
        np.testing.assert_array_equal(right, b[box.slices_from((0,) * 4)], strict=True)


def test_a_nan_equals_a_nan() -> None:
    a = np.zeros((1, 8, 8, 8), "float32")
    a[0, 1, 2, 3] = a[0, 4, 4, 4] = np.nan
    b = a.copy()
    assert not pyvolume.compare(a, b)
    b[0, 4, 4, 4] = 0
    b[0, 1, 1, 1] = np.nan
    assert pyvolume.compare(a, b).voxel_count == 2


@pytest.mark.parametrize(
    ("left", "right"),
    [("uint8", "uint16"), ("int8", "int64"), ("bool", "uint8"), ("float32", "uint32"), (">u2", "<u2")],
)
def test_values_count_and_not_their_dtype(left: str, right: str) -> None:
    a, b = np.ones((1, 4, 4, 4), left), np.ones((1, 4, 4, 4), right)
    assert not pyvolume.compare(a, b)
    b[0, 1, 1, 1] = 0
    assert pyvolume.compare(a, b).voxel_count == 1


def test_large_integers_of_either_sign_are_told_apart() -> None:
    a, b = np.full((1, 2, 2, 2), 2**63 - 1, "int64"), np.full((1, 2, 2, 2), 2**63, "uint64")
    assert pyvolume.compare(a, b).voxel_count == 8


@pytest.mark.parametrize("dtypes", [("uint64", "float32"), ("float64", "int64"), ("complex64", "uint8")])
def test_dtypes_that_would_be_rounded_are_refused(dtypes: tuple[str, str]) -> None:
    a, b = (np.zeros((1, 2, 2, 2), dtype) for dtype in dtypes)
    with pytest.raises(VoxelsMismatchError, match="cannot be compared exactly"):
        pyvolume.compare(a, b)


def test_outside_its_bounds_a_growable_volume_counts_as_zeros() -> None:
    small, large = np.ones((1, 4, 4, 4), "uint8"), np.ones((1, 8, 4, 4), "uint8")
    large[:, 6:] = 0
    difference = pyvolume.compare(volume_of(small, (4, 4, 4), growable=True), large)
    assert difference.bounds == Box((0, 4, 0, 0), (1, 6, 4, 4))


@pytest.mark.parametrize("order", [1, -1])
def test_a_volume_that_has_nothing_in_the_box_is_refused(order: int) -> None:
    pair: list[Any] = [np.ones((1, 4, 4, 4), "uint8"), volume_of(np.ones((1, 8, 4, 4), "uint8"))]
    a, b = pair[::order]
    with pytest.raises(SelectionError, match="give a box that both have"):
        pyvolume.compare(a, b)
    assert not pyvolume.compare(a, b, Box((0, 0, 0, 0), (1, 4, 4, 4)))


@pytest.mark.parametrize(
    ("a", "b", "box", "error", "match"),
    [
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 4, 4)), None, VoxelsMismatchError, "as many axes"),
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 4)), Box((0,), (1,)), SelectionError, "axes"),
        (np.zeros((1, 4, 4)), np.zeros((3, 4, 4)), None, SelectionError, "both have"),
        (np.zeros((1, 4, 4)), "text", None, TypeError, "compare: expected a volume"),
    ],
)
def test_what_does_not_fit_is_refused(a: Any, b: Any, box: Box | None, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        pyvolume.compare(a, b, box)


def test_less_than_one_piece_at_once_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        pyvolume.compare(np.zeros((1, 4)), np.zeros((1, 4)), concurrency=0)


def test_nothing_is_equal_to_nothing() -> None:
    difference = pyvolume.compare(np.zeros((1, 0, 4, 4)), np.zeros((1, 0, 4, 4)))
    assert not difference
    assert list(difference) == []
    assert list(difference.values()) == []


def test_the_same_version_is_equal_without_a_request() -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing should be read")

    store = WatchedStore(np.zeros(SHAPE, "uint8"), before=refuse)
    volume = store.volume()
    assert not pyvolume.compare(volume, pyvolume.Volume(store, volume.metadata))


def test_a_lossy_store_is_read_although_it_is_the_same() -> None:
    store = WatchedStore(np.zeros(SHAPE, "uint8"), faithful=False)
    volume = store.volume()
    assert not pyvolume.compare(volume, pyvolume.Volume(store, volume.metadata))
    assert len(store.asked) == 2


def test_both_sides_are_read_at_once() -> None:
    together = threading.Barrier(2, timeout=10)
    a, b = (WatchedStore(np.zeros(SHAPE, "uint8"), before=lambda *_: together.wait()).volume() for _ in range(2))
    assert not pyvolume.compare(a, b, concurrency=2)


def test_an_error_tells_what_was_not_compared() -> None:
    def fail(_: str, box: Box) -> None:
        if box.start[3] == 128:
            raise TransportError("the line is cut")

    a = np.zeros((1, 512, 512, 256), "uint8")
    store = WatchedStore(a, (64, 64, 64), before=fail)
    with pytest.raises(TransportError) as caught:
        pyvolume.compare(store.volume(), a)
    assert tuple(caught.value.remaining) == (
        Box((0, 0, 0, 128), (1, 512, 512, 192)),
        Box((0, 0, 0, 192), (1, 512, 512, 256)),
    )


def test_memory_stays_within_a_few_pieces() -> None:
    box = Box((0, 0, 0, 0), (1, 4096, 2048, 64))  # 512 MiB of each
    stores = [GeneratedStore(concurrency=2) for _ in range(2)]
    stores[0].address = "another://"
    a, b = (store.volume() for store in stores)
    tracemalloc.start()
    try:
        assert not pyvolume.compare(a, b, box)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150 << 20
    assert [len(store.asked) for store in stores] == [32, 32]


def test_progress_counts_the_bytes_of_both() -> None:
    seen: list[pyvolume.TransferStatus] = []
    pyvolume.compare(np.zeros((1, 8, 8), "uint8"), np.zeros((1, 8, 8), "uint16"), progress=seen.append)
    assert seen == [pyvolume.TransferStatus(192, 192, 0)]


def test_a_difference_says_what_it_found() -> None:
    a = np.zeros((1, 8, 8, 8), "uint8")
    b = a.copy()
    assert repr(pyvolume.compare(a, b)) == "<Difference: none in 512 voxels, (0:1, 0:8, 0:8, 0:8)>"
    b[0, 1, 2, 3] = b[0, 7, 2, 3] = 1
    assert repr(pyvolume.compare(a, b)) == (
        "<Difference: 2 of 512 voxels, in 1 block of 1×64×64×64, within (0:1, 1:8, 2:3, 3:4)>"
    )


def test_a_difference_pickles() -> None:
    a = ramp(SHAPE)
    difference = pyvolume.compare(a, changed(a, 5))
    copy: pyvolume.Difference = pickle.loads(pickle.dumps(difference))
    assert list(copy) == list(difference)
    np.testing.assert_array_equal(copy.counts, difference.counts, strict=True)


def test_a_pair_of_corners_is_a_box() -> None:
    a, b = (pyvolume.from_array(np.full((1, 4, 4, 4), value, "uint8")) for value in (1, 2))
    corners = ((0, 1, 1, 1), (1, 3, 3, 3))
    assert pyvolume.compare(a, b, corners).box == Box(*corners)
    pyvolume.copy(b, a, corners)
    assert pyvolume.compare(a, b).voxel_count == 4**3 - 2**3
