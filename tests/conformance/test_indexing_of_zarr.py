"""zarr's own tests of indexing, in other words and with a channel in front, beside zarr itself.

The cases follow ``tests/test_indexing.py`` of zarr-python. Left out is what a volume does not have: arrays without
axes, fields, the iterators of zarr's own modules, and counts of chunks (see tests/unit/indexing/test_requests.py).
``oindex`` has the key of ``np.ix_`` in a volume, ``vindex`` the plain key, and ``blocks`` is `Volume.blocks`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from conformance_stores import ramp
from numpy.typing import NDArray
from peers import Case, agree, cases, check, volume_of

import pyvolume

S = np.s_
LINE, FLAT, CUBE, SMALL, DEEP = (1, 105), (100, 10), (12, 30, 9), (3, 3), (3, 3, 3)
BACKWARDS = "Negative steps"
NEW_AXIS = "New axes"
LISTS = "Lists and masks beside other indices"
SCALAR = "``vindex`` with integers only"
BROADCAST = "Arrays that are broadcast, in an assignment"


def outer(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the key of a volume for an orthogonal one of zarr: that of ``np.ix_``, with its integers."""
    axes = [np.arange(n)[part] for part, n in zip(key, shape, strict=True)]
    mesh = iter(np.ix_(*(each for each in axes if each.ndim)))
    return tuple(next(mesh) if each.ndim else int(each) for each in axes)


def some(n: int, p: float, *, seed: int = 42) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(n) < p


IN_LINE = [
    *S[42, -1, 0:105, 50:150, 0:200, -15:-5, -200:200, 0:0, -1:0, :, ..., ::10, ::1000, 1:31:3, 1:31:300, 81:121:30],
    *(2.3, "foo", b"xxx", (slice(0, 3), 0)),
]
BACKWARDS_IN_LINE = S[::-1, ::-1000, 150:50:-10, 31:1:-3, -1:0:-1]
IN_PLANE = [
    *S[42, -1, :, 25:35, :200, -35:-25, -1:0, -200:0, -200:200, ..., 2.3, "foo"],
    *(S[42, :], S[:, 4], S[:, -1], S[:, 1:5], S[25:35, 1:5], S[25:35, -5:-1], S[25:35, -50:50], S[25:35:10, 1:5]),
    *(S[25:35, 1:5:2], S[25:35:33, 1:5:3], (), S[..., :], S[..., :, :], S[:, ..., :], S[[0, 1], [0, 1]]),
    *(S[2.3, :], S[0, 0, 0], S[:, :, :]),
]
LIKE_NUMPY = [
    *((...,), (slice(None),), (np.arange(100),), (slice(5, 15),), ([1, 3],), (np.full(FLAT, False),)),
    *((np.tile([True, False], (100, 5)),), S[1, ...], S[1, 3], S[[1, 2, 3], 9], S[2:4, 4]),
    *(S[[1, 2, 3, 4], [5, 6, 7, 8]], S[[10, 20], [4, 6]]),
]
READS = [
    *(Case("test_get_basic_selection_1d", LINE, S[0, key]) for key in IN_LINE),
    *(Case("basic_selections_1d_bad", LINE, S[0, key], differs=BACKWARDS) for key in BACKWARDS_IN_LINE),
    *cases("test_get_basic_selection_2d", FLAT, IN_PLANE),
    *cases("basic_selections_2d_bad", FLAT, [S[::-1], S[::-1, :]], differs=BACKWARDS),
    *cases("basic_selections_2d_bad", FLAT, [None, S[:, None]], differs=NEW_AXIS),
    *cases(
        "test_orthogonal_indexing_fallback_on_getitem_2d",
        SMALL,
        [[0, 1], S[[0, 1], :], S[[0, 1], 1:], S[0:2, [0, 2]], S[0:2, 0:2], S[[1, 0, 1], 1:], [1, 0, 1]],
    ),
    *cases(
        "test_orthogonal_indexing_fallback_on_getitem_3d",
        DEEP,
        [[0, 1], S[0:2, 1, 1], S[0:2, 1, 0:2], S[0:2, [1, 2], 0:2]],
    ),
    *cases(
        "test_fancy_indexing_doesnt_mix_with_implicit_slicing",
        (5, 5, 5),
        [S[..., [1, 2, 3]], S[[1, 2, 3], [1, 2, 3]]],
        differs=LISTS,
    ),
    Case("_test_get_orthogonal_selection_3d", CUBE, S[[1, 2], :, [0, 1]], differs=LISTS),
    *(Case("test_get_mask_selection_2d", FLAT, some(1000, p).reshape(FLAT)) for p in (0.5, 0.1, 0.01)),
    *cases("test_get_mask_selection_2d", FLAT, [np.zeros((100, 5), bool), np.zeros((200, 10), bool), [True, False]]),
    *(Case("test_numpy_int_indexing", LINE, S[0, key]) for key in [np.int64(42), np.uint64(3), np.int8(-1)]),
    *cases("test_indexing_equals_numpy", FLAT, LIKE_NUMPY),
    *cases(
        "test_orthogonal_bool_indexing_like_numpy_ix",
        FLAT,
        [S[np.tile([True, False], 50), np.tile([True, False], 5)], S[np.full(100, True), np.full(10, True)]],
        differs=LISTS,
    ),
]

