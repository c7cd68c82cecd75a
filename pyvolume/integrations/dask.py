"""Volumes as arrays of dask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias
from uuid import uuid4

import numpy as np

from pyvolume.errors import SelectionError
from pyvolume.indexing.boxed import BoxVoxels
from pyvolume.integrations.chunks import CHUNK_BYTES, Chunks, chunk_shape, chunks_of
from pyvolume.model.box import Box
from pyvolume.model.extras import require
from pyvolume.stores.base import identity_of
from pyvolume.transfer.checks import check_inside, checked_shape
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.grid import unit_grid

if TYPE_CHECKING:
    from dask.array import Array

ChunksLike: TypeAlias = "str | int | Sequence[int]"
"""``"auto"``, a size such as ``"128 MiB"``, or the lengths along all axes, of which -1 is the whole axis."""


def lazy_array(transfer: Transfer, box: Box, chunks: ChunksLike = "auto") -> Array:
    """Return the voxels of a box as an array of dask, see `Volume.to_dask`."""
    array = require("dask.array", extra="dask", action="to_dask")
    check_inside(box, transfer.metadata, transfer.store.traits, growing=False)
    lengths, dtype = chunks_for(transfer, box, chunks), transfer.metadata.dtype
    # getters of dask are joined with the slices behind them, which other functions are not
    return array.from_array(  # type: ignore[no-any-return]
        BoxVoxels(box, dtype, transfer.read),
        chunks=lengths,
        name=f"pyvolume-{_token(transfer, box, lengths)}",
        meta=np.empty((0,) * box.ndim, dtype),
        inline_array=True,
    )


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
    if not store.traits.immutable:
        return uuid4().hex
    tokenize = require("dask.base", extra="dask", action="to_dask").tokenize
    return str(tokenize(store.address, identity_of(store), box.start, lengths, transfer.metadata.dtype.str))
