"""numpy's own tests of indexing, in other words and with a channel in front.

The cases follow ``numpy/_core/tests``: test_indexing.py, test_indexerrors.py and the parts of test_multiarray.py about
``[]``. Left out is what a volume does not have: records and fields, text and objects as voxels, arrays without axes or
with dozens, ``flat``, ``take``, ``put``, subclasses of results, views of views, and counts of references.
"""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp
from keys import not_growing
from numpy.typing import NDArray
from peers import Case, agree, cases, check, documented, volume_of

import pyvolume
from pyvolume.indexing.channel import Channel


class Zero:
    """What can be an index."""

    def __index__(self) -> int:
        return 0


class ZeroArray:
    """What numpy can turn into an array without axes."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(0)


class Sequence(Zero):
    """What can be an index, and says that it is a sequence."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, item: object) -> None:
        raise IndexError


class Pair(tuple[Any, ...]):
    """A tuple of another class."""


class Own(np.ndarray[Any, Any]):
    """An array of another class."""


def unaligned(values: list[int]) -> NDArray[np.intp]:
    memory = np.zeros(len(values) * 8 + 1, "uint8")[1:].view(np.intp)
    memory[...] = values
    return memory


def mask(*rows: str) -> NDArray[np.bool_]:
    """Draw a mask: a mark for each voxel that is selected."""
    return np.array([[each == "#" for each in row] for row in rows])


S = np.s_
CUBE, FLAT, FOUR, LINE = (1, 3, 4, 5), (3, 3), (3, 1, 5, 6), (1, 10)
THIN, THIN_INSIDE = (3, 0), (1, 0, 3)
ERRORS = "Errors"
CAST = "Values of another dtype"
AWAY = "An index that is broadcast away"
LITERAL = "A stop beyond the end, in an assignment"
DROPPED = "Several values for a key that selects no voxel"
ONE_IN_A_LIST = "A list of one number for one voxel"
STILL_EMPTY = "An array for a volume that is still empty"
WEIRD = np.broadcast_to(np.arange(10)[:, None, None, None], (10, 55, 4, 4))

