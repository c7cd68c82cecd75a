"""Comparing: where two volumes, or a volume and an array, hold other voxels, piece by piece."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress, Reporter
from pyvolume.errors import SelectionError, StoreError, VoxelsMismatchError
from pyvolume.model import arguments
from pyvolume.model.box import Box, BoxLike
from pyvolume.stores.arrays import Sliceable
from pyvolume.transfer.checks import check_inside, checked_box
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import cut, grid_of
from pyvolume.transfer.pieces import Pieces, Remaining, Steps
from pyvolume.transfer.pool import run_ahead
from pyvolume.volume import Volume, transfer_of

__all__ = ["Difference", "compare"]

CELL = 64
"""Side of the blocks that are counted where neither side has any."""


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
        sides = _Sides(self.a, self.b)
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
    sides = _Sides(a, b)
    region = sides.common_box(box)
    found = _Found(region, sides.grid)
    if region.size and not _is_same(a, b):
        itemsizes = [side.metadata.dtype.itemsize for side in sides.transfers]
        lowest = min(side.store.traits.piece_bytes[0] for side in sides.transfers)
        pieces = found.pieces(max(1, lowest // max(itemsizes)))
        reads = sides.read(pieces, concurrency or sides.concurrency)
        with Reporter(progress, "compare", region.size * sum(itemsizes)) as reporter, contextlib.closing(reads):
            for piece, left, right in reads:
                found.add(piece, _differ(left, right))
                reporter.moved(piece.size * sum(itemsizes), sides.retries)
    return found.difference(a, b)


def _is_same(a: object, b: object) -> bool:
    """Whether both are the same voxels; what is read with a mask, or as JPEG, may differ from what is stored."""
    if a is b:
        return True
    if not isinstance(a, Volume) or not isinstance(b, Volume) or a.store.address != b.store.address:
        return False
    return a.store.traits.faithful and b.store.traits.faithful


class _Sides:
    """Both sides of a comparison, and the operations that read them."""

    def __init__(self, a: object, b: object) -> None:
        self.transfers = (transfer_of(a, "compare"), transfer_of(b, "compare"))
        self._calls = tuple(side.begin() for side in self.transfers)

    @property
    def retries(self) -> int:
        return sum(call.counted.retries for call in self._calls)

    @property
    def concurrency(self) -> int:
        """How many pieces to read at once, the smaller of what the two sides prefer."""
        preferred = [side.store.traits.preferred_concurrency for side in self.transfers]
        return min(filter(None, preferred), default=1)

    @property
    def grid(self) -> tuple[int, ...]:
        """The blocks to count."""
        bounds = self.transfers[0].metadata.bounds
        cells = (max(1, bounds.shape[0]), *(CELL,) * (bounds.ndim - 1))
        return grid_of(*(side.store.traits.chunks for side in self.transfers)) or cells

    def common_box(self, box: BoxLike | None) -> Box:
        """Return the box to compare; refuse whatever can be refused before anything is read."""
        a, b = (side.metadata for side in self.transfers)
        names = [side.store.address for side in self.transfers]
        if a.bounds.ndim != b.bounds.ndim:
            raise VoxelsMismatchError(
                f"compare: expected as many axes in both, channel first, and found {a.bounds.ndim} in {names[0]} "
                f"and {b.bounds.ndim} in {names[1]}"
            )
        region = a.bounds.union(b.bounds) if box is None else checked_box(box, a)
        for side in self.transfers:
            try:
                check_inside(region, side.metadata, side.store.traits, growing=False)
            except SelectionError as error:
                raise SelectionError(f"compare: {error}; give a box that both have") from None
        kinds = {a.dtype.kind, b.dtype.kind}
        is_rounding = "f" in kinds and any(each.dtype.kind in "iu" and each.dtype.itemsize > 4 for each in (a, b))
        if is_rounding or not kinds <= set("biuf"):
            raise VoxelsMismatchError(
                f"compare: {a.dtype} of {names[0]} cannot be compared exactly with {b.dtype} of {names[1]}"
            )
        return region

    def read(self, boxes: Pieces, concurrency: int) -> Generator[tuple[Box, NDArray[Any], NDArray[Any]], None, None]:
        """Read boxes of both sides, at once where two requests may be under way."""

        def take(task: tuple[Transfer, Box, Call], _: Call) -> NDArray[Any]:
            side, box, call = task
            call.remaining()
            call.touch()
            return side.take(box, call)

        done = 0
        sides = list(zip(self.transfers, self._calls, strict=True))
        tasks = ((side, box, call) for box in boxes for side, call in sides)
        reads = run_ahead(tasks, take, lambda: self._calls[0], concurrency, ordered=True)
        try:
            for ((_, box, _), left), (_, right) in zip(reads, reads, strict=True):
                yield box, left, right
                done += 1
        except BaseException as error:
            for call in self._calls:
                call.cancel()
            if isinstance(error, StoreError):
                error.with_facts(remaining=Remaining((), Steps(boxes), done))
            raise


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

    def pieces(self, most: int) -> Pieces:
        """Cut the box where no block is cut."""
        return Pieces.of_box(self._box, self._box.aligned_to(self._grid), self._grid, most)

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
