"""Segmentations: counts of labels, and how two segmentations overlap, for labels of any store."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.progress import Progress
from pyvolume.errors import VoxelsMismatchError
from pyvolume.model import arguments
from pyvolume.model.box import BoxLike
from pyvolume.model.slabs import slabs
from pyvolume.reductions import counting
from pyvolume.reductions.counting import UniqueCounts
from pyvolume.reductions.stream import SLAB_VOXELS, Stream
from pyvolume.reductions.tally import Tally
from pyvolume.stores.arrays import Sliceable
from pyvolume.transfer.checks import checked_box
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.sides import Sides
from pyvolume.volume import Volume, transfer_of

__all__ = ["Overlap", "overlap", "relabel", "unique_counts"]


class Overlap(NamedTuple):
    """The pairs of labels that two segmentations have at the same voxels, sorted by `a`, then by `b`.

    Parameters
    ----------
    a, b : ndarray of int
        The labels of each pair, with the dtypes of the two segmentations.
    counts : ndarray of int
        How many voxels have the pair.
    """

    a: NDArray[Any]
    b: NDArray[Any]
    counts: NDArray[np.int64]


def unique_counts(
    labels: Volume | Sliceable,
    box: BoxLike | None = None,
    *,
    mapping: Mapping[int, int] | None = None,
    progress: Progress = None,
) -> UniqueCounts:
    """Count how many voxels each label has.

    The voxels are read piece by piece. Memory is needed for a few pieces, and for each label that occurs.

    Parameters
    ----------
    labels : Volume or array-like
        Integers or booleans; an array-like has the channel axis first, and its first voxel has the coordinates 0.
    box : Box or pair of corners, optional
        What to count, in absolute voxel coordinates; by default the bounds.
    mapping : mapping of int to int, optional
        Count under other labels, such as bodies instead of supervoxels, see `relabel`.
    progress : bool or callable, optional
        Show a bar, or call a function with a `TransferStatus`; see `set_options`.

    Returns
    -------
    UniqueCounts
        The labels in ``values``, sorted, and their voxels in ``counts``.

    Raises
    ------
    VoxelsMismatchError
        If the voxels are no integers, or the dtype cannot hold a new label.
    SelectionError
        If the store has nothing in a part of the box.
    StoreError
        If the store could not serve a piece.

    Examples
    --------
    >>> supervoxels = np.array([[[[3, 3, 5]], [[0, 5, 8]]]], "uint64")
    >>> bodies, sizes = unique_counts(supervoxels, mapping={5: 3})
    >>> dict(zip(bodies.tolist(), sizes.tolist()))
    {0: 1, 3: 4, 8: 1}
    """
    transfer = transfer_of(labels, "count labels")
    _check_labels("count labels", transfer)
    region = transfer.metadata.bounds if box is None else checked_box(box, transfer.metadata)
    found = counting.unique_counts(Stream(transfer, region, progress))
    if mapping is None:
        return found
    tally = Tally(found.values.dtype)
    tally.add((relabel(found.values, mapping),), found.counts)
    (values,), counts = tally.rows()
    return UniqueCounts(values, counts)


def overlap(
    a: Volume | Sliceable,
    b: Volume | Sliceable,
    box: BoxLike | None = None,
    *,
    concurrency: int | None = None,
    progress: Progress = None,
) -> Overlap:
    """Count how many voxels each pair of labels of two segmentations has in common.

    Both are read at once, piece by piece. Memory is needed for a few pieces, and for each pair that occurs.

    Parameters
    ----------
    a, b : Volume or array-like
        Integers or booleans, of equally many axes, channel first; the dtypes may differ. The first voxel of an
        array-like has the coordinates 0; it is used by several threads at once, unless `concurrency` is 1.
    box : Box or pair of corners, optional
        Where to count, in the same absolute coordinates of both. By default the bounds, if both have the same.
    concurrency : int, optional
        How many pieces to read at once; by default what the stores prefer.
    progress : bool or callable, optional
        Show a bar, or call a function with a `TransferStatus`; see `set_options`.

    Returns
    -------
    Overlap
        A row for each pair that occurs, those with label 0 too.

    Raises
    ------
    VoxelsMismatchError
        If the voxels of one are no integers, if the numbers of axes differ, or if the bounds differ and there is no
        box.
    SelectionError
        If one has nothing in a part of the box, as an array outside its shape.
    StoreError
        If a store could not serve a piece; `remaining` holds the boxes that were not counted.

    Examples
    --------
    >>> cells = np.array([[[[1, 1, 2, 2]]]], "uint64")
    >>> organelles = np.array([[[[0, 7, 7, 7]]]], "uint32")
    >>> found = overlap(cells, organelles)
    >>> list(zip(*(column.tolist() for column in found)))
    [(1, 0, 1), (1, 7, 1), (2, 7, 2)]
    """
    if concurrency is not None:
        arguments.integer(concurrency, "overlap", "concurrency", least=1)
    left, right = transfer_of(a, "overlap"), transfer_of(b, "overlap")
    sides = Sides("overlap", left, right)
    sides.check_axes()
    for side in (left, right):
        _check_labels("overlap", side)
    if box is None and left.metadata.bounds != right.metadata.bounds:
        raise VoxelsMismatchError(
            f"overlap: expected the same bounds of both and found {left.metadata.bounds} of {left.store.address} and "
            f"{right.metadata.bounds} of {right.store.address}; give a box"
        )
    tally = Tally(left.metadata.dtype, right.metadata.dtype)
    region = sides.common_box(box)
    if region.size:
        with contextlib.closing(sides.read_all(region, concurrency, progress)) as reads:
            for _, of_a, of_b in reads:
                for part in slabs(of_a.shape, SLAB_VOXELS):
                    tally.add((of_a[part].ravel(order="F"), of_b[part].ravel(order="F")))
    (of_first, of_second), counts = tally.rows()
    return Overlap(of_first, of_second, counts)


def relabel(labels: NDArray[Any], mapping: Mapping[int, int]) -> NDArray[Any]:
    """Return an array with other labels.

    Parameters
    ----------
    labels : ndarray of int
        Of any shape.
    mapping : mapping of int to int
        The new label of each label; the others stay.

    Returns
    -------
    ndarray
        Of the same shape and dtype.

    Raises
    ------
    VoxelsMismatchError
        If `labels` are no integers, or their dtype cannot hold a new label.

    Examples
    --------
    >>> relabel(np.array([3, 5, 0, 8], "uint64"), {5: 3, 9: 1}).tolist()
    [3, 3, 0, 8]
    """
    arguments.instance_of(labels, np.ndarray, "relabel")
    arguments.instance_of(mapping, Mapping, "relabel")
    if labels.dtype.kind not in "iu":
        raise VoxelsMismatchError(f"relabel: expected integers and found {labels.dtype}")
    limits = np.iinfo(labels.dtype)
    pairs = sorted(
        (label, arguments.integer(new, "relabel", "a new label"))
        for each, new in mapping.items()
        if limits.min <= (label := arguments.integer(each, "relabel", "a label")) <= limits.max
    )
    wrong = [new for _, new in pairs if not limits.min <= new <= limits.max]
    if wrong:
        raise VoxelsMismatchError(f"relabel: {wrong[0]} is no value of {labels.dtype}; use labels of more bits")
    if not pairs:
        return labels.copy()
    before, after = (np.array(column, labels.dtype) for column in zip(*pairs, strict=True))
    place = np.searchsorted(before[:-1], labels)  # at most the place of the last one
    found: NDArray[Any] = np.where(before[place] == labels, after[place], labels)
    return found


def _check_labels(action: str, transfer: Transfer) -> None:
    """Refuse voxels that are no labels.

    Raises
    ------
    VoxelsMismatchError
    """
    dtype = transfer.metadata.dtype
    if dtype.kind not in "biu":
        raise VoxelsMismatchError(f"{action}: expected integers and found {dtype} in {transfer.store.address}")