READS = [
    *cases("test_index_no_floats", CUBE, [0.0, S[0, 0.0], S[0.0, :], S[:, -1.4], S[0, 0, 0, 0.0]]),
    *cases(
        "test_slicing_no_floats", CUBE, [S[0.0:], S[:, :2.0], S[..., ::1.0], S[::0.0], S[1.0:2:2.0, :0]], differs=ERRORS
    ),
    Case("test_index_no_array_to_index", FLAT, S[np.eye(3) : np.eye(3)], differs=ERRORS),
    *cases("test_none_index", CUBE, [None, S[None, 0], S[..., None], S[0, None, :, None]]),
    Case("test_empty_tuple_index", CUBE, ()),
    *cases(
        "test_same_kind_index_casting",
        (5, 5),
        [np.arange(5, dtype="uint64"), S[np.arange(5, dtype="uint64"), np.arange(5, dtype="uint8")]],
    ),
    *cases("test_empty_fancy_index", CUBE, [[], np.array([], np.intp), np.array([]), S[:, []]]),
    *cases(
        "test_ellipsis_index", CUBE, [..., S[0, ...], S[..., 0], S[0, ..., 1], S[0, 1, ..., 2, 3], S[0, 1, 2, 3, ...]]
    ),
    *cases("test_single_int_index", FLAT, [0, -1, 1 << 30, 1 << 64, -(1 << 64)]),
    *cases("test_single_bool_index", FLAT, [np.array(True), np.array(False)]),
    *cases("test_scalar_array_bool", FLAT, [True, False, np.True_, np.False_, S[True, :], S[:, False]]),
    *cases(
        "test_boolean_shape_mismatch",
        (5, 4, 3),
        [np.array([True]), np.array([False] * 6), np.zeros((4, 4), bool), S[:, np.zeros((4, 4), bool)]],
    ),
    Case("test_boolean_indexing_onedim", (1, 3), np.array([True])),
    *cases(
        "test_boolean_indexing_twodim",
        FLAT,
        [mask("#.#", ".#.", "#.#"), np.array([False, True, False]), mask("...", "...", "...")],
    ),
    *cases("test_boolean_indexing_list", FLAT, [[True, False, True], S[None, [True, False, True]]]),
    Case("test_reversed_strides_result_allocation", (10, 1), np.arange(10)[::-1]),
    *cases("test_broaderrors_indexing", (5, 5), [S[[0, 1], [0, 1, 2]], S[[[0], [1]], [[0, 1, 2]] * 3]]),
    *(Case("test_trivial_fancy_out_of_bounds", (5, 2), [1] * 19 + [n]) for n in (4, 5, -5, -6)),
    Case("test_trivial_fancy_not_possible", (6, 2), np.arange(6).reshape(2, 1, 3)[:, :, 0]),
    *cases(
        "test_scalar_return_type",
        (1, 1),
        [S[Zero(), 0], S[Zero(), np.array(0)], S[Zero(), ZeroArray()], S[Zero(), [0]], S[Zero(), 0, ...]],
    ),
    *cases("test_unaligned", (10, 3), [unaligned([3, 0, 9]), unaligned([3, 0, 9]) > 2]),
    *cases("test_tuple_subclass", (5, 5), [Pair(([1], [1])), (Pair(([1], [1])),)]),
    *cases("test_broken_sequence_not_nd_index", (10, 2), [Sequence(), S[Sequence(),], S[:, Sequence()]]),
    *cases("test_indexing_array_weird_strides", (10, 2), [WEIRD, S[WEIRD, np.zeros(4, np.intp)]]),
    *(
        Case("test_too_many_advanced_indices", (1, 1), (index,) * count)
        for index, count in itertools.product([True, False, np.array([0])], [64, 80])
    ),
    *cases("test_nontuple_ndindex", (5, 5), [[0, 1], S[[0, 1], [0, 1]], [slice(None)], [[0, 1], [1, 0]]]),
    *cases("test_valid_indexing", (1, 1, 1), [np.array([0]), [0, 0], S[:, [0, 0]], S[:, 0, :], S[:, :, :]]),
    *cases("test_valid_slicing", (1, 1, 1), [S[::], S[0:], S[:2], S[::2], S[1::2], S[:2:2], S[1:2:2]]),
    *cases(
        "test_boolean_indexing_weirdness",
        (2, 3, 4),
        [S[False, True, ...], S[True, [0, 1], True, True, [1], [[2]]], S[False, [0, 1], ...]],
    ),
    *(
        Case("test_boolean_indexing_fast_path", shape, key)
        for shape, key in [
            (FLAT, np.array([[False] * 9])),
            (FLAT, np.array([[False] * 8 + [True]])),
            ((1, 1, 2), np.array([[[True], [False]]])),
        ]
    ),
    *cases("TestNonIntegerArrayLike", LINE, [S[:, [0.5, 1.5]], S[:, ["1", "2"]], S[:, []], "x", b"x", {}]),
    *(Case("TestMultipleEllipsisError", LINE, (...,) * count) for count in (2, 3)),
    *cases("test_iterators_exceptions", (1, 2, 3), [S[0, 5, None, 2], S[0, 5, 2], S[0, 1, 3]]),
    *cases("test_iterators_exceptions", THIN_INSIDE, [S[0, 0, None, 2], S[0, 0, 2]]),
    *cases("test_mapping", (3, 5), [S[10, 20], S[1, [1, 20]], S[0, 1, 2, 3, 4], 12]),
    *cases("test_mapping", THIN, [S[1, 0], S[1, [0, 1]], S[:, []], S[:, 0:2], [[], []], S[[0, 1], :0]]),
    Case("test_mapping", THIN, S[[], [1]], differs=AWAY),
    *(Case("test_newaxis", (2, 2), (None,) * a + (...,) + (None,) * b) for a, b in [(0, 1), (1, 0), (1, 1), (0, 10)]),
    *cases("test_invalid_newaxis", (2, 2), [S[None, 0, 0, 0], (None,) * 70]),
    *cases("test_mask2", (2, 4), [np.array([False, True]), mask(".#..", "#..."), mask(".#..", "....")]),
    Case("TestFancyIndexing.test_tuple", (1, 1, 1), S[:, :, (0,)]),
]

