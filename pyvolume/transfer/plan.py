"""Plan: the requests of a transfer, which can be looked at before any byte moves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pyvolume.calls.holds import Slots
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.slabs import SLAB_BYTES
from pyvolume.model.units import readable
from pyvolume.stores.base import StoreTraits, enough_for, room_for
from pyvolume.transfer.grid import aligned, borders, cells_in, whole_blocks_in
from pyvolume.transfer.groups import Cells
from pyvolume.transfer.pieces import Cut, Pieces, Steps
from pyvolume.transfer.touched import TouchedBoxes

MERGE_WHOLE_BYTES = 16 << 20
"""An unaligned box is merged as a whole up to here: fewer requests beat fewer bytes."""

TOGETHER_BYTES = 64 << 20
"""With a high concurrency the network is assumed to limit each request: pieces get as small as this divided by it."""

LEAST_PIECE_BYTES = 1 << 20
"""On a slow line pieces get as small as this."""

UNKNOWN_PIECE_BYTES = 4 << 20
"""The highest size of pieces where nothing is known of a line yet: they soon tell what it brings."""

PIECE_SECONDS = (0.05, 1.0)
"""For how long a piece is under way: long enough to cost nothing, short enough that a retry repeats little."""

LEAST_DECODED_BYTES = 128 << 10
"""Cells that become fewer bytes are decompressed by one thread: a thread costs more."""

FEW_PARTS = 256
"""Parts of a selection that are listed when it is planned; more of them are looked for during the transfer."""

MOST_COUNTED = 2_000
"""Pieces of a key with steps or index arrays that are counted for the printed form of a plan."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request of a plan.

    Parameters
    ----------
    action : "read" or "write"
        What the store does.
    box : Box
        Where, in literal voxel coordinates.
    nbytes : int
        The size of the voxels.
    """

    action: Literal["read", "write"]
    box: Box
    nbytes: int


@dataclass(slots=True)
class _Tally:
    """What the steps of a plan come to; of too many of them, the first ones."""

    steps: int = 0
    merged_steps: int = 0
    voxels: int = 0
    merged_voxels: int = 0
    largest: int = 0
    largest_merged: int = 0
    is_complete: bool = True

    @property
    def requests(self) -> int:
        """How many requests the steps need."""
        return self.steps + self.merged_steps

    @property
    def moved(self) -> int:
        """How many voxels the requests move."""
        return self.voxels + self.merged_voxels

    def add(self, pieces: Iterable[tuple[Box, int]], *, merged: bool) -> None:
        """Count pieces, each given with how many of its size there are."""
        for box, times in pieces:
            size = box.size
            self.steps += times
            self.voxels += size * times
            self.largest = max(self.largest, size)
            if merged:
                self.merged_steps += times
                self.merged_voxels += size * times
                self.largest_merged = max(self.largest_merged, size)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a transfer will do.

    Iterating gives its requests in order, ``len`` their number. They are made as they are needed. Those of boxes are
    counted by arithmetic, those of keys with steps or index arrays one by one.

    Parameters
    ----------
    writes : bool
        True for a write, false for a read.
    steps : Steps
        The pieces, in the order in which they start.
    voxels : int
        How many voxels were asked for.
    itemsize : int
        Bytes of a voxel.
    concurrency : int
        How many requests are under way at once; at most, if `is_learnt`.
    cropped : bool
        Whether more is read than is kept, so that each piece needs memory of its own.
    is_learnt : bool
        Whether the transfer finds out how many requests serve it best.
    held_bytes : int
        The memory that a request takes beside the array, at most. Where the number is learnt, it limits it.
    """

    writes: bool
    steps: Steps
    voxels: int
    itemsize: int
    concurrency: int
    cropped: bool
    is_learnt: bool = False
    held_bytes: int = 0

    @property
    def requests(self) -> tuple[PlannedRequest, ...]:
        """The requests, in the order in which they are begun."""
        return tuple(self)

    def __iter__(self) -> Iterator[PlannedRequest]:
        for step in self.steps:
            nbytes = step.box.size * self.itemsize
            if not self.writes or step.merged:
                yield PlannedRequest("read", step.box, nbytes)
            if self.writes:
                yield PlannedRequest("write", step.box, nbytes)

    def __len__(self) -> int:
        return self._counted().requests

    @property
    def nbytes(self) -> int:
        """Bytes that all requests move."""
        return self._counted().moved * self.itemsize

    @property
    def bytes_wanted(self) -> int:
        """Bytes of the voxels that were asked for; what is above them is for alignment, steps and merging."""
        return self.voxels * self.itemsize

    @property
    def merged_bytes(self) -> int:
        """Bytes of blocks that are read, completed and written back."""
        return self._counted().merged_voxels * self.itemsize

    @property
    def peak_bytes(self) -> int:
        """Expected memory at the peak, for the result of a read and for the pieces that are transferred."""
        return self._peak(self._counted())

    def __repr__(self) -> str:
        begin = f"<Plan to {'write' if self.writes else 'read'} {readable(self.bytes_wanted)}"
        counted = self._counted(MOST_COUNTED)
        if not counted.is_complete:
            return f"{begin} with more than {counted.requests} requests, {self._at_once}>"
        merged = f", {readable(counted.merged_voxels * self.itemsize)} of it merged" if counted.merged_steps else ""
        return (
            f"{begin} with {counted.requests} requests of together {readable(counted.moved * self.itemsize)}{merged}, "
            f"{self._at_once}, peak memory {readable(self._peak(counted))}>"
        )

    @property
    def _at_once(self) -> str:
        return f"{'up to ' if self.is_learnt else ''}{self.concurrency} at once"

    def _counted(self, most: int | None = None) -> _Tally:
        """Count the steps; `most` is how many that have to be counted one by one are looked at."""
        tally = _Tally()
        for merged, pieces in ((False, self.steps.straight), (True, self.steps.merged)):
            kinds = pieces.kinds()
            tally.add(itertools.islice(kinds, most), merged=merged)
            tally.is_complete &= next(kinds, None) is None
        return tally

    def _peak(self, tally: _Tally) -> int:
        at_once = min(room_for(self.held_bytes) if self.is_learnt else self.concurrency, self.concurrency, tally.steps)
        held = at_once * (tally.largest if self.cropped else tally.largest_merged) * self.itemsize
        slabs = at_once * min(SLAB_BYTES, self.bytes_wanted)
        return max(held, slabs) if self.writes else self.bytes_wanted + held


