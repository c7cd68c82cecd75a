"""The bounds within which a client wants a body."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mockserver.dvid.wire.geometry import Point, parse_integer

Side = int | None


@dataclass(frozen=True)
class Bounds:
    """The first and the last coordinate along each axis, inclusive; None where there is none."""

    low: tuple[Side, ...] = (None, None, None)
    high: tuple[Side, ...] = (None, None, None)

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> Bounds:
        """Read ``minx``, ``maxx`` and so on."""
        ends = {
            f"{end}{axis}": parse_integer(query[f"{end}{axis}"]) if query.get(f"{end}{axis}") else None
            for axis in "xyz"
            for end in ("min", "max")
        }
        low, high = (tuple(ends[f"{end}{axis}"] for axis in "xyz") for end in ("min", "max"))
        return cls(low, high)

    @property
    def given(self) -> bool:
        """Whether there is any bound."""
        return any(side is not None for side in (*self.low, *self.high))

    def in_blocks(self, sides: Point) -> Bounds:
        """Return the bounds in blocks; DVID rounds towards 0."""
        low, high = (
            tuple(None if a is None else math.trunc(a / side) for a, side in zip(end, sides, strict=True))
            for end in (self.low, self.high)
        )
        return Bounds(low, high)

    def hold(self, point: Sequence[int]) -> bool:
        """Return whether a point is within the bounds."""
        above = all(a is None or a <= at for a, at in zip(self.low, point, strict=True))
        return above and all(b is None or at <= b for b, at in zip(self.high, point, strict=True))

    def within(self, start: Point, shape: Point) -> tuple[slice, ...]:
        """Return the part of a box that is within the bounds."""
        return tuple(
            slice(0 if a is None else max(0, a - first), count if b is None else max(0, min(count, b - first + 1)))
            for a, b, first, count in zip(self.low, self.high, start, shape, strict=True)
        )