WRITES = [
    Case("test_same_kind_index_casting", (5, 2), np.arange(5, dtype="uint64"), np.arange(5)[:, None]),
    Case("test_ellipsis_index", FLAT, (...,), 2),
    Case("test_boolean_indexing_onedim", (1, 3), np.array([True]), 1),
    *(
        Case("test_boolean_assignment_value_mismatch", (4, 1), [True] * 4, values)
        for values in ([], [[1]] * 3, [1, 2, 3])
    ),
    Case("test_boolean_assignment_needs_api", (4, 1), [True] * 4, np.ones((4, 1), object), differs=CAST),
    Case("test_boolean_indexing_twodim", FLAT, mask("#.#", ".#.", "#.#"), 0),
    Case(
        "test_reverse_strides_and_subspace_bufferinit",
        (5, 2),
        np.zeros(5, int)[::-1],
        np.arange(10).reshape(5, 2)[::-1],
    ),
    Case("test_uncontiguous_subspace_assignment", (3, 4, 2), [0, 1], np.arange(16).reshape(2, 4, 2).T.reshape(2, 4, 2)),
    Case("test_broaderrors_indexing", (5, 5), S[[0, 1], [0, 1, 2]], 0),
    *(Case("test_trivial_fancy_out_of_bounds", (5, 2), [n] + [1] * 19, 0) for n in (4, 5, -6)),
    Case("test_trivial_fancy_not_possible", (6, 2), np.arange(6).reshape(2, 1, 3)[:, :, 0], 99),
    *(
        Case("test_nonbaseclass_values", (5, 5), key, np.arange(25).reshape(5, 5).view(Own))
        for key in [S[[0, 1, 2, 3, 4], :], S[:, [0, 1, 2, 3, 4]], ...]
    ),
    *(
        Case("test_array_like_values", (5, 5), key, memoryview(bytes(25)).cast("B", (5, 5)))
        for key in [S[[0, 1, 2, 3, 4], :], S[:, [0, 1, 2, 3, 4]], ...]
    ),
    *(Case("test_small_regressions", (1, 2), np.array([n], kind), 1) for n in (0, 1) for kind in ("intp", "uint8")),
    Case("test_indexing_array_negative_strides", (4, 4), S[:, [0, 1, 2, 3]], np.arange(16).reshape(4, 4)[::-1, ::-1]),
    *(
        Case("test_too_many_advanced_indices", (1, 1), (index,) * count, 1)
        for index, count in itertools.product([True, False, np.array([0])], [64, 80])
    ),
    *(
        Case("test_prepending_ones", (3, 2), key, np.arange(6).reshape(1, 3, 2))
        for key in [..., S[[0, 1, 2], :], S[:, [0, 1]], S[[[0], [1], [2]], [0, 1]]]
    ),
    *(
        Case("test_prepend_not_one", (5, 1), key, np.ones(shape))
        for key, shape in [(..., (2, 1, 1)), (S[[1, 2, 3],], (2, 1, 1)), (S[[[1], [2]],], (2, 2, 1, 1))]
    ),
    *(
        Case("test_simple_broadcasting_errors", (5, 1), key, np.zeros(shape, int))
        for key, shape in [(..., (5, 2)), (..., (5, 0)), (S[:, [0]], (5, 2)), (S[:, [0]], (5, 0)), (S[[0], :], (2, 1))]
    ),
    *cases(
        "test_broadcast_error_reports_correct_shape",
        (3, 4, 5, 2),
        [S[..., [1, 0], :], S[[0, 1], ..., 0], S[..., [1, 2], [1, 0]]],
        np.zeros((100, 100), int),
    ),
    Case("test_index_is_larger", (5, 5), S[[[0], [1], [2]], [0, 1, 2]], [2, 3, 4]),
    Case("test_prepending_ones", CUBE, S[0, [2, 0, 1]], ramp((1, 3, 4, 5))),
    Case("test_simple_broadcasting_errors", CUBE, ..., ramp((1, 3, 4, 2))),
    Case("test_index_is_larger", CUBE, S[0, [[0], [1], [2]], [0, 1, 2]], np.arange(5)),
    Case("test_broadcast_subspace", CUBE, S[:, [2, 0, 1]], np.arange(3)[:, None, None]),
    *cases("test_assign_mask2", CUBE, [ramp(CUBE) > 128, S[0, ramp((3, 4)) > 128], ramp(CUBE) > 255], 10),
    Case("test_broadcast_subspace", (100, 100), np.arange(100)[::-1], np.arange(100)[:, None]),
    Case("test_boolean_index_cast_assign", FLAT, mask(".#.", "...", "..."), np.array([1])),
    *(
        Case("test_boolean_index_cast_assign", FLAT, key, np.array([values]), differs=CAST)
        for key, values in [(S[[0], [1]], 2 + 1j), (mask(".#.", "...", "..."), 1j), (mask(".#.", "...", "..."), 1.5)]
    ),
    Case("test_cast_equivalence", LINE, S[0, :3], np.array(["2", "3", "1"]), differs=CAST),
    *cases("test_iterators_exceptions", THIN_INSIDE, [S[0, 0, None, 2], S[0, 0, 2]], 1),
    *(Case("test_mapping", shape, S[1, [0, 1, 20]], 1) for shape in [(3, 5), THIN]),
    *(
        Case("test_assignment_broadcasting", (2, 3), ..., values)
        for values in ([7, 8, 9], [[7], [8]], np.ones((1, 2, 3), int))
    ),
    Case("test_assignment_broadcasting", (2, 3), ..., np.ones((2, 2, 3), int)),
    Case("test_assignment_errors", (1, 2), S[0, 0], object(), differs=ERRORS),
    Case("test_assignment_errors", (1, 2), S[0, 0], [1], differs=ONE_IN_A_LIST),
    *cases("test_assign_mask2", (2, 4), [np.array([False, True]), mask(".#..", "#..."), mask(".#..", "....")], 10),
    Case("test_valid_slicing", LINE, S[:, 8:12], 5, differs=LITERAL),
    *cases("TestMultiIndexingAutomated", (1, 0, 3), [..., S[:, 0:], S[0], S[:, [], 1], S[..., [True, False, True]]], 5),
    *(
        Case("TestMultiIndexingAutomated", (1, 0, 3), ..., values)
        for values in ([5], np.ones((1, 1, 1), int), np.ones((1, 0, 3), int))
    ),
    Case("TestMultiIndexingAutomated", (1, 0, 3), ..., np.ones((1, 1, 3), int), differs=DROPPED),
    Case("TestMultiIndexingAutomated", (1, 0, 3), ..., np.ones((1, 2, 3), int), differs=DROPPED),
]

