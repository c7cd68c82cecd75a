"""Comparing: where two volumes, or a volume and an array, hold other voxels, piece by piece."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress, Reporter
from pyvolume.ends import End, end_of
from pyvolume.errors import SelectionError, StoreError, VoxelsMismatchError
from pyvolume.model.box import Box
from pyvolume.transfer.casting import ArrayLike
from pyvolume.transfer.grid import cut
from pyvolume.transfer.pool import run_ahead
from pyvolume.volume import Volume

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
    blocks : tuple of int
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
    blocks: tuple[int, ...]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    bounds: Box | None
    a: Volume | ArrayLike = field(repr=False)
    b: Volume | ArrayLike = field(repr=False)

    @property
    def voxels(self) -> int:
        """How many voxels differ, channels counted one by one."""
        return int(self.counts.sum())

    def __len__(self) -> int:
        return len(self.counts)

    def __bool__(self) -> bool:
        return bool(len(self))

    def __iter__(self) -> Iterator[Box]:
        for row in self.starts.tolist():
            ends = (low // cell * cell + cell for low, cell in zip(row, self.blocks, strict=True))
            yield Box(tuple(row), tuple(map(min, ends, self.box.stop)))

    def __repr__(self) -> str:
        if not self:
            return f"<Difference: none in {self.box.size} voxels, {self.box}>"
        plural = "s" if len(self) > 1 else ""
        return (
            f"<Difference: {self.voxels} of {self.box.size} voxels, in {len(self)} block{plural} of "
            f"{'×'.join(map(str, self.blocks))}, within {self.bounds}>"
        )

    def values(self) -> Iterator[tuple[Box, NDArray[Any], NDArray[Any]]]:
        """Read each differing block again, a few ahead of the caller.

        Yields
        ------
        Box, ndarray, ndarray
            The voxels of `a` and those of `b`.

        Raises
        ------
        StoreError
            If a store could not serve them.
        """
        ends = (end_of(self.a), end_of(self.b))
        return _read_both(self, ends, _concurrency(ends))


def compare(
    a: Volume | ArrayLike,
    b: Volume | ArrayLike,
    box: Box | None = None,
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
        compared, whatever their dtypes; a NaN equals a NaN.
    box : Box, optional
        What to compare, in the same literal coordinates of both. By default the bounds of both: the smallest box
        around the two. Outside its bounds a volume counts as zeros, if its store gives zeros there, as DVID does.
    concurrency : int, optional
        How many pieces to read at once; by default what the stores prefer.
    progress : bool or callable, optional
        Show a bar, or call a function with a `TransferStatus`; see `set_options`.

    Returns
    -------
    Difference
        True if something differs. Its blocks are those of `a`, or of `b` where `a` has none.

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
    The bounds are those that the handles know, see `Volume.refresh`. If somebody writes meanwhile, each piece is
    compared as it was when it was read.
    """
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"compare: concurrency is a number of pieces, at least 1, not {concurrency!r}")
    ends = (end_of(a, "compare"), end_of(b, "compare"))
    box = _checked_box(box, *ends)
    grid = _grid(*ends)
    _check(box, *ends)
    found = _Found(box, grid)
    if box.size and not _is_same(a, b):
        itemsizes = [end.dtype.itemsize for end in ends]
        pieces = found.pieces(max(1, min(end.piece_bytes[0] for end in ends) // max(itemsizes)))
        reads = _read_both(pieces, ends, concurrency or _concurrency(ends))
        with Reporter(progress, "compare", box.size * sum(itemsizes)) as reporter, contextlib.closing(reads):
            for piece, left, right in reads:
                found.add(piece, _differ(left, right))
                reporter.moved(piece.size * sum(itemsizes), sum(end.call.counted.retries for end in ends))
    return found.difference(a, b)


def _is_same(a: object, b: object) -> bool:
    """Whether both are the same voxels; what is read with a mask, or as JPEG, may differ from what is stored."""
    if a is b:
        return True
    if not isinstance(a, Volume) or not isinstance(b, Volume) or a.store.address != b.store.address:
        return False
    return a.store.traits.faithful and b.store.traits.faithful


def _checked_box(box: object, a: End, b: End) -> Box:
    if a.bounds.ndim != b.bounds.ndim:
        raise VoxelsMismatchError(
            f"compare: expected as many axes in both, channel first, and found {a.bounds.ndim} in {a.name} "
            f"and {b.bounds.ndim} in {b.name}"
        )
    if box is None:
        return a.bounds.union(b.bounds)
    if not isinstance(box, Box) or box.ndim != a.bounds.ndim:
        raise SelectionError(f"compare: expected a Box of {a.bounds.ndim} axes and found {box!r}")
    return box


def _check(box: Box, a: End, b: End) -> None:
    """Refuse whatever can be refused before anything is read."""
    for end in (a, b):
        try:
            end.check_read(box)
        except SelectionError as error:
            raise SelectionError(f"compare: {error}; give a box that both have") from None
    kinds = {a.dtype.kind, b.dtype.kind}
    is_rounding = "f" in kinds and any(end.dtype.kind in "iu" and end.dtype.itemsize > 4 for end in (a, b))
    if is_rounding or not kinds <= set("biuf"):
        raise VoxelsMismatchError(
            f"compare: {a.dtype} of {a.name} cannot be compared exactly with {b.dtype} of {b.name}"
        )


def _grid(a: End, b: End) -> tuple[int, ...]:
    for end in (a, b):
        if end.grid is not None and math.prod(end.grid[1:]) > 1:
            return end.grid
    return (max(1, a.bounds.shape[0]), *(CELL,) * (a.bounds.ndim - 1))


def _concurrency(ends: Sequence[End]) -> int:
    """Return how many pieces to read at once: as few as the one wants that is asked for fewer."""
    preferred = [end.concurrency for end in ends if end.concurrency is not None and end.lasting]
    return min(preferred, default=1)


def _read_both(
    boxes: Iterable[Box], ends: tuple[End, End], concurrency: int
) -> Generator[tuple[Box, NDArray[Any], NDArray[Any]], None, None]:
    """Read boxes of both sides, at once where two requests may be under way."""

    def read(task: tuple[End, Box], _call: Call) -> NDArray[Any]:
        end, box = task
        end.call.remaining()
        end.call.touch()
        return end.read(box)

    done = 0
    reads = run_ahead(
        ((end, box) for box in boxes for end in ends), read, lambda: ends[0].call, concurrency, ordered=True
    )
    try:
        for ((_, box), left), (_, right) in zip(reads, reads, strict=True):
            yield box, left, right
            done += 1
    except BaseException as error:
        for end in ends:
            end.call.cancel()
        if isinstance(error, StoreError):
            error.with_facts(remaining=tuple(boxes)[done:])
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

    def pieces(self, most: int) -> list[Box]:
        """Cut the box where no block is cut."""
        whole = self._box.aligned_to(self._grid)
        parts = (piece.intersection(self._box) for piece in cut(whole, self._grid, most))
        return [part for part in parts if part is not None]

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

    def difference(self, a: Volume | ArrayLike, b: Volume | ArrayLike) -> Difference:
        starts, counts = np.concatenate(self._starts), np.concatenate(self._counts)
        return Difference(self._box, self._grid, starts, counts, self._bounds, a, b)


def _bounds_of(differ: NDArray[np.bool_], origin: Sequence[int]) -> Box:
    """Return the smallest box around what is true, which something is."""
    faces = []
    for axis, first in enumerate(origin):
        there = np.flatnonzero(differ.any(axis=tuple(other for other in range(differ.ndim) if other != axis)))
        faces.append((first + int(there[0]), first + int(there[-1]) + 1))
    return Box(tuple(low for low, _ in faces), tuple(high for _, high in faces))
