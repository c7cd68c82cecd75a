"""Parts of an array that follow each other in memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

SLAB_BYTES = 4 << 20
"""Memory for a part of an array that cannot be moved without a copy: above 32 MiB the allocator gets slow."""


def slabs(shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into parts that follow each other in Fortran order.

    Parameters
    ----------
    shape : sequence of int
        The shape of the array to cut.
    most : int
        Voxels in a part, at least one.

    Yields
    ------
    tuple of slice
        One per axis; concatenated in this order the parts are the array in Fortran order.
    """
    axis = next((k for k in range(len(shape)) if math.prod(shape[: k + 1]) > most), len(shape) - 1)
    step = max(1, most // math.prod(shape[:axis]))
    whole = tuple(slice(0, n) for n in shape[:axis])
    behind = [range(n) for n in reversed(shape[axis + 1 :])]
    for outer in itertools.product(*behind):
        rest = tuple(slice(i, i + 1) for i in reversed(outer))
        for start in range(0, shape[axis], step):
            yield (*whole, slice(start, min(start + step, shape[axis])), *rest)
