"""Boxes and numbers in urls, with DVID's error texts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mockserver.http.messages import Refused

Point = tuple[int, ...]

MAX_REQUEST_BYTES = 3 * 2**30
SLAB_BYTES = 8 * 2**20
VOLUMES = frozenset({"vol", "0_1_2", "0,1,2"})
PLANES = {"xy": (0, 1), "xz": (0, 2), "yz": (1, 2), "0_1": (0, 1), "0_2": (0, 2), "1_2": (1, 2)}


def wrapped(value: int, bits: int) -> int:
    """Return `value` as a Go integer of this many bits, after overflow."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


def cell_of(value: int, side: int) -> int:
    """Return the number of the block at a coordinate; DVID's subtraction overflows in the lowest block."""
    return value // side if value >= 0 else int(wrapped(value - side + 1, 32) / side)


def show(point: Sequence[int]) -> str:
    """Return a point as Go prints it: ``(0,32,64)``."""
    return f"({','.join(map(str, point))})"


def parse_integer(text: str, *, function: str = "ParseInt", bits: int = 32) -> int:
    """Parse a signed decimal number, with Go's error texts."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise Refused(f'strconv.{function}: parsing "{text}": invalid syntax')
    size = int(text.lstrip("+-").lstrip("0")[:20] or "0")  # 20 digits are more than 64 bits
    value = -size if text.startswith("-") else size
    if wrapped(value, bits) != value:
        raise Refused(f'strconv.{function}: parsing "{text}": value out of range')
    return value


def parse_point(text: str, separator: str = "_") -> Point:
    """Parse ``1_2_3``; a point has at least two numbers."""
    words = text.split(separator)
    if len(words) < 2:
        raise Refused(f"cannot convert '{text}' into a Point.")
    return tuple(parse_integer(word.strip()) for word in words)


def parse_box(offset: str, size: str, ndim: int = 3) -> Box:
    """Parse offset and size of a box with `ndim` axes, the offset first."""
    start = parse_numbers(offset, ndim)
    if len(start) != ndim:
        raise Refused(f"Offset must be {ndim}d coordinate, not {len(start)}-d coordinate")
    shape = parse_numbers(size, ndim)
    if len(shape) != ndim:
        raise Refused(f"Size must be {ndim} (not {len(shape)}) dimensions")
    return Box(start, shape)


def parse_numbers(text: str, ndim: int) -> Point:
    """Parse a point, or a single number if there is one axis."""
    return (parse_integer(text),) if ndim == 1 and "_" not in text else parse_point(text)


@dataclass(frozen=True)
class Box:
    """A region in voxels: `start` and `shape`, in the order of the axes (X, Y, Z ...)."""

    start: Point
    shape: Point

    @property
    def last(self) -> Point:
        """The last voxel, inclusive."""
        return tuple(wrapped(a + n - 1, 32) for a, n in zip(self.start, self.shape, strict=True))

    @property
    def size(self) -> int:
        """Number of voxels, with the overflow of an int64."""
        size = 1
        for count in self.shape:
            size = wrapped(size * count, 64)
        return size

    def __str__(self) -> str:
        return f"{len(self.shape)}d volume {show(self.shape)} at offset {show(self.start)}"

    def aligned_to(self, grid: Point) -> bool:
        """Return whether start and end are on the grid."""
        if len(grid) != len(self.start):
            return False
        return all(a % g == 0 and (b + 1) % g == 0 for a, b, g in zip(self.start, self.last, grid, strict=True))

    def misses(self, grid: Point) -> bool:
        """Whether DVID finds no block in the box: the first one counts as behind the last after an overflow."""
        return any(cell_of(a, g) > cell_of(b, g) for a, b, g in zip(self.start, self.last, grid, strict=True))

    def cells(self, grid: Point) -> Iterator[Point]:
        """Yield the coordinates of the grid cells that the box touches, the first axis fastest."""
        yield from _fastest_first(self.cell_ranges(grid))

    def cell_ranges(self, grid: Point) -> list[range]:
        """Return the numbers of the grid cells that the box touches, along each axis."""
        return [range(a // g, (a + n - 1) // g + 1) for a, n, g in zip(self.start, self.shape, grid, strict=True)]

    def slabs(self, voxel_bytes: int, grid: Point) -> Iterator[Box]:
        """Cut the box into boxes of a few MiB, in their order on the wire."""
        axis, inner = _slab_axis(self.shape, voxel_bytes)
        start, count = self.start[axis], self.shape[axis]
        step = _step(max(1, SLAB_BYTES // inner), grid[axis])
        outer = [range(a, a + n) for a, n in zip(self.start[axis + 1 :], self.shape[axis + 1 :], strict=True)]
        for above in _fastest_first(outer):
            for low, high in _cuts(start, start + count, step):
                yield Box(
                    (*self.start[:axis], low, *above),
                    (*self.shape[:axis], high - low, *(1 for _ in above)),
                )


def _fastest_first(ranges: Sequence[range]) -> Iterator[Point]:
    if not ranges:
        yield ()
        return
    for above in _fastest_first(ranges[1:]):
        for value in ranges[0]:
            yield (value, *above)


def _slab_axis(shape: Point, voxel_bytes: int) -> tuple[int, int]:
    """Return the slowest axis whose single planes are small enough, and the bytes of a plane."""
    for axis in reversed(range(len(shape))):
        inner = voxel_bytes * math.prod(shape[:axis])
        if inner <= SLAB_BYTES or axis == 0:
            return axis, inner
    raise ValueError("a box has at least one axis")


def _step(thickness: int, grid: int) -> int:
    """Return the thickness of pieces on the grid, or of pieces whose edges include the grid."""
    return thickness - thickness % grid or max(part for part in range(1, thickness + 1) if grid % part == 0)


def _cuts(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Cut a range at the multiples of `step`."""
    low = start
    for high in range(start - start % step + step, stop, step):
        yield low, high
        low = high
    yield low, stop
