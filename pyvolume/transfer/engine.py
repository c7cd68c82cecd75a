"""Transfers: move voxels between an array and a store as a plan says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.box import Box
from pyvolume.errors import AlignmentError
from pyvolume.locks import BoxLocks
from pyvolume.metadata import VoxelsMetadata
from pyvolume.selection import Selection
from pyvolume.store import VoxelStore
from pyvolume.transfer.grid import aligned, cut
from pyvolume.transfer.plan import Plan, Step, plan_read, plan_write
from pyvolume.transfer.workers import Workers
from pyvolume.transport.call import Call


@dataclass(frozen=True, slots=True)
class Transfer:
    """What moves the voxels of one volume.

    Parameters
    ----------
    store : VoxelStore
    locks : BoxLocks
        Shared by everything that writes through the same connection.
    merges : bool
        Whether blocks that are not written whole may be completed with what is stored.
    """

    store: VoxelStore
    locks: BoxLocks
    merges: bool

    def plan(self, selection: Selection, metadata: VoxelsMetadata, *, voxels: int, write: bool) -> Plan:
        """Plan a read or a write of the selected voxels."""
        make = plan_write if write else plan_read
        concurrency = self.store.traits.preferred_concurrency
        return make(selection, self.store.traits, metadata, concurrency, voxels=voxels)

    def read(self, selection: Selection, out: NDArray[Any], metadata: VoxelsMetadata, call: Call) -> None:
        """Put the selected voxels into `out`, which has the shape of the selection."""

        def move(step: Step) -> None:
            part = selection.within(step.box)
            if part is None:
                return
            if part.is_whole:
                self.store.read_box(step.box, out[part.place], call)
                return
            around = np.empty(step.box.shape, out.dtype, order="F")
            self.store.read_box(step.box, around, call)
            out[part.place] = around[part.local]

        plan = self.plan(selection, metadata, voxels=out.size, write=False)
        Workers(plan.steps, move, call).run(plan.concurrency)

    def write(self, selection: Selection, values: NDArray[Any], metadata: VoxelsMetadata, call: Call) -> Box:
        """Store values of the shape of the selection.

        Returns
        -------
        Box
            What was sent: the smallest box of whole blocks around the selection.

        Raises
        ------
        AlignmentError
            If the selected voxels do not fill whole blocks and nothing may be merged.
        """

        def move(step: Step) -> None:
            part = selection.within(step.box)
            if part is None:
                return
            if not step.merged:
                self.store.write_box(step.box, values[part.place], call)
                return
            blocks = np.empty(step.box.shape, metadata.dtype, order="F")
            self._read_blocks(step.box, blocks, metadata, call)
            blocks[part.local] = values[part.place]
            self.store.write_box(step.box, blocks, call)

        traits = self.store.traits
        plan = self.plan(selection, metadata, voxels=values.size, write=True)
        whole = aligned(selection.box, traits.write_grid, traits, metadata.bounds)
        with self.locks.holding(self.store.address, whole):
            if plan.merged_bytes:
                self._check_may_merge(selection, whole)
            Workers(plan.steps, move, call).run(plan.concurrency)
        return whole

    def _read_blocks(self, box: Box, out: NDArray[Any], metadata: VoxelsMetadata, call: Call) -> None:
        """Read what is stored in whole blocks, in the thread that will write them."""
        traits = self.store.traits
        for piece in cut(box, traits.read_grid, max(1, traits.max_read_bytes // out.dtype.itemsize)):
            around = aligned(piece, traits.read_grid, traits, metadata.bounds)
            if around == piece:
                self.store.read_box(piece, out[piece.slices_from(box.start)], call)
            else:
                voxels = np.empty(around.shape, out.dtype, order="F")
                self.store.read_box(around, voxels, call)
                out[piece.slices_from(box.start)] = voxels[piece.slices_from(around.start)]

    def _check_may_merge(self, selection: Selection, nearest: Box) -> None:
        if self.store.traits.lossy:
            why = "what is read from this store is not what is stored, so nothing can be merged"
        elif not self.merges:
            why = "blocks are not merged here"
        else:
            return
        grid = self.store.traits.write_grid
        found = f"{selection.box} is not aligned" if selection.covers_box else "the key leaves voxels of them out"
        raise AlignmentError(
            f"write voxels of {self.store.address}: whole blocks of {grid} only, because {why}; "
            f"{found}, the nearest aligned box is {nearest}",
            nearest=nearest,
        )
