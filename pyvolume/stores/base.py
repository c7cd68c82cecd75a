"""The seam between volumes and the stores that serve them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from pyvolume.calls.call import Call
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata


@dataclass(frozen=True, slots=True)
class StoreTraits:
    """What a store can and cannot do, as data.

    Parameters
    ----------
    read_grid, write_grid : tuple of int
        Boxes that can be read and written have their faces on this grid, or on the edge of an axis that cannot
        grow; one entry per axis, channel first.
    max_read_bytes, max_write_bytes : int
        The most that one request should carry.
    writable : bool
    growable : tuple of bool
        Which axes can grow by a write.
    lossy : bool
        Whether what is read may differ from what was written; then blocks are not merged.
    outside : "zeros" or "error"
        What a read outside the bounds gives.
    preferred_concurrency : int
        How many requests to have under way at once.
    """

    read_grid: tuple[int, ...]
    write_grid: tuple[int, ...]
    max_read_bytes: int
    max_write_bytes: int
    writable: bool
    growable: tuple[bool, ...]
    lossy: bool
    outside: Literal["zeros", "error"]
    preferred_concurrency: int = 1


class VoxelStore(Protocol):
    """What serves the voxels of one volume in one version.

    Boxes are absolute and channel first; arrays are channel first too, in Fortran order where nothing else is said.
    """

    @property
    def traits(self) -> StoreTraits:
        """What this store can do."""

    @property
    def address(self) -> str:
        """The canonical url; of a versioned store with the full version."""

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

        Raises
        ------
        StoreError
            If the store could not take the region.
        """

    def close(self) -> None:
        """Give back what this store holds open."""
