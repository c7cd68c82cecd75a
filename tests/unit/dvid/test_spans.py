"""Spans of blocks: the arithmetic of regions, against sets of blocks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvolume.dvid.roi import spans
from pyvolume.dvid.roi.spans import Partial
from pyvolume.errors import MetadataError

Block = tuple[int, int, int]

SIDES = (4, 2, 3)
SHAPE = (24, 12, 18)
START = (-12, -6, -9)

near = st.integers(-3, 3)
rows = st.lists(st.builds(lambda z, y, x, n: [z, y, x, x + n], near, near, near, st.integers(0, 3)), max_size=12)


def blocks_in(table: Any) -> set[Block]:
    return {(x, y, z) for z, y, x0, x1 in np.asarray(table).reshape(-1, 4).tolist() for x in range(x0, x1 + 1)}


def voxels_of(blocks: set[Block]) -> Any:
    """Return the mask of blocks, as an array that begins at START."""
    mask = np.zeros(SHAPE, "uint8")
    for block in blocks:
        low = [index * side - start for index, side, start in zip(block, SIDES, START, strict=True)]
        mask[tuple(slice(max(0, a), max(0, a + side)) for a, side in zip(low, SIDES, strict=True))] = 1
    return mask


def normal(table: Any) -> Any:
    return spans.normalised("write", table)


@given(rows)
def test_normal_spans_hold_the_same_blocks(table: list[list[int]]) -> None:
    assert blocks_in(normal(table)) == blocks_in(table)


@given(rows)
def test_normal_spans_are_sorted_and_do_not_touch(table: list[list[int]]) -> None:
    listed = normal(table).tolist()
    assert all(a[:2] < b[:2] or (a[:2] == b[:2] and a[3] + 1 < b[2]) for a, b in itertools.pairwise(listed))


@given(rows)
def test_blocks_are_listed_once_each_in_order(table: list[list[int]]) -> None:
    listed = spans.blocks_of(normal(table)).tolist()
    assert listed == [list(block) for block in sorted(blocks_in(table), key=lambda block: block[::-1])]


@given(rows)
def test_blocks_become_the_same_spans(table: list[list[int]]) -> None:
    listed = spans.blocks_of(normal(table))[::-1]
    np.testing.assert_array_equal(spans.of_blocks("write", listed), normal(table), strict=True)


@given(rows)
def test_blocks_are_counted(table: list[list[int]]) -> None:
    assert spans.count(normal(table)) == len(blocks_in(table))


@given(rows)
def test_blocks_are_found(table: list[list[int]]) -> None:
    asked = np.stack(np.meshgrid(*[np.arange(-4, 8)] * 3), axis=-1).reshape(-1, 3)
    expected = [tuple(block) in blocks_in(table) for block in asked.tolist()]
    assert spans.contain(normal(table), asked).tolist() == expected


@given(rows, st.tuples(*[st.integers(-14, 10)] * 3), st.tuples(*[st.integers(1, 9)] * 3))
def test_a_mask_is_that_of_the_blocks(table: list[list[int]], start: Block, shape: Block) -> None:
    out = np.full(shape, 7, "uint8")
    spans.fill_mask(normal(table), start, SIDES, out)
    blocks: set[Any] = blocks_in(table)
    index = [np.arange(a, a + n) // side for a, n, side in zip(start, shape, SIDES, strict=True)]
    expected = [[[(x, y, z) in blocks for z in index[2]] for y in index[1]] for x in index[0]]
    np.testing.assert_array_equal(out, np.array(expected, "uint8"), strict=True)


@given(rows)
def test_a_mask_becomes_the_same_spans(table: list[list[int]]) -> None:
    inside = {block for block in blocks_in(table) if max(block) < 3}
    kept = normal([[z, y, x, x] for x, y, z in inside])
    found = spans.of_mask("write", voxels_of(inside), START, SIDES, "raise")
    np.testing.assert_array_equal(found, kept, strict=True)


@given(rows, st.integers(1, 5))
def test_cells_share_out_the_blocks(table: list[list[int]], side: int) -> None:
    cubes, counts = spans.cells(normal(table), side)
    expected: dict[Block, int] = {}
    for x, y, z in blocks_in(table):
        cube = (x // side, y // side, z // side)
        expected[cube] = expected.get(cube, 0) + 1
    assert dict(zip(map(tuple, cubes.tolist()), counts.tolist(), strict=True)) == expected


@pytest.mark.parametrize(("partial", "expected"), [("include", [[0, 0, 0, 1]]), ("exclude", [[0, 0, 0, 0]])])
def test_blocks_that_are_covered_in_part(partial: Partial, expected: list[list[int]]) -> None:
    mask = np.ones((5, 2, 3), bool)
    assert spans.of_mask("write", mask, (0, 0, 0), SIDES, partial).tolist() == expected


def test_blocks_that_are_covered_in_part_are_refused() -> None:
    with pytest.raises(MetadataError, match=r"covers 1 of them in part, such as the block \(x, y, z\) = \(1, 0, 0\)"):
        spans.of_mask("write", np.ones((5, 2, 3), bool), (0, 0, 0), SIDES, "raise")


def test_a_mask_that_begins_inside_a_block_covers_it_in_part() -> None:
    assert spans.of_mask("write", np.ones((7, 2, 3), bool), (-3, 0, 0), SIDES, "exclude").tolist() == [[0, 0, 0, 0]]


def test_a_mask_without_voxels_is_empty() -> None:
    assert spans.of_mask("write", np.ones((0, 2, 3), bool), (0, 0, 0), SIDES, "raise").shape == (0, 4)


@pytest.mark.parametrize(
    "table",
    [
        [[1, 0, 3, 1]],
        [[0, 0, 0]],
        [[0, 0, 0, 1, 2]],
        [[0, 0, 0, 1.0]],
        [["0", 0, 0, 1]],
        [[0, 0, 0, 1], [0, 0]],
        [[True, False, False, True]],
        [[0, 0, 0, 2**31]],
        [[-(2**31) - 1, 0, 0, 0]],
        [[0, 0, 0, 2**64 - 1]],
        [0, 0, 0, 1],
        None,
        {"spans": []},
    ],
)
def test_what_is_no_list_of_spans(table: Any) -> None:
    with pytest.raises(MetadataError, match="write: "):
        normal(table)


def test_the_ends_of_the_coordinates() -> None:
    low, high = -(2**31), 2**31 - 1
    table = [[low, low, low, low], [low, low, high, high], [low, low + 1, low, high], [high, high, high, high]]
    assert normal(table[::-1]).tolist() == table
    asked = np.array([(low, low, low), (0, low, low), (high, low, low), (0, low + 1, low), (high, high, high)])
    assert spans.contain(normal(table), asked).tolist() == [True, False, True, True, True]
    assert spans.contain(normal(table), asked + 2**32).tolist() == [False] * 5
