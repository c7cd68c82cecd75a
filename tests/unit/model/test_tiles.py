"""Tiled copies put every voxel where numpy puts it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvolume.model.tiles import copy_tiled, is_transposed

SHAPES = st.lists(st.sampled_from([1, 2, 7, 33]), min_size=1, max_size=4).map(tuple)


@given(SHAPES, st.data())
def test_every_voxel_arrives_in_any_order_of_axes(shape: tuple[int, ...], data: st.DataObject) -> None:
    orders = [data.draw(st.permutations(range(len(shape)))) for _ in range(2)]
    source, target = (
        np.zeros([2 * shape[axis] for axis in order], "uint16").transpose(np.argsort(order))[
            tuple(slice(0, 2 * n, 2) for n in shape)
        ]
        for order in orders
    )
    source[...] = np.arange(source.size).reshape(shape)
    copy_tiled(target, source[::-1])
    np.testing.assert_array_equal(target, source[::-1])


def test_values_are_cast() -> None:
    target = np.empty((40, 50, 60), ">u2", order="F")
    copy_tiled(target, np.full((40, 50, 60), 7.0))
    assert (target == 7).all()


@pytest.mark.parametrize(
    ("shape", "order", "expected"),
    [((2, 3), "C", True), ((2, 3), "F", False), ((1, 3), "C", False), ((1, 2, 3), "C", True), ((), "C", False)],
)
def test_an_array_of_one_long_axis_is_in_both_orders(shape: tuple[int, ...], order: str, expected: bool) -> None:
    assert is_transposed(np.empty(shape, order=order)) is expected  # type: ignore[call-overload]