GROWING = [
    Case("test_prepending_ones", (1, 0, 0, 0), ..., 5),
    Case("test_prepending_ones", (1, 0, 0, 0), ..., np.zeros((1, 0, 1, 1), int)),
    Case("test_prepending_ones", (1, 0, 0, 0), ..., np.ones((1, 1, 1, 1), int), differs=STILL_EMPTY),
]


def channel_of(array: NDArray[Any]) -> Channel:
    return pyvolume.from_array(array.copy(order="F"), "xyzt"[: array.ndim]).channel(0)


def compare(case: Case, volume: pyvolume.Volume | Channel) -> None:
    ours, theirs = case.outcome(volume), case.outcome(case.array)
    kind = type(theirs) if isinstance(theirs, Exception) else np.ndarray
    check(case, ours, theirs, same=agree(ours, theirs) and isinstance(ours, kind) == isinstance(theirs, kind))


@pytest.mark.parametrize("case", READS + WRITES, ids=str)
def test_a_volume_does_what_numpy_does(case: Case) -> None:
    compare(case, volume_of(case.array))


@pytest.mark.parametrize("case", READS + WRITES, ids=str)
def test_a_channel_does_what_numpy_does(case: Case) -> None:
    compare(case, channel_of(case.array))


PARTS: list[Any] = [
    ...,
    0,
    [True, False, False],
    mask("#.", ".#"),
    np.zeros((1, 2, 2), bool),
    *(slice(-5, 5, 2), slice(1, 1, 100), slice(4, -1, -2), slice(None, None, -3)),
    np.empty((0, 1, 1), np.intp),
    [0, 1, -2],
    [[2], [0], [1]],
    np.array([[0, -1], [0, 1]], ">i8"),
    np.array([2, -1], "int8"),
    np.zeros([1] * 31, int),
    [0.0, 1.0],
]
"""What stands second in a key, or first: each kind of index, some that fit and some that do not."""

