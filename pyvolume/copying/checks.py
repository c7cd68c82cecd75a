"""What can be refused before a copy moves anything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import UnsupportedError, VoxelsMismatchError
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box, BoxLike
from pyvolume.transfer import checks
from pyvolume.transfer.casting import castable
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import aligned
from pyvolume.transfer.overlap import memory_of

OVERLAP_WORK = 10_000
"""Steps of the search for voxels that two arrays share; where it is not enough, they count as sharing some."""


def checked_box(box: BoxLike, source: Transfer, destination: Transfer) -> Box:
    """Return a box of the source.

    Raises
    ------
    VoxelsMismatchError
        If source and destination have different axes.
    SelectionError
        If it is no box.
    """
    ndim, other = source.metadata.bounds.ndim, destination.metadata.bounds.ndim
    if ndim != other:
        raise VoxelsMismatchError(
            f"copy: expected as many axes in both, channel first, and found {ndim} in {source.store.address} "
            f"and {other} in {destination.store.address}"
        )
    return checks.checked_box(box, source.metadata)


def check(source: Transfer, destination: Transfer, box: Box, verify: bool) -> None:
    """Refuse whatever can be refused before anything moves.

    Raises
    ------
    SelectionError, VoxelsMismatchError, UnsupportedError
    """
    traits, metadata = destination.store.traits, destination.metadata
    checks.check_inside(box, source.metadata, source.store.traits, growing=False)
    destination.check_writable("copy into voxels")
    checks.check_inside(box, metadata, traits, growing=True)
    whole = aligned(box, traits.write_grid, traits, metadata.bounds)
    if whole != box:
        destination.check_may_merge(Selection.of_box(box), whole)
    # zeros fit everywhere: what is refused here is refused whatever the values are
    castable(np.zeros(1, source.metadata.dtype), metadata.dtype, destination.casting)
    if _overlap(source, destination):
        raise UnsupportedError(
            "copy: source and destination are views of one array, at different places in it; copy the source first"
        )
    if verify and not traits.faithful:
        raise UnsupportedError(
            f"verify copy: what is read from {destination.store.address} may differ from what is written"
        )


def _overlap(source: Transfer, destination: Transfer) -> bool:
    """Whether a piece that is written could change voxels that are read later, for other coordinates."""
    first, second = memory_of(source.store), memory_of(destination.store)
    if first is None or second is None:
        return False
    starts = source.metadata.bounds.start, destination.metadata.bounds.start
    if starts[0] == starts[1] and _layout(first) == _layout(second):
        return False  # each voxel is copied onto itself
    shares: Any = np.shares_memory  # its stubs know no other limits than 0 and -1
    try:
        return bool(shares(first, second, max_work=OVERLAP_WORK))
    except np.exceptions.TooHardError:
        return True


def _layout(array: NDArray[Any]) -> tuple[object, ...]:
    return array.ctypes.data, array.strides, array.dtype
