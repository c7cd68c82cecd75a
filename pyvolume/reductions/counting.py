"""Counts of values: histograms, and how often each value occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.model.arguments import brief
from pyvolume.reductions.accumulators import Folded
from pyvolume.reductions.stream import Stream
from pyvolume.reductions.tally import Columns, Tally

Bins: TypeAlias = "int | Sequence[float] | NDArray[Any]"
"""How many bins, or their edges."""


class UniqueCounts(NamedTuple):
    """The values of voxels, sorted, and how many voxels have each of them; as of ``numpy.unique_counts``."""

    values: NDArray[Any]
    counts: NDArray[np.int64]


def histogram(stream: Stream, bins: Bins, limits: tuple[float, float] | None) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Count the voxels in bins, see `Volume.histogram`.

    Raises
    ------
    TypeError
        For bins that depend on all voxels.
    ValueError
        As ``numpy.histogram``.
    """
    given: object = bins
    if isinstance(given, str):
        raise TypeError(f"histogram: expected a number of bins, or their edges, and found {brief(bins)}")
    dtype = np.dtype(np.uint8) if stream.dtype == np.bool_ else stream.dtype  # numpy's histogram takes no booleans
    if np.ndim(bins) == 0 and limits is None and stream.box.size:
        limits = _limits(stream, dtype)
    small = np.empty(0, dtype)
    counts, edges = np.histogram(small, bins, limits)
    for _, voxels in stream:
        counts += np.histogram(voxels.astype(dtype, copy=False), bins, limits)[0]
    return counts, edges


def _limits(stream: Stream, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the lowest and the highest voxel as scalars of a dtype."""
    each = [Folded((1,) * stream.box.ndim, stream.dtype, ufunc) for ufunc in (np.minimum, np.maximum)]
    place, axes = (slice(0, 1),) * stream.box.ndim, tuple(range(stream.box.ndim))
    for _, voxels in stream:
        for folded in each:
            folded.add(place, voxels, axes)
    lowest, highest = (folded.values.astype(dtype).ravel()[0] for folded in each)
    return lowest, highest


def unique_counts(stream: Stream) -> UniqueCounts:
    """Count how often each value occurs, see `Volume.unique_counts`."""
    tally = Tally(stream.dtype)
    for _, voxels in stream:
        flat = voxels.ravel(order="K")
        if stream.dtype.kind in "biu" and stream.dtype.itemsize <= 2:
            tally.add(*_of_few_values(flat))
        else:
            tally.add((flat,))
    (values,), counts = tally.rows()
    return UniqueCounts(values, counts)


def _of_few_values(voxels: NDArray[Any]) -> tuple[Columns, NDArray[np.int64]]:
    """Return the values of small integers, which need no sorting, and how often each occurs."""
    lowest = 0 if voxels.dtype == np.bool_ else np.iinfo(voxels.dtype).min
    counts = np.bincount(voxels.astype(np.intp) - lowest)
    present = np.flatnonzero(counts)
    return ((present + lowest).astype(voxels.dtype),), counts[present]
