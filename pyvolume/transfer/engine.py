"""Transfers: move voxels between an array and a store as a plan says."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress, Reporter
from pyvolume.errors import AlignmentError, StoreError, UnsupportedError
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import VoxelStore, unmasked
from pyvolume.stores.locks import Locks
from pyvolume.transfer.grid import aligned, cut
from pyvolume.transfer.plan import Plan, Step, plan_read, plan_write
from pyvolume.transfer.workers import Workers

CONFIRMATIONS = 5
"""How often blocks are merged again where another process has overwritten them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a user, and who wants to know how far it has come."""

    call: Call
    progress: Progress = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Transfer:
    """What moves the voxels of one volume.

    Parameters
    ----------
    store : VoxelStore
    locks : Locks
        Keeps writers of the same voxels apart.
    merges : bool
        Whether blocks that are not written whole may be completed with what is stored.
    """

    store: VoxelStore
    locks: Locks
    merges: bool

    def plan(self, selection: Selection, metadata: VoxelsMetadata, *, voxels: int, write: bool) -> Plan:
        """Plan a read or a write of the selected voxels."""
        make = plan_write if write else plan_read
        concurrency = self.store.traits.preferred_concurrency
        return make(selection, self.store.traits, metadata, concurrency, voxels=voxels)

    def read(self, selection: Selection, out: NDArray[Any], metadata: VoxelsMetadata, operation: Operation) -> None:
        """Put the selected voxels into `out`, which has the shape of the selection."""
        call = operation.call

        def move(step: Step) -> int:
            part = selection.within(step.box)
            if part is None:
                return 0
            if part.is_whole:
                self.store.read_box(step.box, out[part.place], call)
                return step.box.size
            around = np.empty(step.box.shape, out.dtype, order="F")
            self.store.read_box(step.box, around, call)
            kept = around[part.local]
            out[part.place] = kept
            return kept.size

        plan = self.plan(selection, metadata, voxels=out.size, write=False)
        self._run(plan, move, operation)

    def write(self, selection: Selection, values: Any, metadata: VoxelsMetadata, operation: Operation) -> Box:
        """Store values of the shape of the selection.

        Returns
        -------
        Box
            What was sent: the smallest box of whole blocks around the selection.

        Raises
        ------
        AlignmentError
            If the selected voxels do not fill whole blocks and nothing may be merged.
        UnsupportedError
            If merged blocks are to be confirmed, of which the store does not write every voxel.
        """
        call = operation.call

        def move(step: Step) -> int:
            part = selection.within(step.box)
            if part is None:
                return 0
            given = np.asarray(values[part.place])
            if not step.merged:
                self.store.write_box(step.box, given, call)
                return given.size
            self._merge(step.box, part.local, given, metadata, operation=operation)
            return given.size

        traits = self.store.traits
        plan = self.plan(selection, metadata, voxels=math.prod(values.shape), write=True)
        whole = aligned(selection.box, traits.write_grid, traits, metadata.bounds)
        volume, _, _ = self.store.address.partition("?")  # all views of a volume write the same blocks
        with self.locks.holding(volume, whole, call):
            if plan.merged_bytes:
                self.check_may_merge(selection, whole)
                if operation.confirm and unmasked(self.store) is not None:
                    raise UnsupportedError(
                        f"write voxels of {self.store.address}: what is left out by a mask cannot be confirmed"
                    )
            self._run(plan, move, operation)
        return whole

    def _run(self, plan: Plan, move: Callable[[Step], int], operation: Operation) -> None:
        call = operation.call
        title = "write" if plan.writes else "read"
        with Reporter(operation.progress, title, plan.bytes_wanted) as reporter:

            def reported(step: Step) -> None:
                nbytes = move(step) * plan.itemsize
                reporter.moved(nbytes, call.counted.retries)

            Workers(plan.steps, reported, call).run(plan.concurrency)
        call.count(bytes_used=plan.bytes_wanted)
        _log.debug("%s %s: %s", title, self.store.address, call.counted)

    def _merge(
        self, box: Box, local: tuple[Any, ...], given: NDArray[Any], metadata: VoxelsMetadata, *, operation: Operation
    ) -> None:
        """Complete blocks with what is stored, and look again, if that is asked for, whether they have stayed."""
        blocks = np.empty(box.shape, metadata.dtype, order="F")
        self._read_blocks(box, blocks, metadata, operation.call)
        for _ in range(CONFIRMATIONS):
            blocks[local] = given
            wanted = blocks[local].copy() if operation.confirm else None
            self.store.write_box(box, blocks, operation.call)
            if wanted is None:
                return
            self._read_blocks(box, blocks, metadata, operation.call)
            if np.array_equal(blocks[local], wanted, equal_nan=metadata.dtype.kind == "f"):
                return
        raise StoreError(
            f"write voxels {box} of {self.store.address}: another process wrote the same blocks each time, "
            f"{CONFIRMATIONS} times"
        )

    def _read_blocks(self, box: Box, out: NDArray[Any], metadata: VoxelsMetadata, call: Call) -> None:
        """Read what is stored in whole blocks, in the thread that will write them."""
        store = unmasked(self.store) or self.store
        traits = store.traits
        for piece in cut(box, traits.read_grid, max(1, traits.max_read_bytes // out.dtype.itemsize)):
            around = aligned(piece, traits.read_grid, traits, metadata.bounds)
            if around == piece:
                store.read_box(piece, out[piece.slices_from(box.start)], call)
            else:
                voxels = np.empty(around.shape, out.dtype, order="F")
                store.read_box(around, voxels, call)
                out[piece.slices_from(box.start)] = voxels[piece.slices_from(around.start)]

    def check_may_merge(self, selection: Selection, nearest: Box) -> None:
        """Refuse to complete blocks where that may not be.

        Raises
        ------
        AlignmentError
            It names the nearest aligned box.
        """
        if not (unmasked(self.store) or self.store).traits.faithful:
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
