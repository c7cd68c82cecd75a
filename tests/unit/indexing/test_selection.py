"""Keys understood: numpy on an array of the same shape is the oracle, drawn by hypothesis."""

from __future__ import annotations

import array
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keys import keys, not_growing, shapes
from numpy.typing import NDArray

from pyvolume import Box
from pyvolume.errors import SelectionError
from pyvolume.indexing.selection import Selection

EXAMPLES = settings(max_examples=120)


def ramp(shape: tuple[int, ...]) -> NDArray[np.int64]:
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)


def applied(selection: Selection, full: NDArray[Any]) -> Any:
    """Do with an array what a volume does with a store: fetch the box, apply what is left of the key."""
    result = np.full(selection.shape, -1, full.dtype)
    part = selection.within(selection.box)
    if selection.size and part is not None:
        result[part.place] = full[selection.box.slices_from((0,) * full.ndim)][part.local]
    return result[()] if selection.is_scalar else result


def enclosing(key: Any, shape: tuple[int, ...]) -> Box | None:
    """Return the smallest box around the voxels that numpy selects, or None where it selects none."""
    coordinates = [axis[key] for axis in np.indices(shape)]
    if not np.size(coordinates[0]):
        return None
    return Box(tuple(int(np.min(c)) for c in coordinates), tuple(int(np.max(c)) + 1 for c in coordinates))


