"""Data instances of type roi: regions of interest, as spans of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.layers import Layers
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.model.settings import Base, DataType, Origin, base_from, point_setting
from mockserver.dvid.wire.bodies import Config
from mockserver.dvid.wire.geometry import Box, Point
from mockserver.http.messages import Panic, Refused

TYPE = DataType("roi", "0.1")

# z, y, first and last x, in blocks.
Span = tuple[int, int, int, int]

NO_RANGE = (2**31 - 1, -(2**31))

# DVID stores this many spans at a time.
BATCH = 10_000


@dataclass
class Region:
    """Spans in each version; the range of z is from the last write to any version."""

    base: Base
    block_size: Point
    z_range: tuple[int, int] = NO_RANGE
    spans: Layers[Span, bool] = field(default_factory=Layers)

    def spans_in(self, lineage: Lineage) -> list[Span]:
        """Return the spans of a version, sorted."""
        return sorted(self.spans.seen(lineage))

    def replace(self, lineage: Lineage, spans: Sequence[Span]) -> None:
        """Replace the spans of a version.

        Raises
        ------
        Refused
            If a span ends before it begins. Like on the real server, the old spans are deleted before this check.
        """
        bad = next((at for at, (_, _, first, last) in enumerate(spans) if last < first), None)
        kept = spans if bad is None else spans[: bad - bad % BATCH]
        self.spans.put(lineage[0], dict.fromkeys(kept, True), without=self.spans.seen(lineage))
        looked_at = spans if bad is None else spans[: bad + 1]
        self.z_range = (
            min([NO_RANGE[0], *(span[0] for span in looked_at)]),
            max([NO_RANGE[1], *(span[0] for span in looked_at)]),
        )
        if bad is not None:
            raise Refused(f"Got weird span {list(spans[bad])}.  span[3] (X1) < span[2] (X0)")

    def blocks(self, lineage: Lineage) -> Blocks:
        """Return the blocks of a version."""
        return Blocks(self.spans_in(lineage))

    def mask(self, lineage: Lineage, box: Box) -> NDArray[np.uint8]:
        """Return an array for a box, 1 inside the region, in Fortran order.

        Like DVID, it ignores spans that begin below the box's first block, which it rounds towards zero.
        """
        mask = np.zeros(box.shape, np.uint8, order="F")
        low = [_towards_zero(a, side) for a, side in zip(box.start, self.block_size, strict=True)]
        high = [_towards_zero(a, side) for a, side in zip(box.last, self.block_size, strict=True)]
        for z, y, first, last in self.spans_in(lineage):
            if low[2] <= z <= high[2] and low[1] <= y <= high[1] and last >= low[0] and first <= high[0]:
                mask[self._within(box, (first, y, z), (last, y, z))] = 1
        return mask

    def _within(self, box: Box, low: Point, high: Point) -> tuple[slice, ...]:
        return tuple(
            slice(max(a * side, start) - start, min((b + 1) * side, start + count) - start)
            for a, b, side, start, count in zip(low, high, self.block_size, box.start, box.shape, strict=True)
        )


class Blocks:
    """A set of blocks, as spans."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._rows: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for z, y, first, last in spans:
            self._rows.setdefault((z, y), []).append((first, last))

    def __contains__(self, block: Point) -> bool:
        x, y, z = block
        return any(first <= x <= last for first, last in self._rows.get((z, y), ()))


def from_config(config: Config, origin: Origin) -> Region:
    """Create an instance from the settings of a client."""
    base = base_from(config, TYPE, origin)
    block_size = point_setting(config, "BlockSize") or (32, 32, 32)
    if len(block_size) != 3:
        raise Refused(f"BlockSize must be 3d, not {len(block_size)}d")
    return Region(base, block_size)


def _towards_zero(value: int, divisor: int) -> int:
    if divisor == 0:
        raise Panic("runtime error: integer divide by zero")
    return abs(value) // divisor * (1 if value >= 0 else -1)
