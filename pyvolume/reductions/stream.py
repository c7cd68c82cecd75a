"""The voxels of a box, piece by piece, with a few pieces in memory."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress, Reporter
from pyvolume.model.box import Box
from pyvolume.model.slabs import slabs
from pyvolume.stores.base import FEW, room_of
from pyvolume.transfer.checks import check_inside
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import aligned, unit_grid
from pyvolume.transfer.pieces import Pieces
from pyvolume.transfer.plan import TOGETHER_BYTES
from pyvolume.transfer.pool import run_ahead

SLAB_VOXELS = 1 << 20
"""Voxels that are calculated with at once: a sum of so many needs 20 bits more than a voxel."""


@dataclass(frozen=True)
class Stream:
    """The voxels of a box, read each time when it is iterated.

    Iterating gives parts of at most `SLAB_VOXELS` voxels, each with its slices in the box. Pieces are read ahead; all
    of them together are as large as `TOGETHER_BYTES`, or one block for each request at a time.

    Parameters
    ----------
    transfer : Transfer
        Reads the pieces.
    box : Box
        Which voxels.
    progress : bool or callable, optional
        Who is told how far it is.
    """

    transfer: Transfer
    box: Box
    progress: Progress = None

    def __post_init__(self) -> None:
        check_inside(self.box, self.transfer.metadata, self.transfer.store.traits, growing=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of a voxel."""
        return self.transfer.metadata.dtype

    def __iter__(self) -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
        transfer, itemsize = self.transfer, self.dtype.itemsize

        def read(piece: Box, call: Call) -> NDArray[Any]:
            voxels = transfer.take(piece, call)
            reporter.moved(voxels.nbytes, call.counted.retries, call.counted.at_once)
            return voxels

        with Reporter(self.progress, "read", self.box.size * itemsize) as reporter:
            room = functools.partial(room_of, transfer.store, write=False, nbytes=self._piece_bytes)
            with contextlib.closing(
                run_ahead(self._pieces(), read, transfer.begin, room, ordered=True)  # type: ignore[type-var]
            ) as arriving:
                for piece, voxels in arriving:
                    for part in slabs(voxels.shape, SLAB_VOXELS):
                        yield self._moved(part, piece), voxels[part]

    def _pieces(self) -> Pieces:
        """Cut the box where no block is cut."""
        traits, itemsize = self.transfer.store.traits, self.dtype.itemsize
        grid = unit_grid(traits)
        whole = aligned(self.box, grid, traits, self.transfer.metadata.bounds)
        return Pieces.of_box(self.box, whole, grid, max(1, self._piece_bytes // itemsize))

    @property
    def _piece_bytes(self) -> int:
        traits = self.transfer.store.traits
        return min(traits.piece_bytes[0], TOGETHER_BYTES // min(traits.concurrency, FEW))

    def _moved(self, part: tuple[slice, ...], piece: Box) -> tuple[slice, ...]:
        """Return the slices of a part of a piece in the box."""
        origins = zip(part, piece.start, self.box.start, strict=True)
        return tuple(slice(each.start + low - first, each.stop + low - first) for each, low, first in origins)
