"""The points of index arrays and masks: where they lie, and which of them lie in a piece.

Both kinds can be narrowed to a part of an axis, which leaves the same kind with fewer points.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import SelectionError
from pyvolume.indexing.near import Near
from pyvolume.model.box import Box

COUNTED = 64
"""The voxels of a mask are counted in steps of this many, so that the counts need less memory than the mask."""

FEW = 256
"""So many points are looked at one by one for each piece."""

THIN = 1 / 128
"""A mask of several axes with a smaller part of true voxels is taken as a list of these, which needs less memory."""

Keys: TypeAlias = "dict[int, NDArray[Any]]"
"""What selects the points in the array of a piece; a mask is the key of the first of its axes, for all of them."""

Place: TypeAlias = "tuple[slice | NDArray[np.intp], ...]"
"""Where the points lie on their axes of the result."""


@dataclass(frozen=True, eq=False)
class Listed:
    """The points of index arrays, which are broadcast against each other.

    Parameters
    ----------
    shape : tuple of int
        The axes of the result.
    coordinates : mapping
        For each axis of the volume the coordinates as a 1-D array, and the axis of `shape` along which they vary; None
        for a single coordinate. Where one of the arrays varies along several axes, all are spread over all points, in C
        order, and vary along axis 0.
    kept : tuple of ndarray or None
        Which positions along each axis, or in C order, are left; None: all.
    """

    shape: tuple[int, ...]
    coordinates: Mapping[int, tuple[int | None, NDArray[np.intp]]]
    kept: tuple[NDArray[np.intp] | None, ...]

    @classmethod
    def of(cls, arrays: Mapping[int, NDArray[np.intp]], shape: tuple[int, ...]) -> Listed:
        """Take index arrays, by the axis of the volume, that can be broadcast to a shape."""
        varying = {axis: _varying(array, len(shape)) for axis, array in arrays.items()}
        if all(len(dims) <= 1 for dims in varying.values()):
            found = {
                axis: (varying[axis][0] if varying[axis] else None, array.ravel()) for axis, array in arrays.items()
            }
            return cls(shape, found, (None,) * len(shape))
        spread = {
            axis: (0, np.broadcast_to(array, shape).ravel()) if array.size > 1 else (None, array.ravel())
            for axis, array in arrays.items()
        }
        return cls(shape, spread, (None,))

    @property
    def axes(self) -> Iterable[int]:
        """The axes of the volume that the arrays cover."""
        return self.coordinates

    @cached_property
    def together(self) -> Mapping[int, tuple[int, ...]]:
        """The axes of the volume that vary along the same axis of `shape`, where these are several."""
        axes: dict[int, list[int]] = {}
        for axis, (dim, _) in self.coordinates.items():
            if dim is not None:
                axes.setdefault(dim, []).append(axis)
        return {dim: tuple(sorted(each)) for dim, each in axes.items() if len(each) > 1}

    @cached_property
    def _near(self) -> Mapping[int, Near]:
        """What finds points near a box, for each of these where they are many."""
        columns = {dim: [self.along(axis) for axis in axes] for dim, axes in self.together.items()}
        return {dim: Near(each) for dim, each in columns.items() if each[0].size > FEW}

    def behind(self, axes: int) -> Listed:
        """Return the same points of a volume with more axes in front."""
        return dataclasses.replace(self, coordinates={axis + axes: each for axis, each in self.coordinates.items()})

    def along(self, axis: int) -> NDArray[np.intp]:
        """Return the coordinates of the points on an axis of the volume, in their own order."""
        return self.coordinates[axis][1]

    def faces(self, axis: int) -> tuple[int, int]:
        """Return the lowest coordinate on an axis of the volume and the one behind the highest."""
        values = self.along(axis)
        return int(values.min()), int(values.max()) + 1

    def between(self, axis: int, low: int, high: int) -> Listed | None:
        """Return the points whose coordinate on an axis is in ``low:high``, or None where there are none."""
        dim, values = self.coordinates[axis]
        inside = np.flatnonzero((values >= low) & (values < high))
        if not inside.size:
            return None
        return self if dim is None or inside.size == values.size else self.only(dim, inside)

    def only(self, dim: int, positions: NDArray[np.intp]) -> Listed:
        """Return the points at some positions along an axis of `shape`."""
        fewer = {at: (d, each[positions] if d == dim else each) for at, (d, each) in self.coordinates.items()}
        before = self.kept[dim]
        kept = (*self.kept[:dim], positions if before is None else before[positions], *self.kept[dim + 1 :])
        return Listed(self.shape, fewer, kept)

    def within(self, piece: Box) -> tuple[Keys, Place] | None:
        """Return the keys of the points in the array of a piece, and their place; None where there are none."""
        points: Listed | None = None if 0 in self.shape else self
        for together, near in self._near.items() if points else ():
            corners = zip(*((piece.start[axis], piece.stop[axis]) for axis in self.together[together]), strict=True)
            points = points and points.only(together, near.of(*corners))
        for axis in self.axes:
            points = points and points.between(axis, piece.start[axis], piece.stop[axis])
        if points is None:
            return None
        keys = {}
        for axis, (dim, values) in points.coordinates.items():
            form = [1] * len(points.kept)
            if dim is not None:
                form[dim] = -1
            keys[axis] = values.reshape(form) - piece.start[axis]
        return keys, points.place()

    def place(self) -> Place:
        """Return where the points that are left lie in the result."""
        if len(self.kept) < len(self.shape):
            (each,) = self.kept
            return np.unravel_index(np.arange(math.prod(self.shape)) if each is None else each, self.shape)
        if all(each is None for each in self.kept):
            return (slice(None),) * len(self.shape)
        return np.ix_(*(np.arange(n) if each is None else each for n, each in zip(self.shape, self.kept, strict=True)))


@dataclass(frozen=True, eq=False, slots=True)
class Masked:
    """The true voxels of a mask of several axes, in C order; the mask is used as it is.

    Parameters
    ----------
    shape : tuple of int
        The axis of the result: how many voxels are true.
    axis : int
        The first axis of the volume that the mask covers.
    origin : tuple of int
        The coordinates of its first voxel.
    mask : ndarray
        Without the margins that hold no true voxel.
    counts : ndarray
        How many true voxels lie before every `COUNTED`-th voxel of its last axis.
    part : Box
        What is left of the mask, in its own indices.
    """

    shape: tuple[int, ...]
    axis: int
    origin: tuple[int, ...]
    mask: NDArray[np.bool_]
    counts: NDArray[np.intp]
    part: Box

    @classmethod
    def of(cls, mask: NDArray[np.bool_], axis: int) -> Masked | None:
        """Take a mask of two or more axes, or return None if nothing is true."""
        origin = []
        for at in range(mask.ndim):
            true = np.flatnonzero(_any_along(mask, at))
            if not true.size:
                return None
            origin.append(int(true[0]))
            mask = mask[(slice(None),) * at + (slice(origin[-1], int(true[-1]) + 1),)]
        # as bytes, of which COUNTED do not overflow: otherwise the whole mask is cast
        steps = np.add.reduceat(mask.view(np.uint8), np.arange(0, mask.shape[-1], COUNTED), axis=-1, dtype=np.uint8)
        counts = np.cumsum(steps.ravel(), dtype=np.intp)
        size = int(counts[-1])
        counts -= steps.ravel()
        whole = Box((0,) * mask.ndim, mask.shape)
        return cls((size,), axis, tuple(origin), mask, counts.reshape(steps.shape), whole)

    @property
    def axes(self) -> Iterable[int]:
        """The axes of the volume that the mask covers."""
        return range(self.axis, self.axis + self.mask.ndim)

    @property
    def together(self) -> Mapping[int, tuple[int, ...]]:
        """No axes. Because there are many points, they are looked for along one axis after the other."""
        return {}

    @property
    def left(self) -> NDArray[np.bool_]:
        """What is left of the mask."""
        return self.mask[self.part.slices_from((0,) * self.part.ndim)]

    def behind(self, axes: int) -> Masked:
        """Return the same points of a volume with more axes in front."""
        return dataclasses.replace(self, axis=self.axis + axes)

    def along(self, axis: int) -> NDArray[np.intp]:
        """Return the coordinates of the points on an axis of the volume, in rising order, each once."""
        at = axis - self.axis
        return np.flatnonzero(_any_along(self.left, at)) + (self.origin[at] + self.part.start[at])

    def faces(self, axis: int) -> tuple[int, int]:
        """Return the lowest coordinate on an axis of the volume and the one behind the highest, before narrowing."""
        at = axis - self.axis
        return self.origin[at], self.origin[at] + self.mask.shape[at]

    def between(self, axis: int, low: int, high: int) -> Masked | None:
        """Return the mask between two coordinates of an axis, or None where it has no voxel, true or not."""
        at = axis - self.axis
        first = max(low - self.origin[at], self.part.start[at])
        last = min(high - self.origin[at], self.part.stop[at])
        if first >= last:
            return None
        return dataclasses.replace(self, part=self.part.replaced(at, first, last))

    def within(self, piece: Box) -> tuple[Keys, Place] | None:
        """Return the key of the points in the array of a piece, and their place; None where there are none."""
        points: Masked | None = self
        for axis in self.axes:
            points = points and points.between(axis, piece.start[axis], piece.stop[axis])
        if points is None or not points.left.any():
            return None
        key = points.left
        extent = tuple(piece.shape[axis] for axis in self.axes)
        if key.shape != extent:
            around = np.zeros(extent, bool)
            origin = [piece.start[axis] - first for axis, first in zip(self.axes, self.origin, strict=True)]
            around[points.part.slices_from(origin)] = key
            key = around
        return {self.axis: key}, points.place()

    def place(self) -> Place:
        """Return where the points that are left lie in the result."""
        first = self.part.start[-1]
        lines: tuple[Any, ...] = self.part.slices_from((0,) * self.part.ndim)[:-1]
        step, begun = divmod(first, COUNTED)
        margin = slice(first - begun, first)
        before = self.counts[(*lines, step)] + np.count_nonzero(self.mask[(*lines, margin)], axis=-1)
        counts = np.count_nonzero(self.left, axis=-1).ravel()
        # a point comes as far behind the first of its line as in the piece
        shifts = before.ravel() - (np.cumsum(counts) - counts)
        return (np.repeat(shifts, counts) + np.arange(counts.sum()),)


Points: TypeAlias = Listed | Masked


def points_of(arrays: Sequence[tuple[int, NDArray[Any]]]) -> Points:
    """Return the points of index arrays and masks, each with the first axis of the volume that it covers.

    Parameters
    ----------
    arrays : sequence of (int, ndarray)
        Integers are coordinates; a boolean array has one axis for each axis of the volume that it covers, perhaps
        none.

    Returns
    -------
    Listed or Masked

    Raises
    ------
    SelectionError
        If they cannot be broadcast.
    """
    if len(arrays) == 1 and arrays[0][1].dtype == bool and arrays[0][1].ndim > 1 and not _is_thin(arrays[0][1]):
        return Masked.of(arrays[0][1], arrays[0][0]) or Listed((0,), {}, (None,))
    found: dict[int, NDArray[np.intp]] = {}
    shapes: list[tuple[int, ...]] = []
    for axis, array in arrays:
        if array.dtype == bool and not array.ndim:
            shapes.append((int(array),))  # a single boolean
            continue
        each = np.nonzero(array) if array.dtype == bool else (array,)
        found |= {axis + at: values for at, values in enumerate(each)}
        shapes.append(each[0].shape)
    try:
        return Listed.of(found, np.broadcast_shapes(*shapes))
    except ValueError:
        raise SelectionError(
            f"key: index arrays of shapes {', '.join(map(str, shapes))} cannot be broadcast together"
        ) from None


def _is_thin(mask: NDArray[np.bool_]) -> bool:
    """Whether few voxels of a mask are true, but some."""
    return bool(0 < np.count_nonzero(mask) < THIN * mask.size)


def _any_along(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Say for each index of an axis whether the mask is true somewhere."""
    found: NDArray[np.bool_] = np.any(mask, axis=tuple(at for at in range(mask.ndim) if at != axis), keepdims=True)
    return found.ravel()


def _varying(array: NDArray[Any], ndim: int) -> list[int]:
    """Return the axes, of the `ndim` of what it is broadcast to, along which an array varies."""
    return [ndim - array.ndim + at for at, n in enumerate(array.shape) if n > 1]