WRITES = [
    Case("test_fancy_indexing_fallback_on_get_setitem", (20, 20), S[[1, 2, 3], [1, 2, 3]], 1),
    *cases(
        "test_orthogonal_indexing_fallback_on_setitem_2d",
        SMALL,
        [[0, 1], S[[0, 1], 1:3], S[[0, 1, 1, 1, 1], 1:3], S[[0, 2], ::2]],
        1,
    ),
    Case("test_set_item_1d_last_two_chunks", (1, 10), S[0, 7:10], np.array([7, 8, 9])),
    Case("test_set_item_1d_last_two_chunks", (1, 10), S[:, 7:10], np.array([7, 8, 9]), differs=BROADCAST),
    *(Case("test_set_mask_selection_2d", FLAT, some(1000, p).reshape(FLAT), 7) for p in (0.5, 0.1, 0.01)),
    *(Case("test_zero_sized_chunks", shape, ..., 42) for shape in [(1, 0, 2, 3), (1, 0), (3, 0)]),
    Case("test_vectorized_indexing_incompatible_shape", (4, 4), S[[1, 2], [1, 2]], np.array([[1, 2], [3, 4]])),
]


def outer_cases(arrays: list[Any]) -> list[Case]:
    a, b, c = arrays
    keys = [
        *(S[6, 15, 4], S[-1, -1, -1], S[a, b, c], S[a, 10:20, 1:5], S[3:5, b, 1:5], S[3:5, 10:20, c], S[a, ::5, 1:5:2]),
        *(S[a, 15, 4], S[6, b, 4], S[6, 15, c], S[a, 10:20, 4], S[5, b, 1:5], S[3:5, 15, c], S[a, b, 1:5]),
        *(S[3:5, b, c], S[a, 10:20, c], S[a, b, 4], S[5, b, c], S[a, 15, c]),
    ]
    return [Case("_test_get_orthogonal_selection_3d", CUBE, key, ours=outer(key, CUBE)) for key in keys]


