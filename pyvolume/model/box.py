"""Box: a region in absolute voxel coordinates."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, SupportsIndex, TypeAlias

from pyvolume.errors import SelectionError
from pyvolume.model.arguments import brief


def _integers(values: Iterable[SupportsIndex], name: str) -> tuple[int, ...]:
    try:
        return tuple(map(operator.index, values))
    except TypeError:
        raise SelectionError(f"box: {name} must be one integer per axis, not {brief(values)}") from None


def _no_box(found: object) -> TypeError:
    return TypeError(f"box: expected a Box and found {brief(found)}")


@dataclass(frozen=True, slots=True, init=False)
class Box:
    """A region in absolute voxel coordinates, channel axis first.

    Parameters
    ----------
    start, stop : sequence of int
        First voxel and the one after the last, one per axis; of any sign, ``start <= stop``.

    Raises
    ------
    SelectionError
        If the corners are not integers, differ in length, or are reversed.

    Examples
    --------
    >>> box = Box((0, 10, 20), (1, 110, 120))
    >>> box.shape
    (1, 100, 100)
    >>> box.aligned_to((1, 64, 64))
    Box(0:1, 0:128, 0:128)
    """

    start: tuple[int, ...]
    stop: tuple[int, ...]

    def __init__(self, start: Iterable[SupportsIndex], stop: Iterable[SupportsIndex]) -> None:
        first, last = _integers(start, "start"), _integers(stop, "stop")
        if len(first) != len(last):
            raise SelectionError(
                f"box: start has {len(first)} axes and stop has {len(last)}: {brief(first)}, {brief(last)}"
            )
        for axis, (low, high) in enumerate(zip(first, last, strict=True)):
            if high < low:
                raise SelectionError(f"box: stop is before start on axis {axis}: {low}:{high}")
        object.__setattr__(self, "start", first)
        object.__setattr__(self, "stop", last)

    @classmethod
    def _trusted(cls, start: tuple[int, ...], stop: tuple[int, ...]) -> Self:
        """Make a box of corners that are valid already: a transfer makes thousands."""
        box = object.__new__(cls)
        object.__setattr__(box, "start", start)
        object.__setattr__(box, "stop", stop)
        return box

    def __str__(self) -> str:
        return "(" + ", ".join(f"{a}:{b}" for a, b in zip(self.start, self.stop, strict=True)) + ")"

    def __repr__(self) -> str:
        return f"Box{self}"

    @property
    def ndim(self) -> int:
        """Number of axes, the channel axis included."""
        return len(self.start)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
        return tuple(map(operator.sub, self.stop, self.start))

    @property
    def size(self) -> int:
        """Number of voxels, channels counted one by one."""
        return math.prod(map(operator.sub, self.stop, self.start))

    def contains(self, other: Box) -> bool:
        """Whether every voxel of `other` lies in this box; an empty box lies in every box."""
        try:
            surrounds = all(map(operator.le, self.start, other.start)) and all(map(operator.ge, self.stop, other.stop))
            return surrounds or other.size == 0
        except AttributeError:
            raise _no_box(other) from None

    def intersection(self, other: Box) -> Box | None:
        """Return the voxels in both boxes, or None where there are none."""
        try:
            start = tuple(map(max, self.start, other.start))
            stop = tuple(map(min, self.stop, other.stop))
        except (AttributeError, TypeError):
            raise _no_box(other) from None
        if any(map(operator.le, stop, start)):
            return None
        return Box._trusted(start, stop)

    def union(self, other: Box) -> Box:
        """Return the smallest box around both; an empty box has no place."""
        try:
            if not self.size or not other.size:
                return self if self.size else other
            return Box._trusted(tuple(map(min, self.start, other.start)), tuple(map(max, self.stop, other.stop)))
        except (AttributeError, TypeError):
            raise _no_box(other) from None

    def aligned_to(self, grid: Sequence[int], limits: Sequence[tuple[int, int] | None] | None = None) -> Box:
        """Return the smallest box around this one whose faces lie on a grid through the origin.

        Parameters
        ----------
        grid : sequence of int
            Distance of the grid planes, one per axis.
        limits : sequence of (int, int) or None, optional
            For an axis that cannot grow its first voxel and the one after the last: the edge counts as aligned.
        """
        start, stop = [], []
        for low, high, step, limit in zip(self.start, self.stop, grid, limits or [None] * self.ndim, strict=True):
            a, b = low // step * step, -(-high // step) * step
            start.append(max(a, min(limit[0], low)) if limit else a)
            stop.append(min(b, max(limit[1], high)) if limit else b)
        return Box._trusted(tuple(start), tuple(stop))

    def split(self, axis: int, step: int, origin: int = 0) -> Iterator[Box]:
        """Cut along one axis where the distance to `origin` is a multiple of `step`."""
        low, high = self.start[axis], self.stop[axis]
        for a, b in itertools.pairwise(itertools.chain((low,), self.faces(axis, step, origin), (high,))):
            yield self.replaced(axis, a, b)

    def faces(self, axis: int, step: int, origin: int = 0) -> range:
        """Return where `split` cuts."""
        low = self.start[axis]
        return range(low + step - (low - origin) % step, self.stop[axis], step)

    def replaced(self, axis: int, low: int, high: int) -> Box:
        """Return this box with other bounds on one axis."""
        start, stop = list(self.start), list(self.stop)
        start[axis], stop[axis] = low, high
        return Box._trusted(tuple(start), tuple(stop))

    def slices_from(self, origin: Sequence[int]) -> tuple[slice, ...]:
        """Return the slices of this box in an array whose first voxel is at `origin`."""
        return tuple(slice(a - o, b - o) for a, b, o in zip(self.start, self.stop, origin, strict=True))


BoxLike: TypeAlias = "Box | tuple[Sequence[SupportsIndex], Sequence[SupportsIndex]]"
"""A box, or its two corners."""


def as_box(box: BoxLike) -> Box:
    """Return a box that is given as one or by its corners.

    Raises
    ------
    SelectionError
    """
    if isinstance(box, Box):
        return box
    corners: Any = box
    try:
        start, stop = corners
        if getattr(corners, "ndim", 2) != 2 or not isinstance(start, Iterable) or isinstance(start, str):
            raise TypeError
    except (TypeError, ValueError):
        hint = "; the box comes first, then the array" if getattr(corners, "ndim", 2) > 2 else ""
        message = f"box: expected a Box, or a pair of corners (start, stop), and found {brief(box)}{hint}"
        raise SelectionError(message) from None
    return Box(start, stop)
