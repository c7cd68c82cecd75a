"""Planes of a volume: cut, shaded, and drawn side by side."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyvolume.display.colours import colours_of
from pyvolume.errors import UnsupportedError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.extras import require

if TYPE_CHECKING:
    from PIL.Image import Image

GAP = 2
"""Pixels between planes."""

ALL = slice(None)

FEW_VOXELS = 32
"""Along a side of a plane that is affordable whatever it costs."""

MOST_BYTES = 64 << 20
MOST_REQUESTS = 1024
"""What a plane of a page may cost; a strided read fetches whole rows of blocks."""


class Drawable(Protocol):
    """What planes are cut of: a `Volume`."""

    @property
    def bounds(self) -> Box: ...

    @property
    def dims(self) -> tuple[str, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def holds_labels(self) -> bool: ...

    @property
    def resolution(self) -> tuple[float, ...]: ...

    @property
    def absolute(self) -> Any: ...


class Planned(Drawable, Protocol):
    """What planes are read of step by step: a `Volume`."""

    def plan(self, key: object, *, write: bool = False) -> Iterable[Request]: ...


class Request(Protocol):
    """A request that a read would send."""

    @property
    def nbytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Plane:
    """Every `step`-th voxel of a plane.

    Parameters
    ----------
    voxels : ndarray
        Axes: channel, right, down.
    step : int
        The distance between two voxels.
    right, down : tuple of int
        Start and stop of the part of the volume that they stand for, in absolute coordinates.
    """

    voxels: NDArray[Any]
    step: int
    right: tuple[int, int]
    down: tuple[int, int]

    @property
    def pixels(self) -> bytes:
        """The rows in order, the channels of a pixel together, little-endian."""
        little = self.voxels.astype(self.voxels.dtype.newbyteorder("<"), copy=False)
        return little.tobytes(order="F")


def cut(
    volume: Drawable, right: str, down: str, at: Mapping[str, int] | None = None, ranges: Sequence[slice] = (ALL, ALL)
) -> NDArray[Any]:
    """Read a plane of the stored box, or a part of it, with one request.

    Parameters
    ----------
    volume : Volume
        The volume to read.
    right, down : str
        The axes of the plane.
    at : mapping, optional
        Coordinates on the other axes; the middle where none is given.
    ranges : sequence of slice
        Absolute coordinates to the right and downwards, with a step of at least 1.

    Returns
    -------
    ndarray
        Axes: channel, right, down.

    Raises
    ------
    SelectionError, StoreError
        As a read of the volume.
    """
    bounds, places = volume.bounds, at or {}
    key: list[Any] = [
        places.get(axis, (low + high) // 2)
        for axis, low, high in zip(volume.dims, bounds.start, bounds.stop, strict=True)
    ]
    key[0] = slice(None)
    for axis, taken in zip((right, down), ranges, strict=True):
        key[volume.dims.index(axis)] = taken
    voxels = np.asarray(volume.absolute[tuple(key)])
    return voxels if volume.dims.index(right) < volume.dims.index(down) else voxels.swapaxes(1, 2)


def read_plane(volume: Planned, across: str, at: int, most: int, part: Mapping[str, tuple[int, int]]) -> Plane:
    """Read a plane that is no larger than a page can show, with fewer voxels if these would take long.

    Parameters
    ----------
    volume : Volume
        The volume to read; three axes behind the channel.
    across : str
        The axis that is perpendicular to the plane.
    at : int
        The coordinate on it.
    most : int
        The highest number of voxels along a side.
    part : mapping
        Start and stop along each axis of the plane, in absolute coordinates; all of an axis that is not named.

    Raises
    ------
    SelectionError, StoreError
        As a read of the volume.
    """
    right, down = (axis for axis in volume.dims[1:] if axis != across)
    bounds = volume.bounds
    whole = dict(zip(volume.dims, zip(bounds.start, bounds.stop, strict=True), strict=True))
    shown = {axis: _within(part.get(axis, whole[axis]), whole[axis]) for axis in (right, down)}
    step = _affordable_step(volume, {across: (at, at + 1)} | shown, most)
    ranges = [slice(*shown[axis], step) for axis in (right, down)]
    return Plane(cut(volume, right, down, {across: at}, ranges), step, shown[right], shown[down])


def _affordable_step(volume: Planned, box: Mapping[str, tuple[int, int]], most: int) -> int:
    """Return the smallest step for `most` voxels along a side, or a larger one if that costs too much.

    It is looked for from large steps downwards: their plans are short.
    """
    sides = [stop - start for start, stop in box.values()]
    step = max(1, -(-max(sides) // most))
    if math.prod(sides) * volume.dtype.itemsize <= MOST_BYTES:
        return step
    steps = [step]
    while max(sides) > steps[-1] * FEW_VOXELS:
        steps.append(steps[-1] * 2)
    cheap = itertools.takewhile(functools.partial(_is_cheap, volume, box), reversed(steps))
    return min(cheap, default=steps[-1])


def _is_cheap(volume: Planned, box: Mapping[str, tuple[int, int]], step: int) -> bool:
    """Return whether every `step`-th voxel of a plane comes soon; outside of the bounds the read itself will say so."""
    first = dict(zip(volume.dims, volume.bounds.start, strict=True))
    ranges = [(box[axis][0] - first[axis], box[axis][1] - first[axis]) for axis in volume.dims[1:]]
    if any(start < 0 or stop > n for (start, stop), n in zip(ranges, volume.bounds.shape[1:], strict=True)):
        return True
    nbytes = 0
    for count, request in enumerate(volume.plan((slice(None), *(slice(*each, step) for each in ranges)))):
        nbytes += request.nbytes
        if count >= MOST_REQUESTS or nbytes > MOST_BYTES:
            return False
    return True


def _within(wanted: tuple[int, int], whole: tuple[int, int]) -> tuple[int, int]:
    """Return the part of a range that there is; at least one voxel."""
    start = min(max(wanted[0], whole[0]), whole[1] - 1)
    return start, max(min(wanted[1], whole[1]), start + 1)


def shades(planes: Sequence[NDArray[Any]], *, labels: bool = False) -> list[NDArray[np.uint8]]:
    """Return planes as pixels of a screen: rows, columns, and three colours for labels or several channels of uint8.

    The contrast goes from the darkest to nearly the brightest voxel of all planes; colours are kept.
    """
    if labels:
        return [colours_of(plane[0].T) for plane in planes]
    if planes[0].shape[0] >= 3 and planes[0].dtype == np.uint8:
        return [np.ascontiguousarray(plane[:3].T) for plane in planes]
    values = [plane[0].T.astype(np.float64) for plane in planes]
    known = np.concatenate([each[np.isfinite(each)] for each in values])
    low, high = (known.min(), np.percentile(known, 99.5)) if known.size else (0.0, 1.0)
    width = high - low or 1.0
    return [np.clip(np.nan_to_num((each - low) * (255 / width)), 0, 255).astype(np.uint8) for each in values]


def thumbnail_of(volume: Drawable, size: int = 256) -> Image:
    """Draw the three middle planes of the stored box: for axes x, y, z, xy, zy on its right, xz below.

    Each plane is one read, of every n-th voxel. Planes keep the proportions of the voxels.

    Parameters
    ----------
    volume : Volume
        A volume of at least two axes behind the channel.
    size : int
        Pixels of the longest side of a plane.

    Raises
    ------
    UnsupportedError
        If the volume is empty, or has one axis only.
    ImportError
        If Pillow is missing; the message names the extra.
    StoreError
        If the store could not serve a plane.
    """
    image = require("PIL.Image", extra="images", action="a thumbnail")
    arguments.integer(size, "thumbnail", "a size in pixels", least=1)
    if not volume.bounds.size or len(volume.dims) < 3:
        raise UnsupportedError(f"thumbnail: expected planes of voxels and found the bounds {volume.bounds}")
    x, y, *z = volume.dims[1:4]
    pairs = [(x, y), *((pair) for axis in z for pair in ((axis, y), (x, axis)))]
    counts = dict(zip(volume.dims[1:], volume.bounds.shape[1:], strict=True))
    lengths = {axis: counts[axis] * step for axis, step in zip(volume.dims[1:], volume.resolution, strict=True)}
    scale = size / max(lengths[axis] for axis in (x, y, *z))
    pixels = {axis: max(1, round(lengths[axis] * scale)) for axis in (x, y, *z)}
    steps = {axis: max(1, counts[axis] // size) for axis in pixels}
    cuts = [cut(volume, *pair, ranges=[slice(None, None, steps[axis]) for axis in pair]) for pair in pairs]
    drawn = shades(cuts, labels=volume.holds_labels)
    beside = sum(GAP + pixels[axis] for axis in z)
    sheet: Image = image.new("RGB", (pixels[x] + beside, pixels[y] + beside))
    corners = ((0, 0), (pixels[x] + GAP, 0), (0, pixels[y] + GAP))
    for shade, (right, down), corner in zip(drawn, pairs, corners, strict=False):
        shown = image.fromarray(shade)
        way = image.Resampling.NEAREST if volume.holds_labels else None  # colours between two labels mean nothing
        sheet.paste(shown.resize((pixels[right], pixels[down]), way), corner)
    return sheet
