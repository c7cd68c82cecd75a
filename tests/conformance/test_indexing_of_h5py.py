"""h5py's own tests of slicing, in other words and with a channel in front, beside h5py itself.

The cases follow ``h5py/tests``: test_slicing.py, test_dataset_getitem.py, test_selections.py, and the parts of
test_dataset.py about reading and writing. Left out is what a volume does not have: records and fields, references,
text, arrays as elements, datasets without a shape or without axes, and resizing without a write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import pytest
from conformance_stores import ramp
from peers import Case, agree, cases, check, volume_of

import pyvolume

S = np.s_
LINE, FLAT, EMPTY = (1, 50), (5, 3), (1, 0)
BACKWARDS = "Negative steps"
ORDER = "Lists in any order, with repetitions"
NEW_AXIS = "New axes"
LISTS = "Lists and masks beside other indices"

READS = [
    Case("test_single_index", LINE, S[0, 0]),
    Case("test_single_null", LINE, ()),
    Case("test_negative_stop", LINE, S[:, 2:-2]),
    *(
        Case("test_slice_zero_length_dimension", (1, *shape), key)
        for shape in [(0,), (0, 3), (0, 2, 1)]
        for key in [..., S[:], S[:, :, :1]]
    ),
    *(Case("test_slice_other_dimension", shape, S[:1]) for shape in [(3, 0), (1, 2, 0), (2, 0, 1)]),
    *(Case("test_slice_of_length_zero", shape, S[1:1]) for shape in [(3, 1), (2, 2), (2, 1, 5)]),
    Case(
        "TestMultiBlockSlice",
        LINE,
        S[0, h5py.MultiBlockSlice(start=1, count=2, stride=5, block=4)],
        differs="``MultiBlockSlice``",
    ),
    *cases(
        "Test1DZeroFloat", EMPTY, [..., (), S[0, 0:4], S[0, 7:5], S[0, 0], S[0, []], S[0, np.ones(0, bool)], "field"]
    ),
    *(
        Case("Test1DFloat", LINE, S[0, key])
        for key in [
            *S[0:4, 4:4, 1:7:3, -8:-2:3, 7:5, 100:400:3, ::0, 3, -4, 100],
            *([1, 2, 5], np.array([1, 2, 5]), range(0, 50, 2), [], [100], [0, 2, -2], np.ones(2, bool), {}, "field"),
        ]
    ),
    *(
        Case("test_indexlist_ellipsis", LINE, S[0, key, ...])
        for key in [[0], np.array([0]), range(0, 50, 2), np.array([1, 2, 5])]
    ),
    Case("test_slice_backwards", LINE, S[0, ::-1], differs=BACKWARDS),
    Case("test_index_none", LINE, None, differs=NEW_AXIS),
    Case("test_error_newaxis", LINE, S[None, :], differs=NEW_AXIS),
    *(Case("test_indexlist_nonmonotonic", LINE, S[0, key], differs=ORDER) for key in [[1, 3, 2], [-2, -3], [1, 1, 2]]),
    *(Case("test_mask", FLAT, ramp(FLAT) > least) for least in (-1, 128, 255)),
    *cases("Test2DFloat", FLAT, [S[:, []], []]),
    *cases("Test2DFloat", (2, 0), [S[:, []], []]),
    *cases("Test2DFloat", FLAT, [S[:, [0, 1, 2]], S[..., [0, 2]]]),
    Case("Test2DZeroFloat", (3, 0), S[[0, 1, 2]]),
    *(Case("TestBoolIndex", (3, 3), S[key, :]) for key in [[False, True, False], [False, True, False, False]]),
    *cases("test_bool_selection_1d", (3, 3), [np.array([True, False, True]), S[:, [True, False, True]]]),
    *cases("TestSelection", (10, 2), [[1, 2, 3], ((1, 2, 3),), np.arange(10) % 4 == 0, 1, "foo"]),
    Case("TestSelection", (10, 2), S[[1, 2], [0, 1]], differs=LISTS),
    Case("TestSelection", (5, 3), S[[True, False, True, False, False], [0, 1]], differs=LISTS),
    *cases("TestZeroShape", (1, 0, 0), [..., ()]),
]

WRITES = [
    Case("TestSimpleSlicing.test_write", (10, 2), S[:, 0], np.arange(10)),
    Case("TestSimpleSlicing.test_write", (10, 2), S[:, 1], np.zeros((10, 1), int)),
    *cases("test_scalar_assignment", (3, 5, 5), [S[1, :, 4], S[1], S[0:2]], 10),
    Case("test_setitem_fancy_indexing", (5, 100, 2), S[:, [0, 2, 4], ...], ramp((5, 3, 2))),
    *(Case("test_set_zerosel", FLAT, S[0:0], values) for values in (1, np.arange(4))),
    *(
        Case("test_write_direct", shape, key, values)
        for shape, key, values in [
            ((1, 100), S[:, 50:60], ramp((10,))),
            ((20, 20), S[:, :10], ramp((20, 10))),
            ((1, 6), S[0, :], ramp((6,))),
        ]
    ),
]

GROWING = [
    *(Case("TestZeroSizeSelectionResizableDataset", EMPTY, S[:], values) for values in (1, np.arange(4))),
    *(Case("TestZeroSizeSelectionResizableDataset", (1, 1), S[:, 0:0], values) for values in (1, np.arange(4))),
]


@pytest.fixture(scope="module")
def file() -> Iterator[h5py.File]:
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        yield file


def compare(case: Case, volume: pyvolume.Volume, file: h5py.File) -> None:
    dataset = file.create_dataset(None, data=case.array, maxshape=(None,) * len(case.shape))
    ours, theirs = case.outcome(volume, own=True), case.outcome(dataset)
    check(case, ours, theirs, same=agree(ours, theirs))


@pytest.mark.parametrize("case", READS + WRITES, ids=str)
def test_a_volume_does_what_h5py_does(case: Case, file: h5py.File) -> None:
    compare(case, volume_of(case.array), file)


@pytest.mark.parametrize("case", GROWING, ids=str)
def test_a_volume_that_can_grow_does_what_a_resizable_dataset_does(case: Case, file: h5py.File) -> None:
    compare(case, pyvolume.from_array(case.array, "cx", growable=True), file)


@pytest.mark.parametrize(
    ("shape", "box", "into", "place"),
    [
        ((1, 100), pyvolume.Box((0, 0), (1, 10)), (1, 100), S[:, 50:60]),
        ((30, 10), pyvolume.Box((0, 0), (20, 10)), (20, 20), S[:, :10]),
        ((5, 7, 9), pyvolume.Box((2, 0, 3), (3, 6, 4)), (1, 6, 1), S[:]),
        ((1, 0, 20), pyvolume.Box((0, 0, 0), (1, 0, 20)), (1, 0, 20), S[:]),
    ],
    ids=str,
)
def test_read_direct_is_a_read_into_an_array(
    shape: tuple[int, ...], box: pyvolume.Box, into: tuple[int, ...], place: Any, file: h5py.File
) -> None:
    array, ours, theirs = ramp(shape), np.full(into, 9, "uint8"), np.full(into, 9, "uint8")
    volume_of(array).read(box, ours[place])
    file.create_dataset(None, data=array).read_direct(theirs, box.slices_from((0,) * len(shape)), place)
    np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize(
    "box", [None, ((0, 48, 40), (1, 52, 50)), ((0, 0, 40), (1, 52, 100)), ((0, 96, 19), (1, 97, 67))], ids=str
)
def test_iter_chunks_is_blocks(box: Any, file: h5py.File) -> None:
    array = ramp((1, 100, 100))
    volume = pyvolume.from_array(array, "cxy", block_shape=(32, 64))
    chunks = file.create_dataset(None, data=array, chunks=(1, 32, 64)).iter_chunks(box and tuple(map(slice, *box)))
    theirs = {pyvolume.Box([part.start for part in each], [part.stop for part in each]) for each in chunks}
    assert set(volume.blocks(box, shape=(1, 32, 64))) == theirs


@pytest.mark.parametrize(
    "call", [len, list, lambda each: each == 3, lambda each: each != 3.0], ids=["len", "iter", "==", "!="]
)
def test_what_would_read_everything_is_refused(call: Any, file: h5py.File) -> None:
    # TestLen, TestIter, TestCommutative; the difference is "``len``, iteration, ``==`` and arithmetic"
    call(file.create_dataset(None, data=ramp(FLAT)))
    with pytest.raises(TypeError, match="volume"):
        call(volume_of(ramp(FLAT)))


@pytest.mark.parametrize("shape", [FLAT, EMPTY, (1, 0, 0)], ids=str)
def test_array_conversion(shape: tuple[int, ...]) -> None:
    # also test_array_copy, test_array_dtype, test_array_nd
    volume = volume_of(ramp(shape))
    np.testing.assert_array_equal(np.array(volume), ramp(shape), strict=True)
    np.testing.assert_array_equal(np.array(volume, dtype="f4"), ramp(shape).astype("f4"), strict=True)
    with pytest.raises(ValueError, match="copy"):
        np.array(volume, copy=False)


def test_python_int_uint64() -> None:
    volume, values = pyvolume.from_array(np.zeros((1, 2), "uint64")), [2**63 - 1, 2**63]
    volume[:] = values
    np.testing.assert_array_equal(volume[0], np.array(values, "uint64"), strict=True)


def test_very_large_array() -> None:
    assert pyvolume.from_array(np.broadcast_to(np.uint8(0), (2**15, 2**16))).size == 2**31