OTHERS: list[Any] = [(...,), (None,), (-1,), ([1],), ([True],), ()]


@pytest.mark.parametrize("place", [0, 2, 3])
@pytest.mark.parametrize("shape", [FOUR, (3, 0, 5, 6)], ids=str)
@pytest.mark.parametrize("new", [volume_of, channel_of])
def test_multidim(new: Callable[[NDArray[Any]], Any], shape: tuple[int, ...], place: int) -> None:
    around: list[Any] = [[(slice(None),), (0,)], [*((part,) for part in PARTS), ()], *[[(slice(None),), (0,)]] * 2]
    around[place] = OTHERS
    array, expected = ramp(shape), ramp(shape)
    volume, written = new(array), new(array)
    for parts in itertools.product(*around):
        key = sum(parts, ())
        case = Case("test_multidim", shape, key)
        compare(case, volume)
        if not isinstance(case.outcome(array), Exception):
            key = not_growing(key, shape)
            written[key] = expected[key] = 255 - expected[key]
    np.testing.assert_array_equal(written[...], expected, strict=True)


@pytest.mark.parametrize("case", GROWING, ids=str)
def test_a_volume_that_can_grow_and_is_empty(case: Case) -> None:
    compare(case, pyvolume.from_array(case.array, growable=True))


@pytest.mark.parametrize("case", [case for case in READS + WRITES if case.shape == CUBE], ids=str)
def test_a_volume_of_dvid_does_what_numpy_does(case: Case, mock_backend: DvidBackend) -> None:
    compare(case, mock_backend.new(case.array))


@pytest.mark.parametrize("key", [(), ..., S[:], S[0], [0, 1], S[:, :2]], ids=str)
def test_everything_returns_views(key: Any) -> None:
    # and fancy_on_read_only; the difference is "A result"
    array = ramp(FLAT)
    array.flags.writeable = False
    volume = pyvolume.from_array(array)
    result = volume[key]
    result[...] = 0
    np.testing.assert_array_equal(volume[...], ramp(FLAT), strict=True)


@pytest.mark.parametrize(
    ("shape", "target", "source"),
    [
        ((3, 1), [2, 1, 0], ...),  # test_gh_26542
        ((1, 3), S[[0, 0, 0], [2, 1, 0]], S[0]),  # test_gh_26542_2d
        ((1, 100), S[:, 10:], S[:, :-10]),  # test_gh_26542_index_overlap
        ((1, 4), S[:, :-1], S[:, 1:]),  # TestScalarIndexing.test_overlapping_assignment
        ((1, 4), S[:, ::-1], ...),
    ],
    ids=str,
)
def test_overlap(shape: tuple[int, ...], target: Any, source: Any) -> None:
    array = ramp(shape)
    volume = pyvolume.from_array(array)
    expected = array.copy()
    expected[target] = array.copy()[source]
    volume[target] = array[source]  # a view of what is written
    np.testing.assert_array_equal(volume[...], expected, strict=True)


def test_each_difference_that_is_documented_has_a_case() -> None:
    text = "".join(path.read_text("utf-8") for path in pathlib.Path(__file__).parent.glob("test_indexing_of_*.py"))
    assert [name for name in documented() if f'"{name}"' not in text] == []