def plan_read(
    selection: Selection, traits: StoreTraits, metadata: VoxelsMetadata, concurrency: int, learnt: Slots | None = None
) -> Plan:
    """Plan how to read the selected voxels; an empty selection needs nothing.

    Parameters
    ----------
    selection : Selection
        The voxels.
    traits : StoreTraits
        What the store can do.
    metadata : VoxelsMetadata
        Of the volume.
    concurrency : int
        How many requests run at once, at most.
    learnt : Slots, optional
        Those of a store that learns how many, and what each brings.
    """
    itemsize, grid = metadata.dtype.itemsize, traits.read_grid
    if not selection.size:
        return Plan(False, Steps(Pieces()), 0, itemsize, concurrency, False, learnt is not None)
    whole = aligned(selection.box, grid, traits, metadata.bounds)
    parts = _parts(selection, whole, Cells(_cells(traits, itemsize), grid, itemsize, traits.piece_bytes[0]))
    cuts = _cuts_to_read(parts, whole, traits, itemsize, _sizes(traits, concurrency, learnt))
    cropped = whole != selection.box or selection.form != "box"
    steps = Steps(Pieces(parts, cuts, None if selection.is_whole else selection.touching, keeps_parts=True))
    largest = min([_largest(parts), *(each.most for each in cuts)])
    held = largest * itemsize if cropped else 0
    concurrency = max(concurrency, _enough(traits.request_chunks, whole, largest, itemsize, learnt))
    return Plan(False, steps, selection.size, itemsize, concurrency, cropped, learnt is not None, held)


