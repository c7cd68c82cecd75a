"""Boxes: arithmetic in absolute voxel coordinates; painted arrays are the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyvolume import Box
from pyvolume.errors import SelectionError

ORIGIN = (-20, -20, -20)


@st.composite
def boxes(draw: st.DrawFn, ndim: int = 3) -> Box:
    start = [draw(st.integers(-9, 9)) for _ in range(ndim)]
    return Box(tuple(start), tuple(low + draw(st.integers(0, 8)) for low in start))


def painted(box: Box) -> NDArray[Any]:
    """Mark the voxels of a box in an array around the origin."""
    voxels = np.zeros((40, 40, 40), bool)
    voxels[tuple(slice(low + 20, high + 20) for low, high in zip(box.start, box.stop, strict=True))] = True
    return voxels


def test_corners_of_any_integer_type_become_ints() -> None:
    box = Box(np.array([0, -3], np.int16), [np.uint8(4), 5])
    assert [type(n) for n in box.start + box.stop] == [int] * 4


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        ((0, 1.5), (4, 4), r"start must be one integer per axis, not \(0, 1\.5\)"),
        ((0, 0), (4, "9"), "stop must be one integer per axis"),
        ((0, 0, 0), (4, 4), r"start has 3 axes and stop has 2: \(0, 0, 0\), \(4, 4\)"),
        ((0, 7), (4, 3), "stop is before start on axis 1: 7:3"),
    ],
)
def test_corners_that_make_no_box_are_refused(start: Any, stop: Any, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        Box(start, stop)


def test_text_shows_half_open_ranges() -> None:
    assert repr(Box((0, -10), (1, 110))) == "Box(0:1, -10:110)"


def test_boxes_of_equal_corners_are_equal_and_hash_alike() -> None:
    assert len({Box((0, 1), (2, 3)), Box([0, 1], [2, 3]), Box((0, 1), (2, 4))}) == 2


@given(boxes())
def test_shape_and_size_count_the_voxels(box: Box) -> None:
    voxels = painted(box)
    extent = voxels[tuple(slice(a + 20, b + 20) for a, b in zip(box.start, box.stop, strict=True))]
    assert (box.shape, box.size, box.ndim) == (extent.shape, int(voxels.sum()), 3)


@given(boxes(), boxes())
def test_intersection_holds_the_voxels_of_both(one: Box, other: Box) -> None:
    both = painted(one) & painted(other)
    common = one.intersection(other)
    np.testing.assert_array_equal(painted(common) if common else np.zeros_like(both), both)


def test_boxes_that_only_touch_do_not_intersect() -> None:
    assert Box((0, 0), (1, 5)).intersection(Box((0, 5), (1, 9))) is None


@given(boxes(), boxes())
def test_contains_means_that_no_voxel_lies_outside(outer: Box, inner: Box) -> None:
    assert outer.contains(inner) == (not (painted(inner) & ~painted(outer)).any())


@given(boxes(), st.tuples(*[st.integers(1, 7)] * 3))
def test_aligned_box_is_the_smallest_one_on_the_grid(box: Box, grid: tuple[int, ...]) -> None:
    low = [max(n for n in range(-30, 30) if n % g == 0 and n <= a) for a, g in zip(box.start, grid, strict=True)]
    high = [min(n for n in range(-30, 30) if n % g == 0 and n >= b) for b, g in zip(box.stop, grid, strict=True)]
    assert box.aligned_to(grid) == Box(tuple(low), tuple(high))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (3, 5, (0, 8)),  # inside: the grid alone counts
        (9, 10, (8, 10)),  # at the upper edge, which is as good as the grid
        (-1, 2, (-2, 8)),  # at the lower edge
        (9, 13, (8, 13)),  # already outside: not made larger there
    ],
)
def test_the_edge_of_an_axis_that_cannot_grow_counts_as_aligned(low: int, high: int, expected: tuple[int, int]) -> None:
    box = Box((0, low), (1, high)).aligned_to((1, 8), [(0, 1), (-2, 10)])
    assert (box.start[1], box.stop[1]) == expected


def test_aligned_to_keeps_the_grid_where_an_axis_has_no_limit() -> None:
    assert Box((0, 1), (1, 9)).aligned_to((1, 8), [(0, 1), None]) == Box((0, 0), (1, 16))


@given(boxes().filter(lambda box: box.size > 0), st.integers(0, 2), st.integers(1, 5), st.integers(-4, 4))
def test_split_gives_the_cells_between_the_planes_in_order(box: Box, axis: int, step: int, origin: int) -> None:
    cells: dict[int, list[int]] = {}
    for n in range(box.start[axis], box.stop[axis]):
        cells.setdefault((n - origin) // step, []).append(n)
    expected = [box.replaced(axis, cell[0], cell[-1] + 1) for cell in cells.values()]
    assert list(box.split(axis, step, origin)) == expected


@given(boxes())
def test_slices_address_the_voxels_of_the_box_in_an_array_around_it(box: Box) -> None:
    voxels = np.zeros((40, 40, 40), bool)
    voxels[box.slices_from(ORIGIN)] = True
    np.testing.assert_array_equal(voxels, painted(box))


@pytest.mark.parametrize(
    ("start", "stop"), [((0, 5), (1, 2)), ((0, 0, 0), (1, 2)), ((0, 0.5), (1, 2)), ("ab", "cd")], ids=str
)
def test_the_constructor_refuses_corners_that_are_no_box(start: Any, stop: Any) -> None:
    with pytest.raises(SelectionError):
        Box(start, stop)


def test_a_union_is_the_smallest_box_around_both() -> None:
    assert Box((0, 5), (1, 7)).union(Box((0, -2), (1, 3))) == Box((0, -2), (1, 7))
    assert Box((0, 5), (1, 7)).union(Box((0, 9), (1, 9))) == Box((0, 5), (1, 7))
    assert Box((0, 9), (1, 9)).union(Box((0, 5), (1, 7))) == Box((0, 5), (1, 7))
