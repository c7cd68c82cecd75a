"""Planes of voxels as rows of pixels: with square pixels, or at any angle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.place import Place
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.wire.geometry import MAX_REQUEST_BYTES, Point, wrapped
from mockserver.http.messages import Declined, Panic, Refused

MAX_SHARES = 4096 * 4096
"""The most pairs of an old and a new pixel along a side of a stretched image."""

Rows = NDArray[Any]
Vector = NDArray[np.float64]


def square_size(voxel_size: Sequence[float], plane: tuple[int, int], size: Point) -> Point:
    """Return width and height in voxels of a plane of `size` square pixels."""
    width, height = size
    across, down = (np.float32(voxel_size[axis]) for axis in plane)
    if across < down:
        return width, int(np.float32(height) * across / down + np.float32(0.5))
    if across > down:
        return int(np.float32(width) * down / across + np.float32(0.5)), height
    return size


def stretched(rows: Rows, size: Point) -> Rows:
    """Return an image of another size; each pixel is the mean of the pixels that it covers.

    Like DVID, it reads a voxel of four or eight bytes as one big-endian number.
    """
    height, width, channels = rows.shape
    if (width, height) == size:
        return rows
    if max(width * size[0], height * size[1]) > MAX_SHARES:
        raise Declined(
            501, f"this mock server stretches no image of {width} x {height} pixels to {size[0]} x {size[1]}"
        )
    kind = rows.dtype if rows.dtype.itemsize < 4 else np.dtype(f">u{rows.dtype.itemsize}")
    numbers = np.ascontiguousarray(rows).view(kind).astype(np.uint64)
    across, down = _shares(width, size[0]), _shares(height, size[1])
    planes = [(down @ numbers[..., channel] @ across.T) // np.uint64(width * height) for channel in range(channels)]
    return np.ascontiguousarray(np.stack(planes, axis=-1).astype(kind)).view(rows.dtype)


def _shares(source: int, target: int) -> NDArray[np.uint64]:
    """Return the overlap of each target cell with each source cell, in units of 1 / (source x target)."""
    low, high = np.arange(source) * target, np.arange(target) * source
    cover = np.minimum(low + target, (high + source)[:, None]) - np.maximum(low, high[:, None])
    shares: NDArray[np.uint64] = np.maximum(cover, 0).astype(np.uint64)
    return shares


@dataclass(frozen=True)
class Cut:
    """A rectangle anywhere in space.

    Parameters
    ----------
    corner, right, below : Vector
        Its upper left, upper right and lower left corner, in the units of the voxel size.
    step : float
        Distance between pixels.
    """

    corner: Vector
    right: Vector
    below: Vector
    step: float

    @classmethod
    def parse(cls, corner: str, right: str, below: str, step: str) -> Cut:
        """Parse three points ``1.5_2_3``, and the distance between pixels."""
        return cls(_parse_vector(corner), _parse_vector(right), _parse_vector(below), _parse_float(step))

    @property
    def size(self) -> Point:
        """Width and height in pixels."""
        lengths = [math.sqrt(float(((end - self.corner) ** 2).sum())) for end in (self.right, self.below)]
        if self.step <= 0 or not all(math.isfinite(length / self.step) for length in lengths):
            raise Panic("runtime error: slice bounds out of range")
        return tuple(math.floor(length / self.step) + 1 for length in lengths)

    def checked_size(self, voxel_bytes: int) -> Point:
        """Return width and height; refuse an image that DVID does not make."""
        width, height = self.size
        if wrapped(width * height, 32) != width * height:
            raise Panic("makeslice: an image of this size ends a real server")
        if width * height * voxel_bytes > MAX_REQUEST_BYTES:
            size, limit = width * height * voxel_bytes, f"this DVID server's set limit ({MAX_REQUEST_BYTES})"
            raise Refused(f"Requested payload ({size} bytes) exceeds {limit}")
        return width, height


def cut_rows(place: Place[Volume], cut: Cut) -> Rows:
    """Return the interpolated pixels of a cut. Like DVID, it returns zeros if voxels are wider than a byte."""
    volume = place.instance
    width, height = cut.checked_size(volume.voxels.voxel_bytes)
    rows = np.zeros((height, width, volume.voxels.channels), volume.voxels.dtype)
    if volume.voxels.dtype == np.uint8:
        across, down = (cut.right - cut.corner) / max(width - 1, 1), (cut.below - cut.corner) / max(height - 1, 1)
        for row, start in zip(rows, _steps(cut.corner, down, height), strict=True):
            row[:] = _interpolated(place, _steps(start, across, width))
    return rows


def _parse_vector(text: str) -> Vector:
    words = text.split("_")
    if len(words) != 3:
        raise Refused(f"can't convert string '{text}' (length {len(words)}) to Vector3d")
    return np.array([_parse_float(word.strip()) for word in words])


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refused(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _steps(start: Vector, step: Vector, count: int) -> Vector:
    """Return points on a line; each adds a step to the one before, so rounding errors are as in DVID."""
    points: Vector = np.add.accumulate(np.vstack([start, np.tile(step, (count - 1, 1))]))
    return points


def _interpolated(place: Place[Volume], points: Vector) -> Rows:
    sides = np.array(place.instance.voxel_size, np.float32).astype(np.float64)
    low, high = np.floor(points / sides), np.ceil(points / sides)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(low == high, 0.0, (points - low * sides) / (high * sides - low * sides))
    x, y, z = (share[:, axis, None] for axis in range(3))

    def mean_along_x(down: Vector, deep: Vector) -> Vector:
        first, last = (
            _values(place, np.stack([across[:, 0], down[:, 1], deep[:, 2]], axis=-1).astype(int))
            for across in (low, high)
        )
        mean: Vector = first * (1 - x) + last * x
        return mean

    near, far = (mean_along_x(low, deep) * (1 - y) + mean_along_x(high, deep) * y for deep in (low, high))
    rows: Rows = np.minimum(np.floor(near * (1 - z) + far * z + 0.5), 255).astype(np.uint8)
    return rows


def _values(place: Place[Volume], points: NDArray[np.int_]) -> Vector:
    """Return the voxels at some points as floats; the background where no block is stored."""
    voxels, volume, lineage = place.instance.voxels, place.instance, place.lineage
    background = volume.background if voxels.voxel_bytes == 1 else 0
    found = np.full((len(points), voxels.channels), background, np.float64)
    cells = points // voxels.grid
    for cell in np.unique(cells, axis=0):
        block = voxels.block(lineage, tuple(map(int, cell)))
        if block is not None:
            here = (cells == cell).all(axis=1)
            x, y, z = (points[here] - cell * voxels.grid).T
            # DVID computes the offset in voxels, not in bytes: it reads the colours at another place in the block.
            first = (z * voxels.grid[1] + y) * voxels.grid[0] + x
            found[here] = block.reshape(-1, order="F")[first[:, None] + np.arange(voxels.channels)]
    return found
