"""Transfers: move voxels between an array and a store as a plan says."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyvolume.caching.cache import BlockCache
from pyvolume.caching.reading import CachedReads, check_cache, reads_of, why_unused
from pyvolume.calls.call import Call
from pyvolume.calls.progress import Progress, Reporter
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import AlignmentError, SelectionError, UnsupportedError, VoxelsMismatchError
from pyvolume.indexing.selection import Part, Selection
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.arrays import ArrayStore, Sliceable
from pyvolume.stores.base import Sparse, VoxelStore, completed_from, in_whole, room_of, slots_of
from pyvolume.stores.locks import Locks, process_locks
from pyvolume.transfer.casting import Casting, castable, check_casting
from pyvolume.transfer.checks import check_inside, check_size, new_array
from pyvolume.transfer.grid import aligned, cut, parts_of, unit_grid
from pyvolume.transfer.known import Known
from pyvolume.transfer.locking import (
    NamedLock,
    check_lock,
    holding,
    lockable,
    names_of,
    settling,
    split,
    warn_of_merging,
)
from pyvolume.transfer.overlap import apart
from pyvolume.transfer.pieces import Pieces, Step
from pyvolume.transfer.plan import Plan, plan_read, plan_write
from pyvolume.transfer.pool import run_all
from pyvolume.transfer.receipts import Action, Receipt, keep, keeping, receipt_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a user.

    Parameters
    ----------
    call : Call
        Its patience and counters.
    progress : bool, callable or None
        Who is told how far it is.
    concurrency : int, optional
        How many requests to send at once; by default what the store prefers.
    """

    call: Call
    progress: Progress = None
    concurrency: int | None = None


def check_options(
    mode: str, partial_blocks: str, casting: Casting, lock: NamedLock | None, cache: BlockCache | None
) -> None:
    """Refuse options of a volume that mean nothing.

    Raises
    ------
    TypeError, ValueError
    """
    arguments.one_of(mode, ("r", "r+"), "volume", "mode")
    arguments.one_of(partial_blocks, ("merge", "raise"), "volume", "partial_blocks")
    check_casting(casting)
    check_lock(lock)
    check_cache(cache)


