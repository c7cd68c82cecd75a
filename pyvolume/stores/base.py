"""What a driver implements: stores, which read and write the voxels of volumes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Lanes, Slots
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.scales import Scales

AT_ONCE = (4, 16)
"""How many pieces are read from files at once: at least, and at most."""

SKIP_BYTES = 1 << 20
"""A gap between voxels that are read is worth a request of its own from here: what it saves costs more than asking."""


HELD_BYTES = 128 << 20
"""Memory of requests whose number is learnt, where each takes some."""

FEW = 4
"""So many of them run at once, however much memory they take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTraits:
    """What a store can and cannot do, as data.

    Parameters
    ----------
    write_grid : tuple of int
        Boxes that can be written have their faces on this grid, or on the edge of an axis that cannot grow; one entry
        per axis, channel first.
    read_grid : tuple of int, optional
        The same for boxes that can be read; by default any box can be read.
    max_read_bytes, max_write_bytes : int
        The highest number of bytes in one request.
    max_blocks : int, optional
        The highest number of cells of the grid in one request.
    piece_bytes : tuple of int
        The lowest and the highest size of a piece when a transfer is cut into several requests, in bytes. With the
        lowest, requests do not cost more than bytes; with the highest, a retry repeats little.
    read_cells : tuple of int, optional
        The shape of what is decompressed as a unit, where a piece costs no round trip: already a small read is then
        divided among the threads, and never inside of a cell.
    preferred_concurrency : int, optional
        How many requests to run at once; at most, for a store that is `Paced`. None: no preference. A transfer then
        sends one request at a time, and a copy follows the other side.
    request_chunks : tuple of int, optional
        The shape of what one request reads, where a piece sends one for each of them that it touches. Small boxes of
        few of them are then moved in larger numbers than `preferred_concurrency` says. A write stores whole `chunks`.
    chunks : tuple of int, optional
        The shape of what is stored as a unit; pieces of a transfer share none. By default the write grid.
    writable : bool
        Whether voxels can be written.
    instead : str
        What somebody does who wanted to write voxels that cannot be written; a refusal says it.
    growable : tuple of bool, optional
        Which axes a write can make longer; by default none.
    limits : tuple of (int, int), optional
        The first voxel that the store can address on each axis, and the one behind the last; by default there are no
        limits.
    longest : int, optional
        How many voxels the bounds may have along an axis.
    fill : float, optional
        The value of voxels outside the bounds. None: reading them is an error.
    faithful : bool
        Whether a read returns what is stored. If not (JPEG, a mask), blocks are not merged from it.
    lasting : bool
        Whether the data outlives the process. An array in memory does not.
    immutable : bool
        Whether the voxels are known never to change, as in a committed version; see `never_changes`.
    crash_safe : bool
        Whether finished writes stay readable if the process is killed during a later one. Those of HDF5 do not.
    voxels : str, optional
        Names the voxels for locks, the same in every process and for every store that writes them. By default the
        address without a view.
    """

    write_grid: tuple[int, ...]
    read_grid: tuple[int, ...] = ()
    max_read_bytes: int = 256 << 20
    max_write_bytes: int = 256 << 20
    max_blocks: int | None = None
    piece_bytes: tuple[int, int] = (16 << 20, 64 << 20)
    read_cells: tuple[int, ...] = ()
    preferred_concurrency: int | None = None
    request_chunks: tuple[int, ...] = ()
    chunks: tuple[int, ...] = ()
    writable: bool = True
    instead: str = ""
    growable: tuple[bool, ...] = ()
    limits: tuple[tuple[int, int], ...] = ()
    longest: int | None = None
    fill: float | None = None
    faithful: bool = True
    lasting: bool = True
    immutable: bool = False
    crash_safe: bool = True
    voxels: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "read_grid", self.read_grid or (1,) * len(self.write_grid))
        object.__setattr__(self, "growable", self.growable or (False,) * len(self.write_grid))
        object.__setattr__(self, "chunks", self.chunks or self.write_grid)

    @property
    def concurrency(self) -> int:
        """How many requests a transfer sends at once, at most."""
        return self.preferred_concurrency or 1


def at_once() -> int:
    """Return how many pieces this machine reads from files at once: decompression takes a processor for each."""
    return max(AT_ONCE[0], min(AT_ONCE[1], os.cpu_count() or AT_ONCE[0]))


class VoxelStore(Protocol):
    """What serves the voxels of one volume in one version.

    Boxes are absolute and channel first; arrays are channel first too, in Fortran order where nothing else is said.
    """

    @property
    def traits(self) -> StoreTraits:
        """What this store can do."""

    @property
    def address(self) -> str:
        """The canonical url.

        It names everything that decides about the voxels, for example the full version, the level, a mask.
        Two stores with the same address serve the same voxels. What follows a ``?`` is a view of a volume: writes
        through all views of one volume lock the same boxes, see `StoreTraits.voxels`.
        """

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        """Ask for the present metadata."""

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        """Fill `out` with the voxels of `box`.

        Parameters
        ----------
        box : Box
            On the `read_grid`, not empty.
        out : ndarray, shape ``box.shape``, the volume's dtype, any strides
            Overwritten, also when an error is raised.
        call : Call
            The operation that this request belongs to.

        Raises
        ------
        StoreError
            If the store could not serve the region.
        """

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        """Store `voxels` at `box`.

        Parameters
        ----------
        box : Box
            On the `write_grid`, not empty.
        voxels : ndarray, shape ``box.shape``, any dtype and strides
            Their values fit the volume's dtype: they are cast slab by slab on their way.
        call : Call
            The operation that this request belongs to.

        Raises
        ------
        StoreError
            If the store could not take the region.
        """

    def close(self) -> None:
        """Give back what this store holds open."""


