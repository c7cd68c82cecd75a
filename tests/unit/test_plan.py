"""Plans: pieces cover a box once, stay under the caps and on the grid; painted arrays are the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyvolume import Box
from pyvolume.store import StoreTraits
from pyvolume.transfer.plan import MERGE_WHOLE_BYTES, aligned, cut, read_pieces, write_pieces

EXAMPLES = settings(max_examples=150, deadline=None)
MIB = 1 << 20


def traits(grid: tuple[int, ...], growable: tuple[bool, ...], most_read: int, most_write: int) -> StoreTraits:
    return StoreTraits(
        read_grid=grid,
        write_grid=grid,
        max_read_bytes=most_read,
        max_write_bytes=most_write,
        writable=True,
        growable=growable,
        lossy=False,
        outside="zeros",
    )


@st.composite
def boxes(draw: st.DrawFn, ndim: int) -> Box:
    start = [draw(st.integers(-9, 9)) for _ in range(ndim)]
    return Box(tuple(start), tuple(low + draw(st.integers(1, 9)) for low in start))


@st.composite
def grids(draw: st.DrawFn, ndim: int) -> tuple[int, ...]:
    return tuple(draw(st.integers(1, 5)) for _ in range(ndim))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Box, StoreTraits, Box, int]:
    """Draw a box, what its store can do, the store's bounds, and an item size that makes few voxels heavy."""
    ndim = draw(st.integers(2, 4))
    box, grid = draw(boxes(ndim)), draw(grids(ndim))
    growable = tuple(draw(st.booleans()) for _ in range(ndim))
    bounds = draw(boxes(ndim))
    # an axis that cannot grow holds the whole box
    start = [min(a, b) if not free else b for a, b, free in zip(box.start, bounds.start, growable, strict=True)]
    stop = [max(a, b) if not free else b for a, b, free in zip(box.stop, bounds.stop, growable, strict=True)]
    itemsize = draw(st.sampled_from([1, 4, 64 << 10, MIB]))
    cells = st.integers(1, 40)
    caps = [itemsize * draw(cells), itemsize * draw(cells)]
    return box, traits(grid, growable, *caps), Box(tuple(start), tuple(stop)), itemsize


def painted(pieces: Sequence[Box], whole: Box) -> NDArray[Any]:
    """Count how often each voxel of `whole` is in a piece; pieces beyond it fail."""
    counts = np.zeros(whole.shape, int)
    for piece in pieces:
        counts[piece.slices_from(whole.start)] += np.ones(piece.shape, int)
    return counts


def is_one_cell(box: Box, grid: Sequence[int]) -> bool:
    return all((b - 1) // g == a // g for a, b, g in zip(box.start, box.stop, grid, strict=True))


def on_grid(box: Box, store: StoreTraits, bounds: Box) -> bool:
    """Whether each face lies on the grid, or on the edge of an axis that cannot grow."""
    axes = zip(box.start, box.stop, bounds.start, bounds.stop, store.write_grid, store.growable, strict=True)
    return all(
        (a % g == 0 or (not free and a == low)) and (b % g == 0 or (not free and b == high))
        for a, b, low, high, g, free in axes
    )


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


@EXAMPLES
@given(cases())
def test_reads_cover_the_aligned_box_once(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    whole = aligned(box, store.read_grid, store, bounds)
    np.testing.assert_array_equal(painted(read_pieces(box, store, bounds, itemsize), whole), 1)


@EXAMPLES
@given(cases())
def test_reads_stay_under_the_cap_unless_a_single_cell(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    over = [p for p in read_pieces(box, store, bounds, itemsize) if p.size * itemsize > store.max_read_bytes]
    assert all(is_one_cell(piece, store.read_grid) for piece in over)


@EXAMPLES
@given(cases())
def test_reads_are_on_the_grid(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    assert all(on_grid(piece, store, bounds) for piece in read_pieces(box, store, bounds, itemsize))


@EXAMPLES
@given(cases())
def test_writes_cover_the_aligned_box_once(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    whole = aligned(box, store.write_grid, store, bounds)
    pieces = [piece.box for piece in write_pieces(box, store, bounds, itemsize)]
    np.testing.assert_array_equal(painted(pieces, whole), 1)


@EXAMPLES
@given(cases())
def test_writes_stay_under_the_cap_unless_a_single_cell(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    pieces = write_pieces(box, store, bounds, itemsize)
    over = [piece.box for piece in pieces if piece.box.size * itemsize > store.max_write_bytes]
    assert all(is_one_cell(piece, store.write_grid) for piece in over)


@EXAMPLES
@given(cases())
def test_merged_pieces_stay_under_the_cap_of_reads_as_well(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    merged = [piece.box for piece in write_pieces(box, store, bounds, itemsize) if piece.merged]
    over = [piece for piece in merged if piece.size * itemsize > store.max_read_bytes]
    assert all(is_one_cell(piece, store.write_grid) for piece in over)


@EXAMPLES
@given(cases())
def test_writes_are_on_the_grid(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    assert all(on_grid(piece.box, store, bounds) for piece in write_pieces(box, store, bounds, itemsize))


@EXAMPLES
@given(cases())
def test_what_is_sent_without_merging_lies_inside_the_box(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, itemsize = case
    straight = [piece.box for piece in write_pieces(box, store, bounds, itemsize) if not piece.merged]
    assert all(box.contains(piece) for piece in straight)


@EXAMPLES
@given(cases())
def test_of_a_large_box_only_border_blocks_are_merged(case: tuple[Box, StoreTraits, Box, int]) -> None:
    box, store, bounds, _ = case
    whole = aligned(box, store.write_grid, store, bounds)
    itemsize = MERGE_WHOLE_BYTES // whole.size + 1
    merged = [piece.box for piece in write_pieces(box, store, bounds, itemsize) if piece.merged]
    assert not any(box.contains(piece) for piece in merged)


def test_a_small_unaligned_box_is_merged_in_one_piece() -> None:
    store = traits((1, 64, 64), (False, True, True), 256 * MIB, 256 * MIB)
    pieces = write_pieces(Box((0, 1, 1), (1, 1000, 1000)), store, Box((0, 0, 0), (1, 0, 0)), 1)
    assert [(piece.box, piece.merged) for piece in pieces] == [(Box((0, 0, 0), (1, 1024, 1024)), True)]


def test_a_large_unaligned_box_is_sent_straight_but_for_its_borders() -> None:
    store = traits((1, 64, 64), (False, True, True), 256 * MIB, 256 * MIB)
    pieces = write_pieces(Box((0, 0, 10), (1, 8192, 8192)), store, Box((0, 0, 0), (1, 0, 0)), 1)
    assert [(piece.box, piece.merged) for piece in pieces] == [
        (Box((0, 0, 64), (1, 8192, 8192)), False),
        (Box((0, 0, 0), (1, 8192, 64)), True),
    ]
