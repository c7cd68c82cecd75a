"""Volumes as arrays of dask."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from pyvolume.errors import SelectionError, VoxelsMismatchError
from pyvolume.indexing.boxed import BoxVoxels
from pyvolume.indexing.selection import Selection
from pyvolume.integrations.chunks import CHUNK_BYTES, Chunks, chunk_shape, chunks_of, merged
from pyvolume.integrations.sharing import Shared
from pyvolume.model.arguments import brief, one_of
from pyvolume.model.box import Box
from pyvolume.model.extras import require
from pyvolume.stores.base import identity_of, never_changes
from pyvolume.transfer.casting import castable
from pyvolume.transfer.checks import check_inside, checked_shape
from pyvolume.transfer.engine import Operation, Transfer
from pyvolume.transfer.grid import aligned, unit_grid
from pyvolume.transfer.receipts import keeping, kept_by

if TYPE_CHECKING:
    from dask.array import Array

ChunksLike: TypeAlias = "str | int | Sequence[int]"
"""``"auto"``, a size such as ``"128 MiB"``, or the lengths along all axes, of which -1 is the whole axis."""


def lazy_array(transfer: Transfer, box: Box, chunks: ChunksLike = "auto", order: Literal["C", "F"] = "C") -> Array:
    """Return the voxels of a box as an array of dask, see `Volume.to_dask`."""
    one_of(order, ("C", "F"), "to_dask", "order")
    array = require("dask.array", extra="dask", action="to_dask")
    check_inside(box, transfer.metadata, transfer.store.traits, growing=False)
    lengths, dtype = chunks_for(transfer, box, chunks), transfer.metadata.dtype
    # getters of dask are joined with the slices behind them, which other functions are not
    return array.from_array(  # type: ignore[no-any-return]
        BoxVoxels(box, dtype, functools.partial(_read, Shared(transfer, keepers=keeping.get()), order=order)),
        chunks=lengths,
        name=f"pyvolume-{order}-{_token(transfer, box, lengths)}",
        meta=np.empty((0,) * box.ndim, dtype),
        inline_array=True,
    )


def _read(shared: Shared[Transfer], selection: Selection, order: Literal["C", "F"]) -> Any:
    if not shared.keepers:
        return shared.value.read(selection, order=order)
    with kept_by(shared.keepers):
        return shared.value.read(selection, order=order)


def chunks_for(transfer: Transfer, box: Box, chunks: ChunksLike) -> Chunks:
    """Return the lengths of the chunks along each axis, which cut no block.

    Raises
    ------
    SelectionError
        For chunks of no length, or of other axes.
    """
    metadata, grid = transfer.metadata, unit_grid(transfer.store.traits)
    if isinstance(chunks, str):
        nbytes = CHUNK_BYTES if chunks == "auto" else _parsed(chunks)
        return chunks_of(box, chunk_shape(box, grid, nbytes // metadata.dtype.itemsize), grid)
    given: Any = (chunks,) * box.ndim if isinstance(chunks, SupportsIndex) else chunks
    if isinstance(given, Sequence) and len(given) == box.ndim:
        whole = box.aligned_to(grid).shape
        given = [max(1, n) if side == -1 else side for side, n in zip(given, whole, strict=True)]
    return chunks_of(box, checked_shape(given, metadata), grid)


def _parsed(size: str) -> int:
    """Return the number of bytes that a text says."""
    try:
        return int(require("dask.utils", extra="dask", action="to_dask").parse_bytes(size))
    except ValueError:
        raise SelectionError(
            f"chunks: expected 'auto', a size such as '128 MiB', or a length for each axis, and found {size!r}"
        ) from None


def _token(transfer: Transfer, box: Box, lengths: Chunks) -> str:
    """Name the voxels; where they can change, each array has a name of its own."""
    store = transfer.store
    if not never_changes(store):
        return uuid4().hex
    tokenize = require("dask.base", extra="dask", action="to_dask").tokenize
    return str(tokenize(store.address, identity_of(store), box.start, lengths, transfer.metadata.dtype.str))


class StoredVoxels(BoxVoxels):
    """The voxels of a box as an array-like that dask stores into, chunk by chunk.

    Parameters
    ----------
    box : Box
        Which voxels.
    transfer : Transfer
        Writes them.
    """

    def __init__(self, box: Box, transfer: Transfer) -> None:
        self._shared = Shared(transfer, keepers=keeping.get())
        super().__init__(box, transfer.metadata.dtype, functools.partial(_read, self._shared, order="C"))

    def __setitem__(self, key: object, voxels: NDArray[Any]) -> None:
        # no other task writes blocks of this one, so that merging needs no warning in another process
        own = dataclasses.replace(self._shared.value, process=os.getpid())
        box = Selection.of_indices(key, self.box).as_box()
        with kept_by(self._shared.keepers):
            own.post(box, voxels, Operation(own.begin(), progress=False))

    def __dask_tokenize__(self) -> str:
        # dask must not take the result of an earlier write for this one
        return uuid4().hex


def stored_array(transfer: Transfer, given: object, box: Box | None, *, compute: bool, return_stored: bool) -> Any:
    """Write an array of dask, see `Volume.from_dask`."""
    array = require("dask.array", extra="dask", action="from_dask")
    if not isinstance(given, array.Array):
        raise TypeError(f"from_dask: expected an array of dask and found {brief(given)}; write takes any array")
    lazy: Any = given
    box = _place_of(transfer, lazy, box)
    traits, grid = transfer.store.traits, unit_grid(transfer.store.traits)
    transfer.check_writable("write voxels")
    check_inside(box, transfer.metadata, traits, growing=True)
    castable(np.empty(0, lazy.dtype), transfer.metadata.dtype, transfer.casting)
    if (whole := aligned(box, traits.write_grid, traits, transfer.metadata.bounds)) != box:
        transfer.check_may_merge(Selection.of_box(box), whole)
    chunks = merged(lazy.chunks, box, grid)
    if _largest(chunks) > max(CHUNK_BYTES // lazy.dtype.itemsize, _largest(lazy.chunks)):
        chunks = chunks_of(box, chunk_shape(box, grid, CHUNK_BYTES // lazy.dtype.itemsize), grid)
    target = StoredVoxels(box, transfer)
    stored = array.store(lazy.rechunk(chunks), target, lock=False, compute=compute, return_stored=return_stored)
    if compute and not transfer.metadata.bounds.contains(box):  # other processes have made the volume larger
        transfer.refresh()
    return stored


def _place_of(transfer: Transfer, array: Any, box: Box | None) -> Box:
    """Return the box that an array is written to: by default the bounds, or the place from index 0 on.

    Raises
    ------
    VoxelsMismatchError
        If the array has another shape.
    """
    bounds = transfer.metadata.bounds
    if box is None:
        box = bounds if any(bounds.shape[1:]) or np.isnan(array.shape).any() else Box((0,) * array.ndim, array.shape)
    if array.shape != box.shape:
        raise VoxelsMismatchError(
            f"write voxels: expected an array of shape {box.shape} for {box} and found {array.shape}; "
            "box= is the place of another array"
        )
    return box


def _largest(chunks: Chunks) -> int:
    """Return how many voxels the largest chunk has."""
    return math.prod(max(lengths) for lengths in chunks)
