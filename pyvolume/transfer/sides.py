"""Sides: two volumes that are read at once, piece by piece."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress, Reporter
from pyvolume.errors import SelectionError, StoreError, VoxelsMismatchError
from pyvolume.model.box import Box, BoxLike
from pyvolume.stores.base import room_of
from pyvolume.transfer.checks import check_inside, checked_box
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import grid_of
from pyvolume.transfer.pieces import Pieces, Remaining, Steps
from pyvolume.transfer.pool import run_ahead

CELL = 64
"""Side of the blocks where neither side has any."""


class Sides:
    """Two volumes that are read at once, and the operations that read them.

    Parameters
    ----------
    action : str
        For messages.
    a, b : Transfer
        How their voxels are read.
    """

    def __init__(self, action: str, a: Transfer, b: Transfer) -> None:
        self.transfers = (a, b)
        self._action = action
        self._calls = tuple(side.begin() for side in self.transfers)

    @property
    def concurrency(self) -> int:
        """How many pieces to read at once, the smaller of what the two sides prefer."""
        stores = [side.store for side in self.transfers if side.store.traits.preferred_concurrency]
        return min((room_of(store, write=False, nbytes=store.traits.piece_bytes[0]) for store in stores), default=1)

    @property
    def grid(self) -> tuple[int, ...]:
        """The blocks of the first side, or of the second one if the first one has none."""
        bounds = self.transfers[0].metadata.bounds
        cells = (max(1, bounds.shape[0]), *(CELL,) * (bounds.ndim - 1))
        return grid_of(*(side.store.traits.chunks for side in self.transfers)) or cells

    def check_axes(self) -> None:
        """Refuse volumes with other numbers of axes.

        Raises
        ------
        VoxelsMismatchError
        """
        a, b = (side.metadata.bounds.ndim for side in self.transfers)
        if a != b:
            names = [side.store.address for side in self.transfers]
            raise VoxelsMismatchError(
                f"{self._action}: expected as many axes in both, channel first, and found {a} in {names[0]} "
                f"and {b} in {names[1]}"
            )

    def common_box(self, box: BoxLike | None) -> Box:
        """Return a box that both sides have, by default the smallest one around their bounds.

        Raises
        ------
        VoxelsMismatchError
            If the numbers of axes differ.
        SelectionError
            If a side has nothing in a part of it.
        """
        self.check_axes()
        a, b = (side.metadata for side in self.transfers)
        region = a.bounds.union(b.bounds) if box is None else checked_box(box, a)
        for side in self.transfers:
            try:
                check_inside(region, side.metadata, side.store.traits, growing=False)
            except SelectionError as error:
                raise SelectionError(f"{self._action}: {error}; give a box that both have") from None
        return region

    def read_all(
        self, box: Box, concurrency: int | None, progress: Progress
    ) -> Generator[tuple[Box, NDArray[Any], NDArray[Any]], None, None]:
        """Read a box of both sides, in pieces that cut no block, and tell somebody how far it is."""
        itemsizes = [side.metadata.dtype.itemsize for side in self.transfers]
        lowest = min(side.store.traits.piece_bytes[0] for side in self.transfers)
        pieces = Pieces.of_box(box, box.aligned_to(self.grid), self.grid, max(1, lowest // max(itemsizes)))
        reads = self.read(pieces, concurrency or self.concurrency)
        with Reporter(progress, self._action, box.size * sum(itemsizes)) as reporter, contextlib.closing(reads):
            for piece, left, right in reads:
                yield piece, left, right
                reporter.moved(piece.size * sum(itemsizes), sum(call.counted.retries for call in self._calls))

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
        reads = run_ahead(tasks, take, lambda: self._calls[0], lambda: concurrency, ordered=True)
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