MASKS = [some(n, 0.5) for n in CUBE]
OUTER = [
    *outer_cases(MASKS),
    *outer_cases([np.flatnonzero(each) for each in MASKS]),
    *outer_cases([np.array([0, 3, -3, 3]), [7, 2], [8]]),
    *(
        Case("test_orthogonal_indexing_edge_cases", (1, 2, 3), key, ours=outer(key, (1, 2, 3)))
        for key in [S[0, :, [0, 1, 2]], S[0, :, [True, True, True]]]
    ),
]
COORDINATES = [
    *(S[[3, 3, 4, 2, 5], [1, 3, 5, 7, 9]], S[[1, 1, 2, 2, 5], [1, 3, 2, 1, 0]], S[[5, 99], 4]),
    *(S[[[1, 1, 2], [2, 2, 5]], [[1, 3, 2], [1, 0, 0]]], S[[100], [0]], S[[-101], [0]], "foo", 2.3),
]
POINTS = [
    *cases("test_get_coordinate_selection_2d", FLAT, COORDINATES),
    *(Case("test_get_mask_selection_2d", FLAT, some(1000, p).reshape(FLAT)) for p in (0.5, 0.01)),
    *cases("test_get_coordinate_selection_2d", FLAT, [S[42, 4], S[-1, -1]], differs=SCALAR),
]
THROUGH = [
    *((case, "") for case in READS + WRITES),
    *((case, "oindex") for case in OUTER),
    *((case, "vindex") for case in POINTS),
]


def zarr_of(array: NDArray[Any]) -> Any:
    return zarr.create_array({}, data=array, chunks=tuple(n // 2 + 1 for n in array.shape))


@pytest.mark.parametrize(("case", "through"), THROUGH, ids=str)
def test_a_volume_does_what_zarr_does(case: Case, through: str) -> None:
    theirs = zarr_of(case.array)
    found = case.outcome(getattr(theirs, through) if through else theirs)
    ours = case.outcome(volume_of(case.array), own=True)
    check(case, ours, found, same=agree(ours, found))


@pytest.mark.parametrize(("case", "through"), [each for each in THROUGH if each[1] and not each[0].differs], ids=str)
def test_set_orthogonal_and_coordinate_selection(case: Case, through: str) -> None:
    volume, theirs = volume_of(case.array), zarr_of(case.array)
    key = case.key if case.ours is None else case.ours
    try:
        values = 255 - volume[key]
    except pyvolume.errors.SelectionError:
        with pytest.raises(pyvolume.errors.SelectionError):
            volume[key] = 42
        return
    volume[key] = values
    getattr(theirs, through)[case.key] = values
    np.testing.assert_array_equal(volume[...], theirs[...], strict=True)


def test_indexing_with_zarr_array() -> None:
    volume = volume_of(ramp(FLAT))
    for index in some(100, 0.1), np.array([0, 2, 4, 5]):
        np.testing.assert_array_equal(volume[zarr_of(index)], ramp(FLAT)[index], strict=True)


@pytest.mark.parametrize("place", [(0, 0), (1, 2), (3, 1)], ids=str)
def test_get_block_selection_2d(place: tuple[int, int]) -> None:
    # also test_iter_chunk_regions; the difference is "``oindex``, ``vindex`` and ``blocks``"
    array, chunks = ramp((1000, 10)), (300, 3)
    volume = pyvolume.from_array(array, block_shape=(3,))
    theirs = zarr.create_array({}, data=array, chunks=chunks)
    boxes = {tuple(a // n for a, n in zip(box.start, chunks, strict=True)): box for box in volume.blocks(shape=chunks)}
    np.testing.assert_array_equal(volume.read(boxes[place]), theirs.blocks[place], strict=True)


@pytest.mark.parametrize("box", [((0, 50), (1, 150)), ((0, 0), (1, 1050)), ((0, 1), (1, 2))], ids=str)
def test_get_selection_out(box: Any) -> None:
    array = ramp((1, 1050))
    out = np.empty((1, box[1][1] - box[0][1]), "uint8")
    assert volume_of(array).read(box, out) is out
    np.testing.assert_array_equal(out, array[:, box[0][1] : box[1][1]], strict=True)
    with pytest.raises(pyvolume.errors.VoxelsMismatchError):
        volume_of(array).read(box, [])  # type: ignore[arg-type]