@dataclass(frozen=True)
class Transfer:
    """How the voxels of one volume are read and written.

    Parameters
    ----------
    store : VoxelStore
        What serves the voxels.
    known : Known
        The metadata, with the bounds that writes have made larger.
    mode, retry, locks, lock, lock_aligned, partial_blocks, casting, cache
        As for `Volume`.
    process : int, optional
        The process that opened the volume; 0 after pickling.

    Attributes
    ----------
    reads : VoxelStore or CachedReads
        What reads are planned for and sent to: the store, or a cache in front of it.
    """

    store: VoxelStore
    known: Known
    mode: Literal["r", "r+"] = "r+"
    retry: RetryPolicy = RetryPolicy()
    locks: Locks = dataclasses.field(default_factory=process_locks)
    lock: NamedLock | None = None
    lock_aligned: bool = True
    partial_blocks: Literal["merge", "raise"] = "merge"
    casting: Casting = "checked"
    cache: BlockCache | None = None
    process: int = dataclasses.field(default_factory=os.getpid, compare=False)
    reads: VoxelStore | CachedReads = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_options(self.mode, self.partial_blocks, self.casting, self.lock, self.cache)
        object.__setattr__(self, "reads", reads_of(self.store, self.cache, self.metadata))

    def __getstate__(self) -> dict[str, Any]:
        # a callback of this process has no meaning in another one
        return vars(self) | {"retry": dataclasses.replace(self.retry, on_wait=None), "process": 0}

    def __deepcopy__(self, memo: dict[int, Any]) -> Transfer:
        # the state for pickling lacks the callback
        store, known = copy.deepcopy((self.store, self.known), memo)
        return dataclasses.replace(self, store=store, known=known)

    def begin(self) -> Call:
        """Begin an operation of the user."""
        return Call(self.retry)

    def operation(self, progress: Progress = None) -> Operation:
        """Begin an operation that moves voxels."""
        return Operation(self.begin(), progress)

    @property
    def metadata(self) -> VoxelsMetadata:
        """What the volume is, as far as it is known now."""
        return self.known.metadata

    def refresh(self) -> None:
        """Ask the store for the present metadata."""
        call = self.begin()
        self.known.refresh(lambda: self.store.read_metadata(call))

    @property
    def name(self) -> str:
        """The address of what outlives the process; arrays in memory have none."""
        return self.store.address if self.store.traits.lasting else "memory"

    @property
    def cache_use(self) -> str:
        """Whether the cache is used, for people."""
        reason = "none was given" if self.cache is None else why_unused(self.store, self.cache, self.metadata)
        return f"not used: {reason}" if reason else "used"

    def plan(self, selection: Selection, *, write: bool, concurrency: int | None = None) -> Plan:
        """Plan to read or write the selected voxels."""
        traits = self.store.traits if write else self.reads.traits
        make = plan_write if write else plan_read
        learnt = slots_of(self.store, write=write) if concurrency is None else None
        plan = make(selection, traits, self.metadata, concurrency or traits.concurrency, learnt)
        if not write or self.lock is None:
            return plan
        return split(plan, traits, lock_aligned=self.lock_aligned)

    def blocks(self, box: Box, shape: tuple[int, ...] | None) -> Iterator[Box]:
        """Cut a box into parts that share no block, of a shape or of a good size."""
        traits = self.store.traits
        grid = unit_grid(traits)
        whole = aligned(box, grid, traits, self.metadata.bounds)
        if shape is not None:
            return parts_of(box, whole, [-(-side // cell) * cell for side, cell in zip(shape, grid, strict=True)])
        most = max(1, traits.piece_bytes[0] // self.metadata.dtype.itemsize)
        return iter(Pieces.of_box(box, whole, grid, most))

    def stored(self, box: Box) -> NDArray[np.bool_]:
        """Return for each block that a box touches whether it is stored; a store that is not `Sparse` has all."""
        traits, bounds = self.store.traits, self.metadata.bounds
        check_inside(box, self.metadata, traits, growing=False)
        grid = traits.chunks
        first = [low // cell for low, cell in zip(box.start, grid, strict=True)]
        counts = [-(-high // cell) - low for high, cell, low in zip(box.stop, grid, first, strict=True)]
        found = np.ones(counts if box.size else [0] * box.ndim, bool)
        if isinstance(self.store, Sparse) and box.size:
            call, most = self.begin(), max(1, traits.max_read_bytes // self.metadata.dtype.itemsize)
            for piece in cut(aligned(box, grid, traits, bounds), grid, most, traits.max_blocks):
                faces = zip(piece.start, piece.stop, grid, first, strict=True)
                place = tuple(slice(a // cell - low, -(-b // cell) - low) for a, b, cell, low in faces)
                found[place] = self.store.stored(piece, call)
        return found

    def read(self, selection: Selection, operation: Operation | None = None, *, order: Literal["F", "C"] = "F") -> Any:
        """Return the selected voxels, as a scalar where the key leaves no axis."""
        metadata = self.metadata
        check_inside(selection.box, metadata, self.store.traits, growing=False)
        result = new_array(selection.shape, metadata.dtype, order)
        self._read(*selection.simplified(result), operation or self.operation())
        if keeping.get():
            keep(self._receipt("read", selection, result))
        return result[()] if selection.is_scalar else result

    def read_box(self, box: Box, out: NDArray[Any] | None, operation: Operation) -> NDArray[Any]:
        """Return the voxels of a box, in `out` if it is given."""
        check_inside(box, self.metadata, self.store.traits, growing=False)
        if out is None:
            out = new_array(box.shape, self.metadata.dtype)
        self._read(Selection.of_box(box), out, operation)
        if keeping.get():
            keep(self._receipt("read", Selection.of_box(box), out))
        return out

    def take(self, box: Box, call: Call) -> NDArray[Any]:
        """Return the voxels of a box with one request at a time; it can be a view that must not be changed."""
        if isinstance(self.store, ArrayStore):
            check_inside(box, self.metadata, self.store.traits, growing=False)
            voxels = self.store.take(box)
            if keeping.get():
                keep(self._receipt("read", Selection.of_box(box), voxels))
            return voxels
        return self.read_box(box, None, Operation(call, progress=False, concurrency=1))

    def read_into(self, selection: Selection, out: Any, operation: Operation) -> None:
        """Put the selected voxels into an array-like of the shape of the selection, which is assigned to by slices."""
        check_inside(selection.box, self.metadata, self.store.traits, growing=False)
        if isinstance(out, np.ndarray):
            self._read(*selection.simplified(out), operation)
            if keeping.get():
                keep(self._receipt("read", selection, out))
        elif selection.form == "points":  # not every array-like can be assigned to by index arrays
            out[...] = self.read(selection, operation)
        else:
            pieces: list[Receipt] | None = [] if keeping.get() else None
            self._read(selection, out, operation, pieces)
            keep(*(pieces or ()))

    def _receipt(self, action: Action, selection: Selection, voxels: NDArray[Any]) -> Receipt:
        return receipt_of(action, self.store.address, selection, voxels, self.metadata.dtype)

    def _read(self, selection: Selection, out: Any, operation: Operation, pieces: list[Receipt] | None = None) -> None:
        """Put the selected voxels into an array; into an array-like one piece at a time, whose receipts are listed."""
        dtype = self.metadata.dtype
        in_memory = isinstance(out, np.ndarray) and out.dtype == dtype  # ImageJ is big-endian
        lock = contextlib.nullcontext() if in_memory else threading.Lock()  # pieces may share a chunk of a file
        wanted = selection.box if self.reads is not self.store else None  # a cache gives any part of its blocks

        def move(step: Step) -> int:
            box = step.box if wanted is None else step.box.intersection(wanted) or step.box
            part = selection.within(box)
            if part is None:
                return 0
            if part.is_whole and in_memory:
                self.reads.read_box(box, out[part.place], operation.call)
                return box.size
            around = np.empty(box.shape, dtype, order="F")
            self.reads.read_box(box, around, operation.call)
            kept = around[part.local]
            with lock:
                out[part.place] = kept
            if pieces is not None:
                pieces.append(self._receipt("read", selection.cropped(part), kept))
            return kept.size

        self._run(self.plan(selection, write=False, concurrency=operation.concurrency), move, operation)

    def post(self, box: Box, array: Any, operation: Operation) -> None:
        """Write a box, from an array or piece by piece from what has only slices."""
        self.check_writable("write voxels")
        values = array if isinstance(array, Sliceable) else castable(array, self.metadata.dtype, self.casting)
        if tuple(values.shape) != box.shape:
            raise VoxelsMismatchError(
                f"write voxels: expected an array of shape {box.shape} for {box} and found {tuple(values.shape)}"
            )
        self.write_from(Selection.of_box(box), apart(self.store, values), operation)

    def write_from(self, selection: Selection, array: Sliceable, operation: Operation) -> None:
        """Write an array or array-like of the shape of the selection, but for axes of length 1."""
        self.check_writable("write voxels")
        shaped = selection.shaped_as(array.shape)
        if selection.form == "points" or isinstance(array, np.ndarray):
            values = castable(np.asarray(array[...]), self.metadata.dtype, self.casting).reshape(selection.shape)
            simple, given = selection.simplified(values)
            self._write(simple, lambda part: given[part.place], operation)
            if keeping.get():
                keep(self._receipt("write", selection, values))
            return
        store, pieces = ArrayStore(array), list[Receipt]()
        is_kept = bool(keeping.get())

        def fetched(part: Part) -> NDArray[Any]:
            # without index arrays each place is a slice; that of an added axis is open
            place: list[Any] = [each.indices(n) for each, n in zip(part.place, array.shape, strict=True)]  # type: ignore[union-attr]
            box = Box([start for start, _, _ in place], [stop for _, stop, _ in place])
            values = castable(store.take(box), self.metadata.dtype, self.casting)
            if is_kept:
                pieces.append(self._receipt("write", shaped.cropped(part), values))
            return values

        self._write(shaped, fetched, operation)
        if is_kept:
            keep(*pieces)

    def write(self, selection: Selection, values: object, operation: Operation) -> None:
        """Write values, which are broadcast, where the selection says."""
        self.check_writable("write voxels")
        array = apart(self.store, castable(values, self.metadata.dtype, self.casting))
        if array.size and not selection.size:
            self._check_dropped(array, selection)
        check_size(selection.size, array.dtype)
        spread = selection.broadcast(array)
        simple, given = selection.simplified(spread)
        self._write(simple, lambda part: given[part.place], operation)
        if keeping.get():
            keep(self._receipt("write", selection, spread))

    def _check_dropped(self, array: NDArray[Any], selection: Selection) -> None:
        """Refuse values that a user would lose because the key selects no voxel; a single one fills nothing.

        Raises
        ------
        VoxelsMismatchError
            If the volume has no length yet along any axis that can grow: even an array of one voxel is meant to be
            stored then.
        SelectionError
            For several values.
        """
        has_begun = any(self.metadata.bounds.shape[1:]) or not any(self.store.traits.growable)
        if array.ndim and not has_begun:
            raise VoxelsMismatchError(
                f"write voxels: the volume is still empty (shape {self.metadata.shape}), so this key selects nothing; "
                "give explicit stops, or use post_ndarray"
            )
        if array.size > 1:
            raise SelectionError(
                f"write voxels: the key selects no voxel (shape {selection.shape}), but values of shape {array.shape} "
                "are given"
            )

    def _write(self, selection: Selection, given: Callable[[Part], NDArray[Any]], operation: Operation) -> None:
        """Store the values that `given` returns for each piece; the bounds then hold the pieces that were stored."""
        traits, box = self.store.traits, selection.box
        check_inside(box, self.metadata, traits, growing=True)
        if not selection.size:
            return

        def move(step: Step) -> int:
            part = selection.within(step.box)
            if part is None:
                return 0
            values = given(part)
            written = step.box.intersection(box) or step.box
            with self._holding(step, operation.call) if self.lock is not None else contextlib.nullcontext():
                if step.merged:
                    self._merge(step.box, part.local, values, operation, written)
                else:
                    with self.known.growing(written):
                        self.store.write_box(step.box, selection.in_box(values), operation.call)
            return values.size

        plan = self.plan(selection, write=True, concurrency=operation.concurrency)
        whole = aligned(box, traits.write_grid, traits, self.metadata.bounds)
        # a lock of the user is not taken twice at once, also for voxels of the same block
        held = whole if self.lock is None else aligned(box, unit_grid(traits), traits, self.metadata.bounds)
        hold = threading.Lock()
        try:
            with hold:
                self.locks.take(self.voxels, in_whole(self.store, held), hold, operation.call)
                if plan.steps.merged.parts:
                    self.check_may_merge(selection, whole)
                    self._warn_of_merging()
                self._run(plan, move, operation)
        finally:
            self.locks.give_back(hold)
            if isinstance(self.reads, CachedReads):  # an administrator of the server can write where nobody else can
                self.reads.forget(whole)

    @property
    def voxels(self) -> str:
        """The name of the voxels that are locked; all views of a volume write the same blocks."""
        return self.store.traits.voxels or self.store.address.partition("?")[0]

    def _holding(self, step: Step, call: Call) -> AbstractContextManager[None]:
        """Hold the user's locks of the blocks of a step."""
        if self.lock is None or not lockable(step, lock_aligned=self.lock_aligned):
            return contextlib.nullcontext()
        return holding(self.lock, names_of(self.voxels, step.box, self.store), call)

    def _warn_of_merging(self) -> None:
        """Say that there may be writers in other processes, against which nothing protects."""
        if self.process != os.getpid() and self.lock is None and self.store.traits.lasting:
            warn_of_merging(self.voxels, self.store.address)

    def check_writable(self, action: str) -> None:
        """Refuse to write to what was opened for reading.

        Raises
        ------
        UnsupportedError
            If the mode is "r", or the store cannot be written.
        """
        if self.mode == "r" or not self.store.traits.writable:
            hint = self.store.traits.instead or ("open it with mode='r+' to write" if self.mode == "r" else "")
            hint = f"; {hint}" if hint else ""
            raise UnsupportedError(f"{action} of {self.store.address}: opened for reading only{hint}")

    def _run(self, plan: Plan, move: Callable[[Step], int], operation: Operation) -> None:
        call = operation.call
        title, bytes_wanted = "write" if plan.writes else "read", plan.bytes_wanted
        with Reporter(operation.progress, title, bytes_wanted) as reporter:

            def reported(step: Step) -> None:
                call.remaining()
                nbytes = move(step) * plan.itemsize
                reporter.moved(nbytes, call.counted.retries, call.counted.at_once)

            run_all(plan.steps, reported, call, functools.partial(self._room, plan))
        call.count(bytes_used=bytes_wanted)
        _log.debug("%s %s: %s", title, self.store.address, call.counted)

    def _room(self, plan: Plan) -> int:
        """Return how many steps of a plan run at once now."""
        if not plan.is_learnt:
            return plan.concurrency
        return room_of(self.store, write=plan.writes, nbytes=plan.held_bytes, enough=plan.concurrency)

    def _merge(self, box: Box, local: tuple[Any, ...], given: NDArray[Any], operation: Operation, written: Box) -> None:
        """Complete blocks with what is stored."""
        blocks = np.empty(box.shape, self.metadata.dtype, order="F")
        self._read_blocks(box, blocks, operation.call)
        blocks[local] = given
        with self.known.growing(written), settling(operation.call):
            self.store.write_box(box, blocks, operation.call)

    def _read_blocks(self, box: Box, out: NDArray[Any], call: Call) -> None:
        """Read what is stored in whole blocks, in the thread that will write them."""
        store = completed_from(self.store)
        traits = store.traits
        for piece in cut(box, traits.read_grid, max(1, traits.max_read_bytes // out.dtype.itemsize)):
            around = aligned(piece, traits.read_grid, traits, self.metadata.bounds)
            if around == piece:
                store.read_box(piece, out[piece.slices_from(box.start)], call)
            else:
                voxels = np.empty(around.shape, out.dtype, order="F")
                store.read_box(around, voxels, call)
                out[piece.slices_from(box.start)] = voxels[piece.slices_from(around.start)]

    def check_may_merge(self, selection: Selection, nearest: Box) -> None:
        """Refuse to complete blocks that this store or its options do not allow to complete.

        Raises
        ------
        AlignmentError
            It names the nearest aligned box.
        """
        if not completed_from(self.store).traits.faithful:
            why = "what is read from this store is not what is stored, so nothing can be merged"
        elif self.partial_blocks == "raise":
            why = "blocks are not merged here"
        else:
            return
        grid = self.store.traits.write_grid
        found = f"{selection.box} is not aligned" if selection.is_whole else "the key leaves voxels of them out"
        raise AlignmentError(
            f"write voxels of {self.store.address}: whole blocks of {grid} only, because {why}; "
            f"{found}, the nearest aligned box is {nearest}",
            nearest=nearest,
        )
