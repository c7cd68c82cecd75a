"""Keys for hypothesis: what numpy takes between square brackets, and what they write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st


def keys(shape: tuple[int, ...], *, arrays: bool = True) -> st.SearchStrategy[Any]:
    """Draw keys that numpy takes for reading an array of this shape.

    Integers of either sign, slices of either step with missing and out-of-range parts, at most one Ellipsis, None,
    fewer items than axes, bare items instead of tuples; and, if `arrays`, lists and 1-D arrays of integers and
    booleans, several of them of one length or of length 1.
    """
    return _keys(tuple(shape), arrays)


@st.composite
def shapes(draw: st.DrawFn, *, min_axes: int = 2, max_axes: int = 6, max_voxels: int = 2000) -> tuple[int, ...]:
    """Draw shapes of few voxels; a length of 0 is possible."""
    ndim = draw(st.integers(min_axes, max_axes))
    most = {2: 12, 3: 9, 4: 6, 5: 4}.get(ndim, 3)
    shape = draw(st.tuples(*[st.integers(0, most)] * ndim))
    return shape if np.prod(shape) <= max_voxels else tuple(min(n, 2) for n in shape)


def slices(size: int) -> st.SearchStrategy[slice]:
    """Draw slices of an axis of this size: steps of either sign, parts that are missing or out of range."""
    part = st.none() | st.integers(-size - 2, size + 2)
    step = st.none() | st.integers(-size - 1, -1) | st.integers(1, size + 1)
    return st.builds(slice, part, part, step)


def indices(size: int) -> st.SearchStrategy[Any]:
    """Draw single indices of an axis of this size, in the forms that numpy takes for one."""
    form = st.sampled_from([int, int, np.int64, np.int8, np.array])
    return st.builds(lambda make, index: make(index), form, st.integers(-size, size - 1))


@st.composite
def _keys(draw: st.DrawFn, shape: tuple[int, ...], arrays: bool) -> Any:
    named = draw(st.integers(0, len(shape)))
    has_dots = draw(st.booleans())
    in_front = draw(st.integers(0, named)) if has_dots else named
    # behind an Ellipsis the items belong to the last axes
    sizes = (*shape[:in_front], *shape[len(shape) - named + in_front :])
    kinds = [draw(st.sampled_from(_kinds(size, arrays))) for size in sizes]
    lengths = _array_lengths(draw, sizes, kinds)
    items: list[Any] = [
        draw(slices(size) if kind == "slice" else indices(size) if kind == "index" else _arrays(size, length))
        for size, kind, length in zip(sizes, kinds, lengths, strict=True)
    ]
    if has_dots:
        items.insert(in_front, Ellipsis)
    for at in draw(st.lists(st.integers(0, len(items)), max_size=2)):
        items.insert(at, None)
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


def _kinds(size: int, arrays: bool) -> list[str]:
    return ["slice", "slice"] + ["index"] * (size > 0) + ["array"] * arrays


def _array_lengths(draw: st.DrawFn, sizes: Sequence[int], kinds: Sequence[str]) -> list[int]:
    """Choose for each array how many voxels it picks: the same number, or one."""
    places = [size for size, kind in zip(sizes, kinds, strict=True) if kind == "array"]
    common = 0 if 0 in places else draw(st.integers(0, 4)) if places else 1
    return [draw(st.sampled_from([common, common, 1])) if size and len(places) > 1 else common for size in sizes]


@st.composite
def _arrays(draw: st.DrawFn, size: int, length: int) -> Any:
    """Draw a list or an array that picks `length` voxels of an axis."""
    if length <= size and draw(st.integers(0, 2)) == 0:
        mask = np.zeros(size, bool)
        mask[draw(st.permutations(range(size)))[:length]] = True
        return mask.tolist() if size and draw(st.booleans()) else mask
    picked = [draw(st.integers(-size, size - 1)) for _ in range(length)]
    dtype = draw(st.sampled_from([None, np.intp, np.int8]))
    return picked if dtype is None else np.array(picked, dtype)