def _cuts_to_read(
    parts: Iterable[Box], whole: Box, traits: StoreTraits, itemsize: int, sizes: _Sizes
) -> tuple[Cut, ...]:
    grid = traits.read_grid
    if traits.read_cells:
        cells = sum(cells_in(part, traits.read_cells) for part in itertools.islice(parts, FEW_PARTS + 1))
        fewest = LEAST_DECODED_BYTES // (math.prod(traits.read_cells) * itemsize)
        most = max(1, min(traits.piece_bytes[1], traits.max_read_bytes) // itemsize)
        return (Cut(traits.read_cells, most, max(1, fewest, -(-cells // sizes.number))),)
    most = _piece_voxels(parts, traits.max_read_bytes, itemsize, sizes)
    if whole.size <= most and not traits.max_blocks:
        return ()
    if traits.request_chunks and math.prod(traits.request_chunks) * itemsize <= traits.max_read_bytes:
        grid = traits.request_chunks  # no chunk is requested for two pieces
    # a piece thinner than the blocks that are stored would make the server look each of them up several times
    return Cut(_blocks(traits), most), Cut(grid, most, traits.max_blocks)


def _cells(traits: StoreTraits, itemsize: int) -> tuple[int, ...]:
    """Return the cells that points are grouped by: of a large shard a part, which can be read alone."""
    if traits.read_cells:
        return traits.read_cells
    is_large = math.prod(traits.chunks) * itemsize > traits.piece_bytes[1]
    return traits.read_grid if is_large else _blocks(traits)


def _blocks(traits: StoreTraits) -> tuple[int, ...]:
    """Return the blocks that are stored, where they can be read."""
    return tuple(b if b % r == 0 else r for b, r in zip(traits.chunks, traits.read_grid, strict=True))


def plan_write(
    selection: Selection, traits: StoreTraits, metadata: VoxelsMetadata, concurrency: int, learnt: Slots | None = None
) -> Plan:
    """Plan how to write the selected voxels: whole blocks straight, others merged with what is stored."""
    itemsize, grid = metadata.dtype.itemsize, traits.write_grid
    if not selection.size:
        return Plan(True, Steps(Pieces()), 0, itemsize, concurrency, False, learnt is not None)
    box = selection.box
    whole = aligned(box, grid, traits, metadata.bounds)
    inner = whole_blocks_in(box, whole, grid) if selection.is_whole else None
    if inner != whole and whole.size * itemsize <= MERGE_WHOLE_BYTES:
        inner = None
    straight = () if inner is None else (inner,)
    if inner is None:
        around = _parts(selection, whole, Cells(grid, grid, itemsize, traits.piece_bytes[0]))
    else:
        around = tuple(borders(whole, inner))
    parts = itertools.chain(straight, around)
    sizes = _sizes(traits, concurrency, learnt)
    most = _piece_voxels(parts, traits.max_write_bytes, itemsize, sizes)
    merged_most = min(most, max(1, traits.max_read_bytes // itemsize))
    is_small = whole.size <= merged_most and not traits.max_blocks
    cuts = () if is_small else (Cut(grid, most, traits.max_blocks),)
    merged_cuts = () if is_small else (Cut(grid, merged_most, traits.max_blocks),)
    keep = None if selection.is_whole else selection.touching
    steps = Steps(Pieces(straight, cuts), Pieces(around, merged_cuts, keep, keeps_parts=True))
    largest = min(_largest(around) if around else whole.size, most)
    held = largest * itemsize if around else min(SLAB_BYTES, largest * itemsize)
    if traits.request_chunks:
        concurrency = max(concurrency, _enough(traits.chunks, whole, largest, itemsize, learnt))
    return Plan(True, steps, selection.size, itemsize, concurrency, False, learnt is not None, held)


def _enough(chunk: tuple[int, ...], whole: Box, voxels: int, itemsize: int, learnt: Slots | None) -> int:
    """Return how many pieces of so many voxels fill all slots by the requests for their chunks; 0 if there are none."""
    if learnt is None or not chunk:
        return 0
    touched = max(1, voxels * cells_in(whole, chunk) // whole.size)  # of a thin box more than it has voxels
    return enough_for(learnt, touched, math.prod(chunk) * itemsize)


def _parts(selection: Selection, whole: Box, cells: Cells) -> Iterable[Box]:
    """Return the boxes that a selection touches: all of them if they are few."""
    if selection.is_whole:
        return (whole,)
    touched = TouchedBoxes(selection, whole, cells)
    few = tuple(itertools.islice(touched, FEW_PARTS + 1))
    return few if len(few) <= FEW_PARTS else touched


def _largest(parts: Iterable[Box]) -> int:
    """Return how many voxels a part has at most."""
    return parts.largest if isinstance(parts, TouchedBoxes) else max(part.size for part in parts)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Between which sizes, in bytes, pieces lie, and into how many a transfer is divided where they allow it.

    What has `little` bytes is not divided.
    """

    lowest: int
    highest: int
    number: int
    little: int


def _sizes(traits: StoreTraits, concurrency: int, learnt: Slots | None) -> _Sizes:
    """Return the sizes of pieces."""
    lowest, highest = traits.piece_bytes
    if learnt is None:
        lowest = min(lowest, TOGETHER_BYTES // concurrency)
        return _Sizes(lowest, highest, concurrency, 2 * lowest)
    if not learnt.rate:
        return _Sizes(LEAST_PIECE_BYTES, UNKNOWN_PIECE_BYTES, concurrency, 2 * lowest)
    low, high = (int(learnt.rate * seconds) for seconds in PIECE_SECONDS)
    lowest = max(LEAST_PIECE_BYTES, min(low, lowest))
    return _Sizes(lowest, max(lowest, min(high, highest)), min(concurrency, learnt.soon), 2 * lowest)


def _piece_voxels(parts: Iterable[Box], cap: int, itemsize: int, sizes: _Sizes) -> int:
    """Return how many voxels a piece may hold: bytes divided by workers, within limits; of many parts the first."""
    found = [part.size for part in itertools.islice(parts, FEW_PARTS + 1)]
    total = sum(found) * itemsize
    # on a fast line more requests gain nothing
    is_little = total <= sizes.little and len(found) <= FEW_PARTS
    piece = total if is_little else min(max(-(-total // sizes.number), sizes.lowest), sizes.highest)
    return max(1, min(piece, cap) // itemsize)
