"""Plan: the requests of a transfer, which can be looked at before any byte moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.slabs import SLAB_BYTES
from pyvolume.model.units import readable
from pyvolume.stores.base import StoreTraits
from pyvolume.transfer.grid import aligned, borders, cut, touched, whole_blocks_in

MERGE_WHOLE_BYTES = 16 << 20
"""An unaligned box is merged as a whole up to here: fewer requests beat fewer bytes."""

TOGETHER_BYTES = 64 << 20
"""With a high concurrency the network is assumed to limit each request: pieces get as small as this divided by it."""


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


@dataclass(frozen=True, slots=True)
class Step:
    """A box that is moved; `merged` says that what is stored in it is read before it is written."""

    box: Box
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a transfer will do.

    Iterating gives its requests in order, ``len`` their number.

    Parameters
    ----------
    writes : bool
        True for a write, false for a read.
    steps : tuple of Step
        The pieces, in the order in which they start.
    voxels : int
        How many voxels were asked for.
    itemsize : int
        Bytes of a voxel.
    concurrency : int
        How many requests are under way at once.
    cropped : bool
        Whether more is read than is kept, so that each piece needs memory of its own.
    """

    writes: bool
    steps: tuple[Step, ...]
    voxels: int
    itemsize: int
    concurrency: int
    cropped: bool

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
        return sum(2 if step.merged else 1 for step in self.steps)

    @property
    def nbytes(self) -> int:
        """Bytes that all requests move."""
        return sum(request.nbytes for request in self)

    @property
    def bytes_wanted(self) -> int:
        """Bytes of the voxels that were asked for; what is above them is for alignment, steps and merging."""
        return self.voxels * self.itemsize

    @property
    def merged_bytes(self) -> int:
        """Bytes of blocks that are read, completed and written back."""
        return sum(step.box.size for step in self.steps if step.merged) * self.itemsize

    @property
    def peak_bytes(self) -> int:
        """Expected memory at the peak: the result of a read, and what the pieces under way hold."""
        largest = max((step.box.size for step in self.steps if step.merged or self.cropped), default=0)
        held = min(self.concurrency, len(self.steps)) * largest * self.itemsize
        slabs = min(self.concurrency, len(self.steps)) * min(SLAB_BYTES, self.bytes_wanted)
        return max(held, slabs) if self.writes else self.bytes_wanted + held

    def __repr__(self) -> str:
        verb = "write" if self.writes else "read"
        extra = f", {readable(self.merged_bytes)} of it merged" if self.merged_bytes else ""
        return (
            f"<Plan to {verb} {readable(self.bytes_wanted)} with {len(self)} requests of together "
            f"{readable(self.nbytes)}{extra}, {self.concurrency} at once, peak memory {readable(self.peak_bytes)}>"
        )


def plan_read(selection: Selection, traits: StoreTraits, metadata: VoxelsMetadata, concurrency: int) -> Plan:
    """Plan how to read the selected voxels; an empty selection needs nothing."""
    itemsize = metadata.dtype.itemsize
    boxes: list[Box] = []
    cropped = False
    if selection.size:
        whole = aligned(selection.box, traits.read_grid, traits, metadata.bounds)
        parts = [whole] if selection.is_whole else list(touched(selection, whole, traits.read_grid, itemsize))
        cropped = whole != selection.box or selection.form != "box"
        most = _piece_voxels(parts, traits.max_read_bytes, itemsize, concurrency, traits.piece_bytes)
        # a piece thinner than the blocks that are stored would make the server look each of them up several times
        blocks = [b if b % r == 0 else r for b, r in zip(traits.chunks, traits.read_grid, strict=True)]
        layers = [layer for part in parts for layer in cut(part, blocks, most)]
        boxes = [piece for layer in layers for piece in cut(layer, traits.read_grid, most, traits.max_blocks)]
        boxes = boxes if selection.is_whole else [box for box in boxes if selection.within(box) is not None]
    steps = tuple(map(Step, boxes))
    return Plan(False, steps, selection.size, itemsize, concurrency, cropped)


def plan_write(selection: Selection, traits: StoreTraits, metadata: VoxelsMetadata, concurrency: int) -> Plan:
    """Plan how to write the selected voxels: whole blocks straight, others merged with what is stored."""
    itemsize = metadata.dtype.itemsize
    if not selection.size:
        return Plan(True, (), 0, itemsize, concurrency, False)
    box, grid = selection.box, traits.write_grid
    whole = aligned(box, grid, traits, metadata.bounds)
    inner = whole_blocks_in(box, whole, grid) if selection.is_whole else None
    if inner != whole and whole.size * itemsize <= MERGE_WHOLE_BYTES:
        inner = None
    around = list(touched(selection, whole, grid, itemsize) if inner is None else borders(whole, inner))
    straight = [] if inner is None else [inner]
    cells = traits.max_blocks
    most = _piece_voxels([*straight, *around], traits.max_write_bytes, itemsize, concurrency, traits.piece_bytes)
    merged_most = min(most, max(1, traits.max_read_bytes // itemsize))
    steps = [Step(piece) for part in straight for piece in cut(part, grid, most, cells)]
    steps += [Step(piece, merged=True) for part in around for piece in cut(part, grid, merged_most, cells)]
    steps = steps if selection.is_whole else [step for step in steps if selection.within(step.box) is not None]
    return Plan(True, tuple(steps), selection.size, itemsize, concurrency, False)


def _piece_voxels(parts: list[Box], cap: int, itemsize: int, concurrency: int, limits: tuple[int, int]) -> int:
    """Return how many voxels a piece may hold: bytes divided by workers, within limits."""
    total = sum(part.size for part in parts) * itemsize
    lowest, highest = min(limits[0], TOGETHER_BYTES // concurrency), limits[1]
    # on a fast line more requests gain nothing
    piece = total if total <= 2 * lowest else min(max(-(-total // concurrency), lowest), highest)
    return max(1, min(piece, cap) // itemsize)
