"""Checks of the arguments of a user, before anything else is done."""

from __future__ import annotations

import contextlib
import math
import operator
import sys
from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import SelectionError, VoxelsMismatchError
from pyvolume.model.arguments import brief
from pyvolume.model.box import Box, BoxLike, as_box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.units import readable
from pyvolume.stores.base import StoreTraits

MOST_IN_MEMORY = 1 << 47
"""Processors cannot address more bytes in one process."""


def joined(start: Box | Sequence[SupportsIndex], stop: Sequence[SupportsIndex] | None) -> BoxLike:
    """Return the box that two arguments give: a box, or two corners.

    Raises
    ------
    TypeError
        For a box and a corner, or one corner.
    """
    if isinstance(start, Box):
        if stop is not None:
            raise TypeError("box: expected a Box, or the corners start and stop, and found a Box and a stop")
        return start
    if stop is None:
        raise TypeError("box: expected a Box, or the corners start and stop, and found no stop")
    return start, stop


def checked_box(box: BoxLike, metadata: VoxelsMetadata) -> Box:
    """Return a box that has the axes of a volume.

    Raises
    ------
    SelectionError
    """
    box = as_box(box)
    if box.ndim != len(metadata.dims):
        raise SelectionError(
            f"box: expected one number for each of the {len(metadata.dims)} axes {''.join(metadata.dims)!r} "
            f"and found {box.ndim}"
        )
    return box


def as_piece(piece: object) -> tuple[Box, Any]:
    """Return a pair of a box and an array.

    Raises
    ------
    TypeError, SelectionError
    """
    if not isinstance(piece, tuple | list) or len(piece) != 2:
        raise TypeError(f"write_many: expected a pair of a box and an array and found {brief(piece)}")
    box, array = piece
    return as_box(box), array


def check_inside(box: Box, metadata: VoxelsMetadata, traits: StoreTraits, *, growing: bool) -> None:
    """Refuse voxels outside an axis that cannot grow, or outside a store that has nothing there.

    Raises
    ------
    SelectionError
    """
    if not box.size:
        return
    free = traits.growable if growing or traits.fill is not None else (False,) * box.ndim
    for axis, can_grow in enumerate(free):
        low, high = metadata.bounds.start[axis], metadata.bounds.stop[axis]
        if not can_grow and not low <= box.start[axis] <= box.stop[axis] <= high:
            raise SelectionError(
                f"box: {box.start[axis]}:{box.stop[axis]} is outside the bounds {low}:{high} "
                f"of axis {axis} ({metadata.dims[axis]!r})"
            )
    _check_limits(box, metadata, traits, growing=growing)


def _check_limits(box: Box, metadata: VoxelsMetadata, traits: StoreTraits, *, growing: bool) -> None:
    """Refuse voxels that the store cannot address, and bounds that it cannot have."""
    for axis, (lowest, highest) in enumerate(traits.limits):
        if not lowest <= box.start[axis] <= box.stop[axis] <= highest:
            raise SelectionError(
                f"box: {box.start[axis]}:{box.stop[axis]} is outside the voxels {lowest}:{highest} that the store can "
                f"have on axis {axis} ({metadata.dims[axis]!r})"
            )
    if not growing or metadata.bounds.contains(box):
        return
    bounds = metadata.bounds.union(box).aligned_to(traits.write_grid)
    if not traits.lasting and bounds.size * metadata.dtype.itemsize > MOST_IN_MEMORY:
        raise SelectionError(
            f"box: {box} and the bounds {metadata.bounds} are {readable(bounds.size * metadata.dtype.itemsize)} "
            "together, which do not fit into memory"
        )
    if traits.longest is not None:
        for axis, length in enumerate(bounds.shape):
            if length > traits.longest:
                raise SelectionError(
                    f"box: {box.start[axis]}:{box.stop[axis]} and the bounds {metadata.bounds.start[axis]}:"
                    f"{metadata.bounds.stop[axis]} are {length} voxels along axis {axis} ({metadata.dims[axis]!r}); "
                    f"the store can have {traits.longest}"
                )


def checked_shape(shape: Sequence[SupportsIndex], metadata: VoxelsMetadata) -> tuple[int, ...]:
    """Return a shape that has the axes of a volume, and at least one voxel.

    Raises
    ------
    SelectionError
    """
    try:
        checked = tuple(map(operator.index, shape))
    except TypeError:
        checked = ()
    if len(checked) != len(metadata.dims) or min(checked) < 1:
        raise SelectionError(
            f"shape: expected a positive integer for each of the axes {''.join(metadata.dims)!r} and found {shape!r}"
        )
    return checked


def check_size(voxels: int, dtype: np.dtype[Any]) -> None:
    """Refuse more values than an array of numpy can have, also one that is broadcast.

    Raises
    ------
    SelectionError
    """
    nbytes = voxels * dtype.itemsize
    if nbytes > sys.maxsize:
        raise SelectionError(
            f"write voxels: expected at most {readable(sys.maxsize)} at once and found {readable(nbytes)}; "
            "use smaller boxes"
        )


def new_array(shape: tuple[int, ...], dtype: np.dtype[Any], order: Literal["F", "C"] = "F") -> NDArray[Any]:
    """Return an array to read into, in Fortran order if nothing else is said.

    Raises
    ------
    SelectionError
        If there is no memory for it.
    """
    nbytes = math.prod(shape) * dtype.itemsize
    with contextlib.suppress(MemoryError):
        if nbytes <= MOST_IN_MEMORY:
            return np.empty(shape, dtype, order)
    raise SelectionError(
        f"read voxels: an array of {readable(nbytes)} does not fit into memory; read smaller boxes, as with read_many, "
        "or copy the voxels into a file"
    )


def check_out(out: object, box: Box, dtype: np.dtype[Any]) -> None:
    """Refuse an `out` that the voxels of a box cannot be put into.

    Raises
    ------
    VoxelsMismatchError
    """
    if not isinstance(out, np.ndarray):
        found = type(out).__name__
    elif out.shape != box.shape or out.dtype != dtype:
        found = f"{out.dtype} of shape {out.shape}"
    elif not out.flags.writeable:
        found = "one that cannot be written"
    else:
        return
    raise VoxelsMismatchError(f"read voxels: out must be {dtype} of shape {box.shape}, not {found}")
