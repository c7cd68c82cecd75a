"""Counts of values: histograms, and how often each value occurs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyvolume.model.arguments import brief
from pyvolume.reductions.accumulators import Folded
from pyvolume.reductions.stream import Stream

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
    found: list[UniqueCounts] = [UniqueCounts(np.empty(0, stream.dtype), np.empty(0, np.int64))]
    for _, voxels in stream:
        found.append(_counted(voxels))
        # each is joined with one of its size, so that many values are not sorted again for each part
        while len(found) > 1 and len(found[-1].values) >= len(found[-2].values):
            found.append(_joined(found.pop(), found.pop()))
    while len(found) > 1:
        found.append(_joined(found.pop(), found.pop()))
    return found[0]


def _counted(voxels: NDArray[Any]) -> UniqueCounts:
    """Count the values of a part; small integers need no sorting."""
    dtype = voxels.dtype
    if dtype.kind not in "biu" or dtype.itemsize > 2:
        return UniqueCounts(*np.unique(voxels, return_counts=True))
    lowest = 0 if dtype == np.bool_ else np.iinfo(dtype).min
    counts = np.bincount(voxels.ravel(order="K").astype(np.intp) - lowest)
    present = np.flatnonzero(counts)
    return UniqueCounts((present + lowest).astype(dtype), counts[present])


def _joined(a: UniqueCounts, b: UniqueCounts) -> UniqueCounts:
    """Add the counts of equal values."""
    values, counts = np.concatenate((a.values, b.values)), np.concatenate((a.counts, b.counts))
    if not values.size:
        return a
    order = np.argsort(values, kind="stable")
    unique, first = np.unique(values[order], return_index=True)
    return UniqueCounts(unique, np.add.reduceat(counts[order], first))
