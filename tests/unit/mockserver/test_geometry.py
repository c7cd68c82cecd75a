from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.dvid.wire.geometry import SLAB_BYTES, Box, parse_box, parse_integer, wrapped
from mockserver.http.messages import Refused

AXES = st.lists(st.tuples(st.integers(-70, 70), st.integers(1, 14)), min_size=1, max_size=4)


@given(AXES, st.sampled_from([1, 8, 3000, 100_000]))
def test_slabs_follow_each_other_on_the_wire(axes: list[tuple[int, int]], voxel_bytes: int) -> None:
    box = Box(tuple(a for a, _ in axes), tuple(n for _, n in axes))
    numbers = np.arange(box.size).reshape(box.shape, order="F")
    pieces = [
        numbers[tuple(slice(a - b, a - b + n) for a, b, n in zip(slab.start, box.start, slab.shape, strict=True))]
        for slab in box.slabs(voxel_bytes, (8,) * len(axes))
    ]
    wire = np.concatenate([piece.ravel(order="F") for piece in pieces])
    np.testing.assert_array_equal(wire, np.arange(box.size))


@given(AXES)
def test_slabs_are_small(axes: list[tuple[int, int]]) -> None:
    box = Box(tuple(a for a, _ in axes), tuple(n for _, n in axes))
    assert all(math.prod(slab.shape) * 1000 <= SLAB_BYTES for slab in box.slabs(1000, (8,) * len(axes)))


@given(AXES)
def test_cells_cover_the_box(axes: list[tuple[int, int]]) -> None:
    box = Box(tuple(a for a, _ in axes), tuple(n for _, n in axes))
    cells = list(box.cells((8,) * len(axes)))
    assert len(cells) == math.prod((a + n - 1) // 8 - a // 8 + 1 for a, n in axes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("", 'strconv.ParseInt: parsing "": invalid syntax'),
        ("2147483648", 'strconv.ParseInt: parsing "2147483648": value out of range'),
        ("-2147483649", 'strconv.ParseInt: parsing "-2147483649": value out of range'),
    ],
)
def test_complains_about_numbers_as_go_does(text: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_integer(text)
    assert str(caught.value) == words


def test_number_of_voxels_overflows_as_on_the_server() -> None:
    assert parse_box("0_0_0", "2147483647_2147483647_2147483647").size == wrapped((2**31 - 1) ** 3, 64)


def test_the_offset_is_checked_before_the_size() -> None:
    with pytest.raises(Refused, match="Offset must be 3d coordinate, not 2-d coordinate"):
        parse_box("0_0", "x_1_1")
