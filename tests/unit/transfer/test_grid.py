"""Boxes on a grid: pieces cover a box once, stay under a limit and on the grid; painted arrays are the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import boxes, grids, is_one_cell, painted, traits_of

from pyvolume import Box
from pyvolume.transfer.grid import aligned, borders, cut, whole_blocks_in

EXAMPLES = settings(max_examples=80)


@EXAMPLES
@given(st.data())
def test_cut_covers_the_box_once(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    box, grid = data.draw(boxes(ndim)), data.draw(grids(ndim))
    counts = painted(list(cut(box, grid, data.draw(st.integers(0, 500)))), box)
    np.testing.assert_array_equal(counts, 1)


@EXAMPLES
@given(st.data())
def test_a_piece_that_is_larger_than_allowed_is_a_single_cell(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    box, grid, most = data.draw(boxes(ndim)), data.draw(grids(ndim)), data.draw(st.integers(0, 500))
    assert [piece for piece in cut(box, grid, most) if piece.size > most and not is_one_cell(piece, grid)] == []


@EXAMPLES
@given(st.data())
def test_cuts_lie_on_the_grid(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    box, grid = data.draw(boxes(ndim)), data.draw(grids(ndim))
    pieces = cut(box, grid, data.draw(st.integers(0, 500)))
    off_grid = [
        piece
        for piece in pieces
        for axis, cell in enumerate(grid)
        if (piece.start[axis] % cell and piece.start[axis] != box.start[axis])
        or (piece.stop[axis] % cell and piece.stop[axis] != box.stop[axis])
    ]
    assert off_grid == []


@EXAMPLES
@given(st.data())
def test_pieces_that_may_be_cut_anywhere_are_contiguous(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    box, most = data.draw(boxes(ndim)), data.draw(st.integers(1, 500))
    memory = np.empty(box.shape, bool, order="F")
    assert all(memory[piece.slices_from(box.start)].flags.f_contiguous for piece in cut(box, (1,) * ndim, most))


@EXAMPLES
@given(st.data())
def test_pieces_of_whole_layers_of_cells_are_contiguous(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    box, grid = data.draw(boxes(ndim)), data.draw(grids(ndim))
    layer = box.size // box.shape[-1] * grid[-1]
    memory = np.empty(box.shape, bool, order="F")
    pieces = cut(box, grid, data.draw(st.integers(layer, 3 * layer)))
    assert all(memory[piece.slices_from(box.start)].flags.f_contiguous for piece in pieces)


@pytest.mark.parametrize(
    ("most", "stops"),
    [
        (100 * 100 * 10, [10]),
        (100 * 100 * 9, [5, 10]),  # two halves rather than nine planes and one
        (100 * 100 * 4, [4, 8, 10]),
        (100 * 100, list(range(1, 11))),
    ],
)
def test_pieces_are_of_about_equal_size_along_the_slowest_axis(most: int, stops: list[int]) -> None:
    pieces = list(cut(Box((0, 0, 0), (100, 100, 10)), (1, 1, 1), most))
    assert [piece.stop[2] for piece in pieces] == stops


def test_an_axis_of_one_cell_is_left_whole_and_the_next_one_cut() -> None:
    pieces = list(cut(Box((0, 0, 0), (1, 256, 64)), (1, 64, 64), 128 * 64))
    assert pieces == [Box((0, 0, 0), (1, 128, 64)), Box((0, 128, 0), (1, 256, 64))]


def faces(low: int, high: int, cell: int) -> list[int]:
    """Return the coordinates of one axis where a box on the grid may begin or end; `low` and `high` are edges."""
    return sorted({low, high, *(face for face in range(-40, 41) if face % cell == 0)})


def around(box: Box, other: Box) -> Box:
    """Return a box around both, as bounds that hold what is read."""
    return Box(tuple(map(min, box.start, other.start)), tuple(map(max, box.stop, other.stop)))


@EXAMPLES
@given(st.data())
def test_the_aligned_box_is_the_smallest_on_the_grid_around_a_box(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    box, grid = data.draw(boxes(ndim)), data.draw(grids(ndim))
    growable = tuple(data.draw(st.booleans()) for _ in range(ndim))
    bounds = around(box, data.draw(boxes(ndim)))
    whole = aligned(box, grid, traits_of(grid, growable=growable), bounds)
    edges = zip(bounds.start, bounds.stop, grid, growable, strict=True)
    allowed = [faces(0, 0, cell) if free else faces(low, high, cell) for low, high, cell, free in edges]
    starts = tuple(max(face for face in each if face <= low) for each, low in zip(allowed, box.start, strict=True))
    stops = tuple(min(face for face in each if face >= high) for each, high in zip(allowed, box.stop, strict=True))
    assert whole == Box(starts, stops)


@EXAMPLES
@given(st.data())
def test_whole_blocks_are_those_inside_a_box(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    box, grid = data.draw(boxes(ndim)), data.draw(grids(ndim))
    whole = aligned(box, grid, traits_of(grid, growable=tuple(data.draw(st.booleans()) for _ in range(ndim))), box)
    axes = zip(box.start, box.stop, whole.start, whole.stop, grid, strict=True)
    inside = [[face for face in faces(a, b, cell) if low <= face <= high and a <= face <= b]
              for low, high, a, b, cell in axes]  # fmt: skip
    has_none = any(len(each) < 2 for each in inside)
    expected = None if has_none else Box(tuple(each[0] for each in inside), tuple(each[-1] for each in inside))
    assert whole_blocks_in(box, whole, grid) == expected


@EXAMPLES
@given(st.data())
def test_borders_make_up_what_is_around_a_box(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 4))
    inner = data.draw(boxes(ndim))
    whole = around(inner, data.draw(boxes(ndim)))
    np.testing.assert_array_equal(painted([inner, *borders(whole, inner)], whole), 1)


@EXAMPLES
@given(boxes(3), grids(3), st.integers(1, 400), st.integers(1, 12))
def test_a_piece_touches_no_more_cells_than_a_request_may(
    box: Box, grid: tuple[int, ...], most: int, most_cells: int
) -> None:
    pieces = list(cut(box, grid, most, most_cells))
    assert (painted(pieces, box) == 1).all()
    for piece in pieces:
        cells = [range(a // g, -(-b // g)) for a, b, g in zip(piece.start, piece.stop, grid, strict=True)]
        assert math.prod(map(len, cells)) <= most_cells
