"""What tests of plans share: boxes and grids to draw, and painted arrays as the oracle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from pyvolume import Box
from pyvolume.stores.base import StoreTraits

MIB = 1 << 20


def traits_of(
    grid: tuple[int, ...],
    *,
    growable: tuple[bool, ...] | None = None,
    most_read: int = 256 * MIB,
    most_write: int = 256 * MIB,
    read_grid: tuple[int, ...] | None = None,
) -> StoreTraits:
    return StoreTraits(
        read_grid=grid if read_grid is None else read_grid,
        write_grid=grid,
        max_read_bytes=most_read,
        max_write_bytes=most_write,
        growable=(False,) * len(grid) if growable is None else growable,
        fill=0,
    )


@st.composite
def boxes(draw: st.DrawFn, ndim: int) -> Box:
    start = [draw(st.integers(-9, 9)) for _ in range(ndim)]
    return Box(tuple(start), tuple(low + draw(st.integers(1, 9)) for low in start))


@st.composite
def grids(draw: st.DrawFn, ndim: int) -> tuple[int, ...]:
    return tuple(draw(st.integers(1, 5)) for _ in range(ndim))


def painted(pieces: Iterable[Box], whole: Box) -> NDArray[Any]:
    """Count how often each voxel of `whole` is in a piece; pieces beyond it fail."""
    counts = np.zeros(whole.shape, int)
    for piece in pieces:
        counts[piece.slices_from(whole.start)] += np.ones(piece.shape, int)
    return counts


def is_one_cell(box: Box, grid: Sequence[int]) -> bool:
    return all((b - 1) // g == a // g for a, b, g in zip(box.start, box.stop, grid, strict=True))


def on_grid(box: Box, grid: Sequence[int], traits: StoreTraits, bounds: Box) -> bool:
    """Whether each face lies on the grid, or on the edge of an axis that cannot grow."""
    axes = zip(box.start, box.stop, bounds.start, bounds.stop, grid, traits.growable, strict=True)
    return all(
        (a % g == 0 or (not free and a == low)) and (b % g == 0 or (not free and b == high))
        for a, b, low, high, g, free in axes
    )