@EXAMPLES
@given(st.data())
def test_box_and_local_key_select_what_numpy_selects(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    key = data.draw(keys(shape))
    full = ramp(shape)
    np.testing.assert_array_equal(applied(Selection.for_reading(key, shape), full), full[key], strict=True)


@EXAMPLES
@given(st.data())
def test_shape_is_that_of_numpys_result(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    key = data.draw(keys(shape))
    assert Selection.for_reading(key, shape).shape == ramp(shape)[key].shape


@EXAMPLES
@given(st.data())
def test_box_is_the_smallest_around_the_selected_voxels(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    key = data.draw(keys(shape))
    box = Selection.for_reading(key, shape).box
    assert (box if box.size else None) == enclosing(key, shape)


@EXAMPLES
@given(st.data())
def test_voxels_shaped_like_the_box_are_those_of_the_assignment(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    key = data.draw(keys(shape, arrays=False))
    selection = Selection.for_reading(key, shape)
    by_numpy, by_box = np.full(shape, -1), np.full(shape, -1)
    values = ramp(by_numpy[key].shape)
    by_numpy[key] = values
    simple, given = selection.simplified(values)
    part = selection.within(selection.box)
    if selection.is_whole:
        by_box[simple.box.slices_from((0,) * len(shape))] = given
    elif part is not None:
        by_box[selection.box.slices_from((0,) * len(shape))][part.local] = values[part.place]
    np.testing.assert_array_equal(by_box, by_numpy)


@pytest.mark.parametrize(
    ("key", "form", "size"),
    [
        (np.s_[0, 2:5, ..., None], "box", 24),
        (np.s_[:, ::-1], "flipped", 64),
        (np.s_[:, ::2], "strided", 32),
        (np.s_[:, ::-2], "strided", 32),
        (np.s_[:, 3:4:2], "box", 8),
        (np.s_[:, [1, 2, 1]], "points", 24),
        (np.s_[:, ::-1, [1, 2]], "points", 16),
    ],
    ids=str,
)
def test_the_form_says_how_voxels_lie_in_the_box(key: Any, form: str, size: int) -> None:
    selection = Selection.for_reading(key, (1, 8, 8))
    assert (selection.form, selection.size) == (form, size)


@st.composite
def any_keys(draw: st.DrawFn) -> Any:
    """Draw keys of the supported kinds for an array of (2, 3, 4), many of which numpy refuses."""
    part = st.none() | st.integers(-5, 5)
    item: st.SearchStrategy[Any] = st.one_of(
        st.integers(-5, 5),
        st.builds(slice, part, part, part),
        st.lists(st.integers(-4, 4), min_size=1, max_size=3),
        st.lists(st.booleans(), min_size=2, max_size=4).filter(any),
        st.integers(0, 1 << 16).map(lambda seed: np.random.default_rng(seed).integers(-4, 4, (2, 1 + seed % 2))),
        st.integers(1, 1 << 12).map(lambda bits: (bits >> np.arange(12) & 1).astype(bool).reshape(3, 4)),
        st.integers(1, 1 << 6).map(lambda bits: (bits >> np.arange(6) & 1).astype(bool).reshape(2, 3)),
        st.just(True),
        st.just(Ellipsis),
        st.none(),
    )
    return draw(item) if draw(st.booleans()) else tuple(draw(st.lists(item, max_size=4)))


@settings(max_examples=200)
@given(any_keys())
def test_a_key_is_refused_exactly_where_numpy_refuses_it(key: Any) -> None:
    full = ramp((2, 3, 4))
    expected: Any
    try:
        expected = full[key].tolist()
    except (IndexError, ValueError):
        expected = "refused"
    actual: Any
    try:
        actual = applied(Selection.for_reading(key, full.shape), full).tolist()
    except SelectionError:
        actual = "refused"
    assert actual == expected


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (slice(None, np.True_), "slices hold integers"),
        (1.0, r"must be an integer, .* not 1\.0"),
        (np.float64(1), "must be an integer"),
        (np.array(1.0), "must be an integer"),
        (1j, "must be an integer"),
        ("x", "must be an integer, .* not 'x'"),
        (b"x", "must be an integer"),
        (slice(0, 1.5), r"slices hold integers, not 1\.5"),
        ({0}, "must be an integer"),
        (object, "must be an integer"),
        (np.zeros((2, 4), bool), r"boolean array of shape \(2, 4\) from axis 0 on, where the volume has \(2, 3\)"),
        (np.s_[0, np.zeros((3, 5), bool)], r"boolean array of shape \(3, 5\) from axis 1 on, .* has \(3, 4\)"),
        (np.zeros((2, 3, 4, 1), bool), "too many indices: the volume has 3 axes, the key names 4"),
        (np.s_[0, np.zeros((2, 3, 4), bool)], "too many indices"),
        ([[0, 2]], "index 2 is out of bounds"),
        (2**200, "index 1606938.* is out of bounds"),
        ([0, -(2**200)], "index -1606938.* is out of bounds"),
        ([[0, 1], [0]], "ragged list"),
        (np.array([0, 1], object), "hold integers or booleans, not object"),
        ([0.5], "hold integers or booleans, not float64"),
        (np.array([]), "hold integers or booleans, not float64"),
        (["a"], "hold integers or booleans"),
        (np.array([2**63], np.uint64), "index 9223372036854775808 is out of bounds"),
        (np.s_[0, 0, 0, 0], "too many indices: the volume has 3 axes, the key names 4"),
        (np.s_[..., ...], "only have one ellipsis"),
        (np.s_[:, ::0], r"step cannot be 0 \(axis 1\)"),
        (2, "index 2 is out of bounds for axis 0 with size 2"),
        (np.s_[..., -5], "index -5 is out of bounds for axis 2 with size 4"),
        (np.s_[:, [0, 3]], "index 3 is out of bounds for axis 1 with size 3"),
        (np.s_[:, [True, False]], r"boolean array of shape \(2,\) from axis 1 on"),
        (np.s_[[0, 1], [0, 1, 2]], r"index arrays of shapes \(2,\), \(3,\) cannot be broadcast"),
        (np.s_[False, [0, 1]], r"shapes \(0,\), \(2,\) cannot be broadcast"),
    ],
    ids=repr,
)
def test_what_is_no_key_is_refused_with_a_reason(key: Any, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        Selection.for_reading(key, (2, 3, 4))


def test_an_index_beyond_the_end_is_refused_also_where_numpy_broadcasts_it_away() -> None:
    with pytest.raises(SelectionError, match="index 3 is out of bounds for axis 1 with size 3"):
        Selection.for_reading(([], [3]), (2, 3, 4))


@pytest.mark.parametrize(
    "key",
    [
        np.s_[None, [0, 1], ..., [0, 1]],  # the Ellipsis stands for no axes, and parts the arrays all the same
        np.s_[None, [0, 1], [0, 1], ...],
        np.s_[None, 0, ..., [0, 1]],
        np.s_[[0, 1], None, [0, 1]],
        np.s_[..., None, [0], [0, 1, 1]],
    ],
    ids=str,
)
def test_arrays_that_are_parted_put_their_axis_first(key: Any) -> None:
    full = ramp((3, 3))
    np.testing.assert_array_equal(applied(Selection.for_reading(key, full.shape), full), full[key], strict=True)


class Labels:
    """What pandas, xarray and dask give: an object that numpy can turn into an array."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self._values


@pytest.mark.parametrize(
    "key",
    [
        (),
        (range(2),),
        np.s_[:, (0, 2)],
        np.uint64(1),
        np.array(1),
        np.array([1], ">i2"),
        array.array("h", [1, 0, 1]),
        memoryview(array.array("h", [1, 0])),
        bytearray(b"\x01\x00"),
        Labels([1, 0]),
        Labels([[True, False, True], [False, True, False]]),
        Labels(1),
        Labels(True),
        Labels([]),
        np.s_[:True, Labels([[2], [1]]), [0, 3]],
        [[]],
    ],
    ids=lambda key: type(key).__name__,
)
def test_whatever_is_an_array_to_numpy_is_an_index(key: Any) -> None:
    full = ramp((2, 3, 4))
    np.testing.assert_array_equal(applied(Selection.for_reading(key, full.shape), full), full[key], strict=True)


def resolved(item: Any, size: int) -> Any:
    """Write a part of a key so that it means the same after the axis has grown: this is the rule itself."""
    if isinstance(item, list):
        return [n + size if n < 0 else n for n in item]
    if isinstance(item, int):
        return item + size if item < 0 else item
    start, stop, step = item.start, item.stop, item.step
    if step is None or step > 0:
        first = 0 if start is None else max(0, start + size) if start < 0 else start
        return slice(first, size if stop is None else max(0, stop + size) if stop < 0 else stop, step)
    first = size - 1 if start is None else start + size if start < 0 else start
    if first < 0:
        return slice(0, 0)
    return slice(first, None if stop is None or stop + size < 0 else stop + size if stop < 0 else stop, step)


@st.composite
def growing_keys(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Draw a part of a key for each axis, which on all axes but the first may go beyond the end."""
    parts: list[Any] = []
    for axis, size in enumerate(shape):
        end = st.none() | st.integers(-size - 2, size + 6)
        step = st.none() | st.integers(-3, -1) | st.integers(1, 3)
        most = size - 1 if axis == 0 else size + 6
        index = st.integers(-size, most)
        options: list[st.SearchStrategy[Any]] = [st.builds(slice, end, end, step), index]
        if not any(isinstance(part, list) for part in parts):
            options.append(st.lists(index, max_size=3))
        parts.append(draw(st.one_of(options)))
    return tuple(parts)


@EXAMPLES
@given(st.data())
def test_writing_beyond_the_end_addresses_the_enlarged_array(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(2, 5))
    shape = (2, *(data.draw(st.integers(0, 4)) for _ in range(ndim - 1)))
    key = data.draw(growing_keys(shape))
    key = (not_growing(key[0], shape[:1]), *key[1:])
    enlarged = (2, *(size + 8 for size in shape[1:]))
    literal = tuple(
        item if axis == 0 else resolved(item, size) for axis, (item, size) in enumerate(zip(key, shape, strict=True))
    )
    selection = Selection.for_writing(key, shape, (False, *(True,) * (ndim - 1)))
    full = ramp(enlarged)
    np.testing.assert_array_equal(applied(selection, full), full[literal], strict=True)


@EXAMPLES
@given(st.data())
def test_writing_where_nothing_can_grow_is_numpys_indexing(data: st.DataObject) -> None:
    shape = data.draw(shapes(max_axes=4))
    key = data.draw(keys(shape))
    full = ramp(shape)
    try:
        selection = Selection.for_writing(key, shape, (False,) * len(shape))
    except SelectionError:
        assume(False)
    np.testing.assert_array_equal(applied(selection, full), full[key], strict=True)


@pytest.mark.parametrize(
    ("item", "highest"),
    [(np.s_[2:9], 8), (np.s_[:7], 6), (np.s_[:9:5], 8), (np.s_[7::-1], 7), (np.s_[6:2:-3], 6), (6, 6), ([[0], [7]], 7)],
    ids=str,
)
def test_what_is_beyond_an_axis_that_cannot_grow_is_named(item: Any, highest: int) -> None:
    with pytest.raises(SelectionError, match=rf"index {highest} is out of bounds for axis 1 \('y'\) with size 6"):
        Selection.for_writing((slice(None), item), (4, 6), (True, False), "cy")


@pytest.mark.parametrize("item", [np.s_[2:6], np.s_[2:], np.s_[-9:3], np.s_[7:2], np.s_[5::-1], np.s_[:-9:-1], [5], []])
def test_what_numpy_takes_inside_is_taken(item: Any) -> None:
    selection = Selection.for_writing(item, (6,), (False,))
    np.testing.assert_array_equal(applied(selection, np.arange(6)), np.arange(6)[item], strict=True)


@pytest.mark.parametrize("key", [np.s_[4, 0], np.s_[[0, 4], 0], np.s_[:, -7], np.s_[:, [-7]]], ids=str)
def test_writing_refuses_channels_and_negative_indices_beyond_the_end(key: Any) -> None:
    with pytest.raises(SelectionError, match="out of bounds for axis"):
        Selection.for_writing(key, (4, 6), (False, True))


def test_a_mask_does_not_let_an_axis_grow() -> None:
    with pytest.raises(SelectionError, match=r"boolean array of shape \(7,\) from axis 1 on"):
        Selection.for_writing(np.s_[:, [True] * 7], (4, 6), (False, True))


def literal_coordinates(item: Any, low: int, high: int) -> list[int]:
    if isinstance(item, slice):
        step = item.step or 1
        first, last = (low, high) if step > 0 else (high - 1, low - 1)
        return list(
            range(*(first if item.start is None else item.start, last if item.stop is None else item.stop, step))
        )
    return [int(n) for n in np.atleast_1d(item)]


@EXAMPLES
@given(st.data())
def test_coordinates_are_literal_whatever_their_sign(data: st.DataObject) -> None:
    low = data.draw(st.integers(-9, 9))
    high = low + data.draw(st.integers(0, 9))
    end = st.none() | st.integers(-30, 30)
    step = st.none() | st.integers(-3, -1) | st.integers(1, 3)
    item = data.draw(
        st.one_of(st.builds(slice, end, end, step), st.integers(-30, 30), st.lists(st.integers(-30, 30), min_size=1))
    )
    selection = Selection.of_coordinates((0, item), Box((0, low), (2, high)))
    box, result = selection.box, np.zeros(selection.shape, int)
    part = selection.within(box)
    if part is not None:
        result[part.place] = np.arange(box.start[1], box.stop[1])[np.newaxis][part.local]
    assert result.ravel().tolist() == literal_coordinates(item, low, high)


def test_missing_coordinates_are_those_of_the_bounds() -> None:
    bounds = Box((0, -10, 5), (2, 20, 30))
    assert Selection.of_coordinates(np.s_[..., 10:], bounds).box == Box((0, -10, 10), (2, 20, 30))


@pytest.mark.parametrize("key", [np.s_[:, [True, False]], np.ones((1, 2), bool)], ids=str)
def test_masks_have_no_coordinates(key: Any) -> None:
    with pytest.raises(SelectionError, match="no coordinates"):
        Selection.of_coordinates(key, Box((0, 0), (1, 2)))


def test_a_growing_axis_has_its_present_length_for_a_mask() -> None:
    mask = np.zeros((6, 5), bool)
    mask[2, 3] = mask[4, 1] = True
    selection = Selection.for_writing(np.s_[0, mask], (4, 6, 5), (False, True, True))
    assert (selection.box, selection.shape) == (Box((0, 2, 1), (1, 5, 4)), (2,))


@pytest.mark.parametrize(
    ("key", "is_scalar"),
    [
        (np.s_[1, 2], True),
        (np.s_[..., 1, 2], False),
        (np.s_[1, ..., 2], False),
        (np.s_[..., 1], False),
        (np.s_[1, 2, None], False),
        (np.s_[np.array(1), 2], True),
        (np.s_[[1], 2], False),
    ],
    ids=str,
)
def test_a_number_is_a_scalar_unless_the_key_has_an_ellipsis(key: Any, is_scalar: bool) -> None:
    assert isinstance(ramp((3, 3))[key], np.ndarray) != is_scalar
    assert Selection.for_reading(key, (3, 3)).is_scalar == is_scalar


def test_a_step_of_zero_is_no_coordinate() -> None:
    with pytest.raises(SelectionError, match=r"step cannot be 0 \(axis 1\)"):
        Selection.of_coordinates(np.s_[:, ::0], Box((0, 0), (1, 2)))


@st.composite
def tilings(draw: st.DrawFn, shape: tuple[int, ...]) -> list[Box]:
    """Draw a way to cut an array into boxes."""
    most = {2: 4, 3: 3, 4: 2}.get(len(shape), 1)
    faces = [sorted({0, size, *draw(st.lists(st.integers(0, size), max_size=most))}) for size in shape]
    sides = [list(itertools.pairwise(each)) for each in faces]
    return [Box(tuple(low for low, _ in tile), tuple(high for _, high in tile)) for tile in itertools.product(*sides)]


@st.composite
def tiled_keys(draw: st.DrawFn) -> tuple[tuple[int, ...], Any, list[Box]]:
    shape = draw(shapes())
    return shape, draw(keys(shape)), draw(tilings(shape))


def parts(selection: Selection, tiles: list[Box]) -> Iterator[tuple[Any, Any, Any]]:
    """Give where each tile lies in the array, the key of its selected voxels in it, and their place in the result."""
    for tile in tiles:
        part = selection.within(tile)
        if part is not None:
            yield tile.slices_from((0,) * tile.ndim), part.local, part.place


@settings(EXAMPLES, max_examples=200)
@given(tiled_keys())
def test_parts_of_any_tiling_make_up_what_numpy_reads(case: tuple[tuple[int, ...], Any, list[Box]]) -> None:
    shape, key, tiles = case
    full, selection = ramp(shape), Selection.for_reading(key, shape)
    result, counts = np.full(selection.shape, -1), np.zeros(selection.shape, int)
    for inside, local, place in parts(selection, tiles):
        result[place] = full[inside][local]
        counts[place] += 1
    np.testing.assert_array_equal(result, np.asarray(full[key]), strict=True)
    assert (counts == 1).all()


@settings(EXAMPLES, max_examples=200)
@given(tiled_keys())
def test_parts_of_any_tiling_make_up_what_numpy_writes(case: tuple[tuple[int, ...], Any, list[Box]]) -> None:
    shape, key, tiles = case
    selection = Selection.for_reading(key, shape)
    by_numpy, by_parts = np.full(shape, -1), np.full(shape, -1)
    values = ramp(selection.shape)
    by_numpy[key] = values
    for inside, local, place in parts(selection, tiles):
        by_parts[inside][local] = values[place]
    np.testing.assert_array_equal(by_parts, by_numpy)


@settings(EXAMPLES, max_examples=50)
@given(st.integers(0, 1 << 32), st.lists(st.integers(1, 299), max_size=3, unique=True))
def test_parts_of_a_mask_with_long_lines_keep_their_order(seed: int, cuts: list[int]) -> None:
    full = ramp((3, 300))
    mask = np.random.default_rng(seed).random(full.shape) < 0.3
    selection = Selection.for_reading(mask, full.shape)
    result = np.full(selection.shape, -1)
    faces = itertools.pairwise([0, *sorted(cuts), 300])
    for inside, local, place in parts(selection, [Box((row, a), (row + 1, b)) for a, b in faces for row in range(3)]):
        result[place] = full[inside][local]
    np.testing.assert_array_equal(result, full[mask])


@EXAMPLES
@given(tiled_keys())
def test_a_tile_has_no_part_exactly_where_it_has_no_selected_voxel(
    case: tuple[tuple[int, ...], Any, list[Box]],
) -> None:
    shape, key, tiles = case
    selection, mask = Selection.for_reading(key, shape), np.zeros(shape, bool)
    mask[key] = True
    expected = [bool(mask[tile.slices_from((0,) * tile.ndim)].any()) for tile in tiles]
    assert [selection.within(tile) is not None for tile in tiles] == expected


@EXAMPLES
@given(tiled_keys())
def test_a_whole_part_is_the_tile_itself(case: tuple[tuple[int, ...], Any, list[Box]]) -> None:
    shape, key, tiles = case
    full, selection = ramp(shape), Selection.for_reading(key, shape)
    for tile in tiles:
        part = selection.within(tile)
        if part is not None and part.is_whole:
            voxels = full[tile.slices_from((0,) * tile.ndim)]
            np.testing.assert_array_equal(voxels[part.local], voxels, strict=True)


@EXAMPLES
@given(st.data())
def test_every_part_of_a_box_is_whole(data: st.DataObject) -> None:
    shape = data.draw(shapes())
    box = Box(tuple(n // 3 for n in shape), shape)
    selection = Selection.of_box(box)
    tiles = [inside for tile in data.draw(tilings(shape)) if (inside := tile.intersection(box)) is not None]
    found = [selection.within(tile) for tile in tiles]
    assert all(part is not None and part.is_whole for part in found)
    assert [part.place for part in found if part is not None] == [tile.slices_from(box.start) for tile in tiles]


def test_a_piece_that_reaches_beyond_the_box_is_not_whole() -> None:
    part = Selection.of_box(Box((0, 2), (1, 6))).within(Box((0, 0), (1, 4)))
    assert part is not None
    assert (part.local, part.place, part.is_whole) == (np.s_[0:1, 2:4], np.s_[0:1, 0:2], False)
