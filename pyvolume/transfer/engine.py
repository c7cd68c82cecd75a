"""Transfers: move a box between an array and a store, piece by piece."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pyvolume.box import Box
from pyvolume.errors import AlignmentError, StoreError
from pyvolume.locks import BoxLocks
from pyvolume.metadata import VoxelsMetadata
from pyvolume.store import VoxelStore
from pyvolume.transfer.plan import aligned, cut, read_pieces, write_pieces
from pyvolume.transport.call import Call

CROPPED_PIECE_BYTES = 16 << 20
"""What is held in memory of a box that is read with more around it than was asked for."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What moves the voxels of one volume.

    Parameters
    ----------
    store : VoxelStore
    locks : BoxLocks
        Shared by everything that writes through the same connection.
    merges : bool
        Whether a box that is not made of whole blocks may be completed with what is stored.
    """

    store: VoxelStore
    locks: BoxLocks
    merges: bool

    def read(self, box: Box, out: NDArray[Any], metadata: VoxelsMetadata, call: Call) -> None:
        """Fill `out` with the voxels of `box`; an empty box asks for nothing."""
        if box.size == 0:
            return
        traits = self.store.traits
        pieces = read_pieces(box, traits, metadata.bounds, out.dtype.itemsize)
        if aligned(box, traits.read_grid, traits, metadata.bounds) != box:
            most = CROPPED_PIECE_BYTES // out.dtype.itemsize
            pieces = [part for piece in pieces for part in cut(piece, traits.read_grid, most)]

        def read_piece(piece: Box) -> None:
            wanted = piece.intersection(box)
            if wanted == piece:
                self.store.read_box(piece, out[piece.slices_from(box.start)], call)
            elif wanted is not None:
                around = np.empty(piece.shape, out.dtype, order="F")
                self.store.read_box(piece, around, call)
                out[wanted.slices_from(box.start)] = around[wanted.slices_from(piece.start)]

        _for_each(pieces, read_piece)

    def write(self, box: Box, voxels: NDArray[Any], metadata: VoxelsMetadata, call: Call) -> Box:
        """Store `voxels` at `box`: whole blocks straight, border blocks merged with what is stored.

        Returns
        -------
        Box
            What was sent: the smallest box of whole blocks around `box`.

        Raises
        ------
        AlignmentError
            If the box is not made of whole blocks and nothing may be merged.
        """
        pieces = write_pieces(box, self.store.traits, metadata.bounds, metadata.dtype.itemsize)
        merged = {piece.box for piece in pieces if piece.merged}

        def write_piece(piece: Box) -> None:
            if piece not in merged:
                self.store.write_box(piece, voxels[piece.slices_from(box.start)], call)
                return
            blocks = np.empty(piece.shape, metadata.dtype, order="F")
            self.read(piece, blocks, metadata, call)
            new = cast("Box", piece.intersection(box))  # each piece touches the box
            place = blocks[new.slices_from(piece.start)]
            np.copyto(place, voxels[new.slices_from(box.start)], casting="unsafe")
            self.store.write_box(piece, blocks, call)

        with self._holding(box, metadata) as whole:
            if whole != box:
                self._check_may_merge(f"{box} is not aligned", whole)
            _for_each([piece.box for piece in pieces], write_piece)
        return whole

    def write_selected(
        self, box: Box, local: tuple[Any, ...], values: NDArray[Any], metadata: VoxelsMetadata, *, call: Call
    ) -> Box:
        """Store values at voxels that do not fill a box: read the blocks around them, assign, store them.

        Parameters
        ----------
        box : Box
            Around the voxels.
        local : tuple
            The key of the voxels in the array of that box.
        values : ndarray
            Of the shape that the key gives.
        metadata : VoxelsMetadata
        call : Call

        Returns
        -------
        Box
            What was sent.
        """
        with self._holding(box, metadata) as whole:
            self._check_may_merge("the selected voxels do not fill whole blocks", whole)
            blocks = np.empty(whole.shape, metadata.dtype, order="F")
            self.read(whole, blocks, metadata, call)
            blocks[box.slices_from(whole.start)][local] = values.astype(metadata.dtype, copy=False)
            pieces = write_pieces(whole, self.store.traits, metadata.bounds, metadata.dtype.itemsize)
            _for_each(
                [piece.box for piece in pieces],
                lambda piece: self.store.write_box(piece, blocks[piece.slices_from(whole.start)], call),
            )
        return whole

    @contextlib.contextmanager
    def _holding(self, box: Box, metadata: VoxelsMetadata) -> Iterator[Box]:
        """Hold the blocks that a write touches, and give their box."""
        traits = self.store.traits
        whole = aligned(box, traits.write_grid, traits, metadata.bounds)
        with self.locks.holding(self.store.address, whole):
            yield whole

    def _check_may_merge(self, found: str, nearest: Box) -> None:
        if self.store.traits.lossy:
            why = "what is read from this store is not what is stored, so nothing can be merged"
        elif not self.merges:
            why = "blocks are not merged here"
        else:
            return
        grid = self.store.traits.write_grid
        raise AlignmentError(
            f"write voxels of {self.store.address}: whole blocks of {grid} only, because {why}; "
            f"{found}, the nearest aligned box is {nearest}",
            nearest=nearest,
        )


def _for_each(pieces: Sequence[Box], move: Callable[[Box], None]) -> None:
    """Move the pieces one after the other; what fails says which ones did not arrive."""
    for i, piece in enumerate(pieces):
        try:
            move(piece)
        except StoreError as error:
            error.with_facts(remaining=tuple(pieces[i:]))
            raise