@runtime_checkable
class Completed(Protocol):
    """A store whose own reads do not give what a block is completed with that a write does not fill."""

    @property
    def completed_from(self) -> VoxelStore | None:
        """The store that blocks are completed from, for example the same voxels without a mask; None for this store."""


@runtime_checkable
class Incomplete(Protocol):
    """A store that does not have all its voxels; a copy leaves the others as they are at the destination."""

    def has_voxels(self, box: Box) -> bool:
        """Whether a box has voxels that a copy takes."""


@runtime_checkable
class Part(Protocol):
    """A store that shows a part of its voxels, with fewer axes or from another index on."""

    def in_whole(self, box: Box) -> Box:
        """Return a box of this store among all voxels: writes through all parts lock the same boxes there."""


@runtime_checkable
class Identified(Protocol):
    """A store that can tell what is stored at its address from what takes its place later."""

    def identity(self) -> str:
        """Name what is stored now, without a request; empty if nothing is known.

        Something new at the same address has another identity. A write can change the identity.
        """


class Paced(Protocol):
    """A store that learns how many requests serve it best."""

    @property
    def lanes(self) -> Lanes | None:
        """The slots of its requests; None where their number is fixed."""


@runtime_checkable
class Scaled(Protocol):
    """A store that serves one of the resolution levels of an image."""

    @property
    def scales(self) -> Scales[VoxelStore]:
        """All levels, and which of them this store serves."""


@runtime_checkable
class Derived(Protocol):
    """A store that notes which of its voxels are older than the finer ones that they were made from."""

    def renewed(self, box: Box, call: Call) -> None:
        """Note that a box was made anew."""


def identity_of(store: VoxelStore) -> str:
    """Name what a store has now; its address is all that is known of a store that is not `Identified`."""
    return store.identity() if isinstance(store, Identified) else store.address


@runtime_checkable
class Checkpointed(Protocol):
    """A store whose writes are kept, and seen by others, from a checkpoint on only."""

    @property
    def place(self) -> str:
        """The url at which what is kept is found, the same in every process; a journal names it."""

    def checkpoint(self, note: str, call: Call) -> None:
        """Keep everything that was written; a write that another thread has begun may be kept in part.

        Parameters
        ----------
        note : str
            What was written, for people.
        call : Call
            The operation that asks for it.
        """


@runtime_checkable
class Forking(Protocol):
    """A store that other processes write to through parts of it."""

    def fork(self) -> VoxelStore:
        """Return a store that can be pickled, and whose writes nobody sees before `merge` takes them back.

        A fork of a fork begins as the fork is, and writes for itself.
        """

    def merge(self, fork: Any) -> None:
        """Take over what was written to a fork, which comes from another process."""


@runtime_checkable
class Sparse(Protocol):
    """A store that can say which of its blocks are stored."""

    def stored(self, box: Box, call: Call) -> NDArray[np.bool_]:
        """Return for each chunk that a box touches whether it is stored; an axis for each of the box.

        The box has the size of one request.
        """


@runtime_checkable
class Undecided(Protocol):
    """A store that may have to ask whether its voxels never change."""

    def decide(self) -> None:
        """Ask, if it is not known, and let the traits say it."""


def never_changes(store: VoxelStore) -> bool:
    """Return whether the voxels of a store never change; at most one request, once."""
    if isinstance(store, Undecided):
        store.decide()
    return store.traits.immutable


def lanes_of(store: VoxelStore) -> Lanes | None:
    """Return the slots of the requests of a store, whether their number is learnt or fixed; None if it has none."""
    lanes: Lanes | None = getattr(store, "lanes", None)  # for each request: `isinstance` takes longer
    return lanes


def slots_of(store: VoxelStore, *, write: bool) -> Slots | None:
    """Return the slots of a store that learns how many requests serve it best; None for any other one."""
    lanes = lanes_of(store)
    return lanes.of(write=write) if lanes is not None and lanes.is_learnt else None


def room_of(store: VoxelStore, *, write: bool, nbytes: int = 0, enough: int = 0) -> int:
    """Return how many requests of a transfer run at once now.

    Parameters
    ----------
    store : VoxelStore
        What serves the voxels.
    write : bool
        Whether they write.
    nbytes : int
        The memory that each of them takes. Only a few of them run at once if it is large.
    enough : int
        How many of them fill all slots, where that is more than the traits say.
    """
    lanes, most = lanes_of(store), store.traits.concurrency
    if lanes is None:
        return most
    room = min(max(most, enough), lanes.of(write=write).room)
    return min(room, room_for(nbytes)) if lanes.is_learnt else room


def room_for(nbytes: int) -> int:
    """Return how many requests run at once, at most, that take so much memory each, where their number is learnt."""
    return max(FEW, HELD_BYTES // max(1, nbytes))


def enough_for(slots: Slots, requests: int, nbytes: int) -> int:
    """Return how many pieces fill all slots if each sends so many requests, as far as the bytes of all fit into memory.

    Parameters
    ----------
    slots : Slots
        What the requests hold.
    requests : int
        How many one piece sends.
    nbytes : int
        How many bytes one request moves.
    """
    return min(slots.count // requests, HELD_BYTES // (requests * nbytes))


def completed_from(store: VoxelStore) -> VoxelStore:
    """Return the store that blocks are completed from."""
    return (store.completed_from if isinstance(store, Completed) else None) or store


def in_whole(store: VoxelStore, box: Box) -> Box:
    """Return a box of a store among all voxels that it shows a part of."""
    return store.in_whole(box) if isinstance(store, Part) else box
