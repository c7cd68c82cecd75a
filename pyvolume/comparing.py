"""Comparing: where two volumes, or a volume and an array, hold other voxels, piece by piece."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.progress import Progress
from pyvolume.errors import VoxelsMismatchError
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike
from pyvolume.stores.arrays import Sliceable
from pyvolume.transfer.grid import cut
from pyvolume.transfer.pieces import Pieces
from pyvolume.transfer.sides import Sides
from pyvolume.volume import Volume, transfer_of

__all__ = ["Difference", "compare"]


@dataclass(frozen=True, eq=False)
class Difference:
    """Where two volumes hold other voxels, block by block; made by `compare`.

    It is true if something differs. Iterating gives the box of each differing block, cut to what was compared,
    and ``len`` their number. The voxels are not kept: `values` reads them again.

    Parameters
    ----------
    box : Box
        What was compared.
    block_shape : tuple of int
        Shape of the blocks, channel first; their corners are multiples of it.
    starts : ndarray of int, one row per differing block
        The first voxel of each.
    counts : ndarray of int
        How many voxels differ in each, channels counted one by one.
    bounds : Box or None
        The smallest box around all voxels that differ.
    a, b : Volume or array-like
        What was compared.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> voxels = np.zeros((1, 8, 8, 8), "uint8")
    >>> volume = pyvolume.from_array(voxels.copy(), block_shape=(4, 4, 4))
    >>> volume[:, 5, 1:3, 6] = 9
    >>> difference = pyvolume.compare(volume, voxels)
    >>> difference
    <Difference: 2 of 512 voxels, in 1 block of 1×4×4×4, within (0:1, 5:6, 1:3, 6:7)>
    >>> list(difference)
    [Box(0:1, 4:8, 0:4, 4:8)]
    """

    box: Box
    block_shape: tuple[int, ...]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    bounds: Box | None
    a: Volume | Sliceable = field(repr=False)
    b: Volume | Sliceable = field(repr=False)

    @property
    def voxel_count(self) -> int:
        """How many voxels differ, channels counted one by one."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        return len(self.counts)

    def __bool__(self) -> bool:
        return bool(len(self))

    def __iter__(self) -> Iterator[Box]:
        for row in self.starts.tolist():
            ends = (low // cell * cell + cell for low, cell in zip(row, self.block_shape, strict=True))
            yield Box(tuple(row), tuple(map(min, ends, self.box.stop)))

    def __repr__(self) -> str:
        if not self:
            return f"<Difference: none in {self.box.size} voxels, {self.box}>"
        plural = "s" if len(self) > 1 else ""
        return (
            f"<Difference: {self.voxel_count} of {self.box.size} voxels, in {len(self)} block{plural} of "
            f"{'×'.join(map(str, self.block_shape))}, within {self.bounds}>"
        )

    def values(self) -> Iterator[tuple[Box, NDArray[Any], NDArray[Any]]]:
        """Read each differing block again, a few ahead of the caller.

        Yields
        ------
        Box, ndarray, ndarray
            The voxels of `a`, and the voxels of `b`.

        Raises
        ------
        StoreError
            If a store could not serve them.
        """
        sides = _sides(self.a, self.b)
        return sides.read(Pieces(self), sides.concurrency)


def compare(
    a: Volume | Sliceable,
    b: Volume | Sliceable,
    box: BoxLike | None = None,
    *,
    concurrency: int | None = None,
    progress: Progress = None,
) -> Difference:
    """Find the blocks in which two volumes hold other voxels.

    Both are read at once, piece by piece; a few pieces of 16 MiB are in memory, however large the volumes are. Two
    handles of the same version of a volume are equal without a request.

    Parameters
    ----------
    a, b : Volume or array-like
        Two versions, two servers, or a volume and an array; of equally many axes, channel first. The first voxel of an
        array-like has the coordinates 0; it is used by several threads at once, unless `concurrency` is 1. Values are
        compared, not dtypes; a NaN equals a NaN.
    box : Box or pair of corners, optional
        What to compare, in the same literal coordinates of both. By default the bounds of both: the smallest box
        around the two. Outside its bounds a volume counts as zeros, if its store gives zeros there, as DVID does.
    concurrency : int, optional
        How many pieces to read at once; by default what the stores prefer.
    progress : bool or callable, optional
        Show a bar, or call a function with a `TransferStatus`; see `set_options`.

    Returns
    -------
    Difference
        True if something differs. Its blocks are the blocks of `a`, or of `b` if `a` has none.

    Raises
    ------
    SelectionError
        If one side has nothing in a part of the box, as an array outside its shape.
    VoxelsMismatchError
        If the numbers of axes differ, or the dtypes cannot be compared without rounding: 64-bit integers with floats.
    StoreError
        If a store could not serve a piece; `remaining` holds the boxes that were not compared.

    Notes
    -----
    The bounds are those that the handles have, see `Volume.refresh`. If somebody writes during the comparison, each
    piece is compared as it was when it was read.
    """
    if concurrency is not None:
        arguments.integer(concurrency, "compare", "concurrency", least=1)
    sides = _sides(a, b)
    region = sides.common_box(box)
    _check_dtypes(sides)
    found = _Found(region, sides.grid)
    if region.size and not _is_same(a, b):
        with contextlib.closing(sides.read_all(region, concurrency, progress)) as reads:
            for piece, left, right in reads:
                found.add(piece, _differ(left, right))
    return found.difference(a, b)


def _is_same(a: object, b: object) -> bool:
    """Whether both are the same voxels; what is read with a mask, or as JPEG, may differ from what is stored."""
    if a is b:
        return True
    if not isinstance(a, Volume) or not isinstance(b, Volume) or a.store.address != b.store.address:
        return False
    return a.store.traits.faithful and b.store.traits.faithful


def _sides(a: object, b: object) -> Sides:
    return Sides("compare", transfer_of(a, "compare"), transfer_of(b, "compare"))


def _check_dtypes(sides: Sides) -> None:
    """Refuse values that cannot be compared without rounding.

    Raises
    ------
    VoxelsMismatchError
    """
    a, b = (side.metadata for side in sides.transfers)
    kinds = {a.dtype.kind, b.dtype.kind}
    is_rounding = "f" in kinds and any(each.dtype.kind in "iu" and each.dtype.itemsize > 4 for each in (a, b))
    if is_rounding or not kinds <= set("biuf"):
        names = [side.store.address for side in sides.transfers]
        raise VoxelsMismatchError(
            f"compare: {a.dtype} of {names[0]} cannot be compared exactly with {b.dtype} of {names[1]}"
        )


def _differ(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    differ: NDArray[np.bool_] = a != b
    if a.dtype.kind == b.dtype.kind == "f" and differ.any():
        differ &= (a == a) | (b == b)  # a NaN does not equal itself
    return differ


class _Found:
    """What was found so far."""

    def __init__(self, box: Box, grid: tuple[int, ...]) -> None:
        self._box = box
        self._grid = grid
        self._bounds: Box | None = None
        self._starts: list[NDArray[np.int64]] = [np.empty((0, box.ndim), np.int64)]
        self._counts: list[NDArray[np.int64]] = [np.empty(0, np.int64)]

    def add(self, piece: Box, differ: NDArray[np.bool_]) -> None:
        """Count what differs in a piece."""
        if not differ.any():
            return
        blocks = list(cut(piece, self._grid, 1))
        counts = np.array([np.count_nonzero(differ[block.slices_from(piece.start)]) for block in blocks], np.int64)
        self._starts.append(np.array([block.start for block in blocks], np.int64)[counts > 0])
        self._counts.append(counts[counts > 0])
        bounds = _bounds_of(differ, piece.start)
        self._bounds = bounds if self._bounds is None else self._bounds.union(bounds)

    def difference(self, a: Volume | Sliceable, b: Volume | Sliceable) -> Difference:
        starts, counts = np.concatenate(self._starts), np.concatenate(self._counts)
        return Difference(self._box, self._grid, starts, counts, self._bounds, a, b)


def _bounds_of(differ: NDArray[np.bool_], origin: Sequence[int]) -> Box:
    """Return the smallest box around what is true, which something is."""
    faces = []
    for axis, first in enumerate(origin):
        there = np.flatnonzero(differ.any(axis=tuple(other for other in range(differ.ndim) if other != axis)))
        faces.append((first + int(there[0]), first + int(there[-1]) + 1))
    return Box(tuple(low for low, _ in faces), tuple(high for _, high in faces))
