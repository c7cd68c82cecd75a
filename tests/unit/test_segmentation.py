"""Counts of labels and overlaps of segmentations: looking at each voxel says what they are."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated_store import GeneratedStore
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box
from pyvolume.errors import SelectionError, TransportError, VoxelsMismatchError
from pyvolume.reductions import stream
from pyvolume.segmentation import overlap, relabel, unique_counts

SHAPE = (2, 20, 13, 7)
DTYPES = ["bool", "uint8", "int16", "uint32", "int64", "uint64"]


@pytest.fixture(autouse=True)
def small_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SLAB_VOXELS", 50)
    monkeypatch.setattr("pyvolume.segmentation.SLAB_VOXELS", 50)


def labels_of(dtype: str, seed: int = 0, shape: tuple[int, ...] = SHAPE) -> NDArray[Any]:
    """Make bodies of a few voxels, with the highest and the lowest label among them."""
    values = [0, 1] if dtype == "bool" else [0, 1, 7, 100, np.iinfo(dtype).min, np.iinfo(dtype).max]
    chosen = np.array(values, dtype)
    coarse = np.random.default_rng(seed).choice(chosen, [-(-n // 3) for n in shape])
    return np.kron(coarse, np.ones((3,) * len(shape), dtype))[tuple(map(slice, shape))]


def in_pieces(array: NDArray[Any], **traits: Any) -> pyvolume.Volume:
    return WatchedStore(array, (4, 4, 4), piece_bytes=(1000, 1000), preferred_concurrency=2, **traits).volume()


def counted(*arrays: NDArray[Any]) -> dict[tuple[int, ...], int]:
    return dict(Counter(zip(*(array.ravel().tolist() for array in arrays), strict=True)))


def as_dict(*columns: NDArray[Any]) -> dict[tuple[int, ...], int]:
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert rows == sorted(rows)
    return {row[:-1]: row[-1] for row in rows}


@pytest.mark.parametrize("dtype", DTYPES)
def test_labels_are_counted(dtype: str) -> None:
    array = labels_of(dtype)
    for labels in (array, in_pieces(array)):
        found = unique_counts(labels)
        assert as_dict(*found) == counted(array)
        assert (found.values.dtype, found.counts.dtype) == (array.dtype, np.dtype(np.int64))


def test_labels_of_a_box_are_counted() -> None:
    array = labels_of("uint64")
    found = unique_counts(in_pieces(array), ((0, 3, 2, 1), (1, 9, 8, 5)))
    assert as_dict(*found) == counted(array[:1, 3:9, 2:8, 1:5])


@pytest.mark.parametrize(
    "mapping", [{}, {7: 1}, {7: 7}, {1: 100, 100: 1, 5: 6}, {1: 0, 7: 0, 100: 0, 1 << 70: 3, -1: 3}]
)
def test_labels_are_counted_under_others(mapping: dict[int, int]) -> None:
    array = labels_of("uint64")
    mapped = np.vectorize(lambda label: mapping.get(label, label), otypes=["uint64"])(array.astype(object))
    assert as_dict(*unique_counts(in_pieces(array), mapping=mapping)) == counted(mapped)
    np.testing.assert_array_equal(relabel(array, mapping), mapped, strict=True)


@given(
    st.lists(st.integers(0, 255), max_size=30),
    st.dictionaries(st.integers(-3, 300), st.integers(0, 255), max_size=20),
)
def test_any_labels_are_replaced(labels: list[int], mapping: dict[int, int]) -> None:
    array = np.array(labels, "uint8")
    np.testing.assert_array_equal(relabel(array, mapping), [mapping.get(label, label) for label in labels])
    assert array.tolist() == labels


@pytest.mark.parametrize(("dtype", "new"), [("uint8", 256), ("uint64", -1), ("int16", 1 << 15), ("uint64", 1 << 64)])
def test_a_label_that_the_dtype_cannot_hold_is_refused(dtype: str, new: int) -> None:
    with pytest.raises(VoxelsMismatchError, match=dtype):
        relabel(np.zeros(3, dtype), {1: new})
    with pytest.raises(VoxelsMismatchError, match=dtype):
        unique_counts(np.zeros((1, 2, 2, 2), dtype), mapping={1: new})


@pytest.mark.parametrize("dtype", ["bool", "float32"])
def test_only_integers_are_replaced(dtype: str) -> None:
    with pytest.raises(VoxelsMismatchError, match="integers"):
        relabel(np.zeros(3, dtype), {1: 2})


@pytest.mark.parametrize("dtypes", [(a, b) for a in DTYPES for b in ("uint64", "uint8")], ids=str)
def test_pairs_of_labels_are_counted(dtypes: tuple[str, str]) -> None:
    a, b = labels_of(dtypes[0], 1), labels_of(dtypes[1], 2)
    for left, right in ((a, b), (in_pieces(a), in_pieces(b)), (in_pieces(a), np.ascontiguousarray(b))):
        found = overlap(left, right)
        assert as_dict(*found) == counted(a, b)
        assert (found.a.dtype, found.b.dtype, found.counts.dtype) == (a.dtype, b.dtype, np.dtype(np.int64))


@given(st.tuples(*(st.tuples(st.integers(0, n), st.integers(0, n)) for n in SHAPE)), st.integers(0, 99))
def test_pairs_of_any_box_are_counted(corners: tuple[tuple[int, int], ...], seed: int) -> None:
    a, b = labels_of("uint64", seed), labels_of("uint16", seed + 1)
    box = Box([min(each) for each in corners], [max(each) for each in corners])
    place = box.slices_from((0,) * 4)
    assert as_dict(*overlap(in_pieces(a), in_pieces(b), box)) == counted(a[place], b[place])


def test_volumes_with_different_bounds_need_a_box() -> None:
    a, b = labels_of("uint64"), labels_of("uint64", 1, (2, 20, 13, 9))
    with pytest.raises(VoxelsMismatchError, match="box"):
        overlap(in_pieces(a), b)
    box = Box((0,) * 4, SHAPE)
    assert as_dict(*overlap(in_pieces(a), b, box)) == counted(a, b[..., :7])
    with pytest.raises(SelectionError, match="both"):
        overlap(in_pieces(a), b, Box((0,) * 4, b.shape))


def test_a_volume_has_its_fill_value_outside_its_bounds() -> None:
    a, b = labels_of("uint64"), labels_of("uint64", 1, (2, 20, 13, 9))
    found = overlap(in_pieces(a, growable=True), b, Box((0,) * 4, b.shape))
    assert as_dict(*found) == counted(np.pad(a, [(0, 0)] * 3 + [(0, 2)]), b)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_voxels_that_are_no_labels_are_refused(dtype: str) -> None:
    image, labels = np.zeros(SHAPE, dtype), labels_of("uint64")
    for function in (lambda: unique_counts(image), lambda: overlap(image, labels), lambda: overlap(labels, image)):
        with pytest.raises(VoxelsMismatchError, match=dtype):
            function()


def test_other_numbers_of_axes_are_refused() -> None:
    with pytest.raises(VoxelsMismatchError, match="axes"):
        overlap(np.zeros((1, 4, 4, 4), "uint8"), np.zeros((1, 4, 4), "uint8"))


def test_nothing_has_no_pairs() -> None:
    empty = np.zeros((1, 0, 4, 4), "uint8")
    assert [column.tolist() for column in overlap(empty, empty)] == [[], [], []]


def test_an_error_names_what_was_not_counted() -> None:
    asked = []

    def fail(_: str, box: Box) -> None:
        asked.append(box)
        if len(asked) == 3:
            raise TransportError("the cable is cut")

    a = labels_of("uint64")
    broken = WatchedStore(a, (4, 4, 4), before=fail, piece_bytes=(1000, 1000), preferred_concurrency=1).volume()
    with pytest.raises(TransportError) as caught:
        overlap(broken, in_pieces(a), concurrency=1)
    left = list(caught.value.remaining)
    assert asked[2] in left
    assert asked[0] not in left


def test_labels_of_ome_zarr_are_counted(tmp_path: Path) -> None:
    cells, nuclei = labels_of("uint32", 1), labels_of("uint16", 2)
    first = pyvolume.create(f"{tmp_path}/cells.zarr", SHAPE, "uint32", chunks=(1, 8, 8, 8))
    second = pyvolume.create(f"{tmp_path}/nuclei.zarr", SHAPE, "uint16", chunks=(1, 5, 4, 3))
    first[...], second[...] = cells, nuclei
    assert as_dict(*unique_counts(first)) == counted(cells)
    assert as_dict(*overlap(first, second)) == counted(cells, nuclei)


def test_large_segmentations_need_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pyvolume.segmentation", "pyvolume.reductions.stream"):
        monkeypatch.setattr(f"{module}.SLAB_VOXELS", 1 << 16)
    stores = GeneratedStore(side=256), GeneratedStore(side=256)
    for store in stores:
        store.traits = dataclasses.replace(store.traits, piece_bytes=(1 << 20, 1 << 20))
    a, b = (store.volume() for store in stores)
    tracemalloc.start()
    try:
        pairs = overlap(a, b, concurrency=1)
        labels = unique_counts(a)
        assert tracemalloc.get_traced_memory()[1] < a.nbytes
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(pairs.counts, labels.counts)
    assert pairs.counts.sum() == a.size
