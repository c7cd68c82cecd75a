"""DVID's partition of a region into boxes of blocks, including its errors; recorded exchanges need it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.model.regions import Region, Span
from mockserver.dvid.wire.geometry import Point, wrapped
from mockserver.http.messages import Declined, Panic

Document = dict[str, Any]
Ends = tuple[int, int]

MAX_STEPS = 10_000_000
"""About the most steps of the loops over rows, boxes and spans."""


def partition(region: Region, lineage: Lineage, size: int, *, optimized: bool) -> Document:
    """Return boxes that cover a region, in layers along z, rows along y, and boxes along x.

    Parameters
    ----------
    region : Region
        The region. Its range of z is from the last write to any version, so layers may begin at another z.
    lineage : sequence of int
        The version, and its ancestors.
    size : int
        Blocks along each side of a box.
    optimized : bool
        True if boxes may grow by a block, which leaves no rest, and merge.

    Raises
    ------
    Panic
        Where the real server crashes or never ends.
    """
    if size == 0:
        raise Panic("runtime error: integer divide by zero")
    if size < 0:
        raise Panic("partition: a real server never ends with a negative batch size")
    spans = region.spans_in(lineage)
    _refuse_many_boxes(spans, size, optimized=optimized)
    low, high = region.z_range
    boxes = _Boxes(region.block_size, size, region.z_range)
    left = wrapped(high - low + 1, 32) % size
    begin = low if optimized else low - left // 2
    add = boxes.add_merged if optimized else boxes.add_grid
    for layer, ends in _layers(spans, begin, size, left if optimized else 0):
        add(layer, ends)
    return boxes.document


def _refuse_many_boxes(spans: Sequence[Span], size: int, *, optimized: bool) -> None:
    """Refuse a partition that takes too much time or memory."""
    if not spans:
        return
    wide = max(span[3] for span in spans) - min(span[2] for span in spans) + 1
    deep = max(span[1] for span in spans) - min(span[1] for span in spans) + 1
    steps = (wide + deep) // size + (wide if optimized else 0)
    if len(spans) * steps > MAX_STEPS:
        raise Declined(501, "this mock server makes no partition of so many boxes")


def _layers(spans: Sequence[Span], begin: int, size: int, left: int) -> Iterator[tuple[list[Span], Ends]]:
    """Yield the spans of each layer. Like on the real server, a span beyond the next layer is part of that layer."""
    end, layer = begin + size - 1, list[Span]()
    for span in spans:
        if span[0] > end:
            yield layer, (begin, end)
            begin, end, layer = end + 1, end + size + (left > 0), []
            left -= left > 0
        layer.append(span)
    yield layer, (begin, end)


class _Boxes:
    def __init__(self, block_size: Point, size: int, z_range: Ends) -> None:
        self._block_size = block_size
        self._size = size
        self._low, self._high = [0, 0, z_range[0]], [0, 0, z_range[1]]
        self._boxes: list[Document] = []
        self._total = self._active = 0

    @property
    def document(self) -> Document:
        return {
            "NumTotalBlocks": self._total,
            "NumActiveBlocks": self._active,
            "NumSubvolumes": len(self._boxes),
            "ROI": {"MinChunk": self._low, "MaxChunk": self._high},
            "Subvolumes": self._boxes,
        }

    def add_grid(self, layer: Sequence[Span], z: Ends) -> None:
        """Add boxes of the same size, centred on the spans."""
        for y, row in self._rows(layer, self._centred):
            first, last = self._range_of(0, [span[2] for span in row], [span[3] for span in row])
            for x in self._centred(first, last):
                active = _count_active(row, x)
                total = _volume(x, y, z)
                if active:
                    self._append(((x[0], y[0], z[0]), (x[1], y[1], z[1])), total, active)
                self._total += total
                self._active += active

    def add_merged(self, layer: Sequence[Span], z: Ends) -> None:
        """Add boxes that end with the spans; blocks before a gap are merged into the preceding box."""
        for y, row in self._rows(layer, self._stretched):
            first, last = self._range_of(0, [span[2] for span in row], [span[3] for span in row])
            left, begin = (last - first + 1) % self._size, first
            while begin <= last:
                x = (begin, begin + self._size - 1 + (left > 0))
                left -= left > 0
                gap = _largest_gap(row, x)
                if gap is None:
                    total, active, begin = _volume(x, y, z), _count_active(row, x), x[1] + 1
                    self._append(((x[0], y[0], z[0]), (x[1], y[1], z[1])), total, active)
                else:
                    total, active = self._merge((begin, gap[0] - 1), y, z, row)
                    begin = gap[1] + 1
                self._total += total
                self._active += active

    def _rows(self, layer: Sequence[Span], cut: Callable[[int, int], list[Ends]]) -> Iterator[tuple[Ends, list[Span]]]:
        if not layer:
            return
        low, high = self._range_of(1, [span[1] for span in layer], [span[1] for span in layer])
        for y in cut(low, high):
            if row := [span for span in layer if y[0] <= span[1] <= y[1]]:
                yield y, row

    def _range_of(self, axis: int, firsts: Sequence[int], lasts: Sequence[int]) -> Ends:
        low, high = min(firsts), max(lasts)
        self._low[axis] = min(self._low[axis], low)
        self._high[axis] = max(self._high[axis], low, high)
        return low, high

    def _centred(self, low: int, high: int) -> list[Ends]:
        left = (high - low + 1) % self._size
        begin, end = low - left // 2, high + left - left // 2
        return [(at, at + self._size - 1) for at in range(begin, end + 1, self._size)]

    def _stretched(self, low: int, high: int) -> list[Ends]:
        left, found = (high - low + 1) % self._size, list[Ends]()
        while low <= high:
            end = low + self._size - 1 + (left > 0)
            left -= left > 0
            found.append((low, end))
            low = end + 1
        return found

    def _merge(self, x: Ends, y: Ends, z: Ends, row: Sequence[Span]) -> Ends:
        if x[1] < x[0]:
            return 0, 0
        if not self._boxes:
            raise Panic("runtime error: index out of range [-1]")
        total, active, box = _volume(x, y, z), _count_active(row, x), self._boxes[-1]
        last = [x[1], y[1], z[1]]
        # Like on the real server, this is the first voxel of the last block.
        box["MaxPoint"] = [a * side for a, side in zip(last, self._block_size, strict=True)]
        box["MaxChunk"] = last
        box["TotalBlocks"] += total
        box["ActiveBlocks"] += active
        return total, active

    def _append(self, corners: tuple[Point, Point], total: int, active: int) -> None:
        low, high = corners
        self._boxes.append({
            "MinPoint": [a * side for a, side in zip(low, self._block_size, strict=True)],
            "MaxPoint": [(a + 1) * side - 1 for a, side in zip(high, self._block_size, strict=True)],
            "MinChunk": low,
            "MaxChunk": high,
            "TotalBlocks": total,
            "ActiveBlocks": active,
        })


def _volume(*ends: Ends) -> int:
    return math.prod(high - low + 1 for low, high in ends)


def _count_active(row: Sequence[Span], x: Ends) -> int:
    """Count blocks; a block in several spans is counted several times."""
    return sum(max(0, min(x[1], last) - max(x[0], first) + 1) for _, _, first, last in row)


def _largest_gap(row: Sequence[Span], x: Ends) -> Ends | None:
    """Return the first of the longest runs of blocks that are in no span."""
    best: Ends | None = None
    begin = None
    for at in range(x[0], x[1] + 1):
        if any(first <= at <= last for _, _, first, last in row):
            begin = None
            continue
        begin = at if begin is None else begin
        if best is None or at - begin > best[1] - best[0]:
            best = (begin, at)
    return best
