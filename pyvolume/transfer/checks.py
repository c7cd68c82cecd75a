"""What a user hands over, checked once, where it comes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from pyvolume.errors import SelectionError, VoxelsMismatchError
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits


def checked_box(start: Sequence[SupportsIndex], stop: Sequence[SupportsIndex], metadata: VoxelsMetadata) -> Box:
    """Make a box of the axes of a volume.

    Raises
    ------
    SelectionError
    """
    box = Box(start, stop)
    if box.ndim != len(metadata.axiskeys):
        raise SelectionError(
            f"box: expected one number for each of the {len(metadata.axiskeys)} axes {metadata.axiskeys!r} "
            f"and found {box.ndim}"
        )
    return box


def check_inside(box: Box, metadata: VoxelsMetadata, traits: StoreTraits, *, growing: bool) -> None:
    """Refuse voxels outside an axis that cannot grow, or outside a store that has nothing there.

    Raises
    ------
    SelectionError
    """
    free = traits.growable if growing or traits.fill is not None else (False,) * box.ndim
    for axis, can_grow in enumerate(free):
        low, high = metadata.bounds.start[axis], metadata.bounds.stop[axis]
        if not can_grow and box.size and not low <= box.start[axis] <= box.stop[axis] <= high:
            raise SelectionError(
                f"box: {box.start[axis]}:{box.stop[axis]} is outside the bounds {low}:{high} "
                f"of axis {axis} ({metadata.axiskeys[axis]!r})"
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
