"""Keys for hypothesis: what numpy takes between square brackets, and what they write."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st


def keys(shape: tuple[int, ...], *, arrays: bool = True) -> st.SearchStrategy[Any]:
    """Draw keys that numpy takes for reading an array of this shape.

    Integers of either sign, slices of either step with missing and out-of-range parts, at most one Ellipsis, None,
    fewer items than axes, bare items instead of tuples; and, if `arrays`, lists and arrays of integers of any number of
    axes that can be broadcast, masks of one or more axes, and single booleans.
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


def not_growing(key: Any, shape: tuple[int, ...]) -> Any:
    """Bring the explicit ends of slices back inside: beyond, an assignment grows a volume, or is refused."""

    def inside(item: Any, size: int) -> Any:
        if not isinstance(item, slice):
            return item
        start, stop, step = item.start, item.stop, item.step
        if step is not None and step < 0:
            return slice(start if start is None else min(start, size - 1), stop, step)
        return slice(start, stop if stop is None else min(stop, size), step)

    def covered(item: Any) -> int:
        if item is None or item is Ellipsis:
            return 0
        array = None if isinstance(item, slice) else np.asarray(item)
        return array.ndim if array is not None and array.dtype == bool else 1

    items = key if isinstance(key, tuple) else (key,)
    used = sum(map(covered, items))
    axis, changed = 0, []
    for item in items:
        changed.append(inside(item, shape[axis]) if isinstance(item, slice) else item)
        axis += len(shape) - used if item is Ellipsis else covered(item)
    return tuple(changed) if isinstance(key, tuple) else changed[0]


def is_decided(key: Any, shape: tuple[int, ...], values: Any) -> bool:
    """Whether one value is given for each voxel.

    Where index arrays of several axes name a voxel twice, numpy's order depends on how the arrays lie in memory.
    """
    places = np.arange(math.prod(shape)).reshape(shape)[key]
    order = np.argsort(places, axis=None, kind="stable")
    place, value = places.ravel()[order], np.broadcast_to(values, places.shape).ravel()[order]
    again = place[1:] == place[:-1]
    return bool(np.all(value[1:][again] == value[:-1][again]))


@st.composite
def _keys(draw: st.DrawFn, shape: tuple[int, ...], arrays: bool) -> Any:
    named = draw(st.integers(0, len(shape)))
    has_dots = draw(st.booleans())
    in_front = draw(st.integers(0, named)) if has_dots else named
    # behind an Ellipsis the items belong to the last axes
    front, behind = shape[:in_front], shape[len(shape) - named + in_front :]
    parts = [*_parts(draw, front, arrays), *([("dots", ())] if has_dots else []), *_parts(draw, behind, arrays)]
    extras = draw(st.lists(st.sampled_from(["none", "none", "bool"] if arrays else ["none"]), max_size=2))
    for extra in extras:
        parts.insert(draw(st.integers(0, len(parts))), (extra, ()))
    points = _points(draw, [sizes for kind, sizes in parts if kind in {"array", "mask"}])
    items = [_item(draw, kind, sizes, points) for kind, sizes in parts]
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


def _parts(draw: st.DrawFn, sizes: tuple[int, ...], arrays: bool) -> list[tuple[str, tuple[int, ...]]]:
    """Choose kinds of items, each with the lengths of the axes that it covers."""
    parts = []
    while sizes:
        options = ["slice", "slice"] + ["index"] * (sizes[0] > 0) + ["array", "mask"] * arrays
        kind = draw(st.sampled_from(options))
        count = draw(st.integers(1, len(sizes))) if kind == "mask" else 1
        parts.append((kind, sizes[:count]))
        sizes = sizes[count:]
    return parts


def _points(draw: st.DrawFn, places: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """Choose the shape to which all index arrays are broadcast; None without arrays."""
    if not places:
        return None
    in_front = draw(st.lists(st.integers(1, 3), max_size=2))
    most = min(math.prod(sizes) if len(sizes) > 1 else 4 * (sizes[0] > 0) for sizes in places)
    return (*in_front, draw(st.integers(0, min(most, 4))))


def _item(draw: st.DrawFn, kind: str, sizes: tuple[int, ...], points: tuple[int, ...] | None) -> Any:
    if kind in {"none", "dots"}:
        return None if kind == "none" else Ellipsis
    if kind == "bool":
        # false leaves no point, which goes with one point or none
        values = [True, np.True_, np.array(True)] + [False] * (points is None or set(points) <= {0, 1})
        return draw(st.sampled_from(values))
    if kind == "slice":
        return draw(slices(sizes[0]))
    if kind == "index":
        return draw(indices(sizes[0]))
    assert points is not None
    fits = math.prod(sizes) >= points[-1]
    return draw(_masks(sizes, points[-1])) if kind == "mask" and fits else draw(_arrays(sizes[0], points))


@st.composite
def _masks(draw: st.DrawFn, sizes: tuple[int, ...], count: int) -> Any:
    """Draw a mask, or nested lists, that picks `count` voxels of some axes."""
    mask = np.zeros(math.prod(sizes), bool)
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    mask[random.choice(mask.size, count, replace=False)] = True
    mask = mask.reshape(sizes, order=draw(st.sampled_from(["C", "F"])))
    return mask.tolist() if mask.size and draw(st.booleans()) else mask


@st.composite
def _arrays(draw: st.DrawFn, size: int, points: tuple[int, ...]) -> Any:
    """Draw lists or an array of indices that can be broadcast to a shape."""
    shape = points[draw(st.integers(0, len(points) - 1)) :]
    if size:
        shape = tuple(draw(st.sampled_from([n, n, 1])) for n in shape)
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    picked: Any = random.integers(-size, size, shape) if size else np.zeros(shape, np.intp)
    form = draw(st.sampled_from([None, np.intp, np.int8, memoryview, "F"]))
    if form is None:
        return picked.tolist()
    if form is memoryview:
        return memoryview(picked) if picked.size else picked
    return np.asfortranarray(picked) if form == "F" else picked.astype(form)
