"""Cells of a box, and the boxes that fetch them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyvolume import Box
from pyvolume.caching.cells import cells_of, joined
from pyvolume.stores.base import SKIP_BYTES

GRID = (1, 4, 4, 4)
BLOCK = 4**3
LARGE = SKIP_BYTES // BLOCK
"""The size of a voxel with which a block is as large as a gap that is skipped."""


def cells(*indices: tuple[int, ...]) -> list[Box]:
    return [Box((0, *(4 * i for i in index)), (1, *(4 * i + 4 for i in index))) for index in indices]


def test_cells_are_whole_where_an_axis_can_grow() -> None:
    found = list(cells_of(Box((0, 5, -1, 3), (1, 9, 1, 4)), GRID, [(0, 1), None, None, None]))
    assert found == cells((1, -1, 0), (2, -1, 0), (1, 0, 0), (2, 0, 0))


def test_cells_end_at_the_bounds_of_an_axis_that_cannot_grow() -> None:
    assert list(cells_of(Box((0, 5), (1, 9)), (1, 4), [(0, 1), (5, 9)])) == [Box((0, 5), (1, 8)), Box((0, 8), (1, 9))]


@pytest.mark.parametrize("itemsize", [1, LARGE, 100 * LARGE])
def test_cells_that_fill_a_box_are_fetched_together(itemsize: int) -> None:
    assert joined(cells(*itertools.product(range(3), repeat=3)), itemsize) == [Box((0,) * 4, (1, 12, 12, 12))]


@pytest.mark.parametrize(("itemsize", "requests"), [(LARGE - 1, 1), (LARGE, 2)])
def test_a_gap_is_left_out_where_it_is_large(itemsize: int, requests: int) -> None:
    assert len(joined(cells((0, 0, 0), (2, 0, 0)), itemsize)) == requests


def test_a_shell_around_known_blocks_is_fetched_with_six_requests() -> None:
    shell = [index for index in itertools.product(range(5), repeat=3) if {0, 4} & set(index)]
    found = joined(cells(*shell), LARGE)
    assert (len(found), sum(box.size for box in found)) == (6, (5**3 - 3**3) * BLOCK)


@settings(max_examples=80)
@given(
    st.sets(st.tuples(*[st.integers(-2, 3)] * 3), min_size=1),
    st.sampled_from([1, LARGE // 8, LARGE]),
)
def test_boxes_hold_all_cells_and_little_else(indices: set[tuple[int, int, int]], itemsize: int) -> None:
    wanted = np.zeros((1, 6, 6, 6), bool)
    covered = np.zeros((1, 6, 6, 6), int)
    for index in indices:
        wanted[(0, *(i + 2 for i in index))] = True
    boxes = joined(cells(*indices), itemsize)
    for box in boxes:
        blocks = [slice(a // 4 + 2, b // 4 + 2) for a, b in zip(box.start[1:], box.stop[1:], strict=True)]
        covered[0][tuple(blocks)] += 1
    assert covered[wanted].all()
    assert (covered.sum() - wanted.sum()) * BLOCK * itemsize < SKIP_BYTES * len(indices)
