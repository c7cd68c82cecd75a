"""Room: how many boxes are moved at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pyvolume.model.box import Box
from pyvolume.stores.base import VoxelStore, enough_for, lanes_of, room_of
from pyvolume.transfer.grid import cells_in


@dataclass(slots=True)
class Room:
    """How many boxes are moved at once now: fewer if one of them was large, more if all of them touch few chunks.

    Parameters
    ----------
    store : VoxelStore
        What serves the voxels.
    write : bool
        Whether they are written.
    itemsize : int
        Of a voxel, in bytes.
    """

    store: VoxelStore
    write: bool
    itemsize: int
    _largest: int = field(default=0, init=False)
    _touched: int = field(default=0, init=False)

    def add(self, box: Box) -> int:
        """Take note of a box, and return its size in bytes."""
        nbytes = box.size * self.itemsize
        self._largest = max(self._largest, nbytes)
        chunk = self._chunk()
        if len(chunk) == len(box.shape):  # one with other axes is refused when it is moved
            self._touched = max(self._touched, cells_in(box, chunk))
        return nbytes

    def __call__(self) -> int:
        return room_of(self.store, write=self.write, nbytes=self._largest, enough=self._enough())

    def _chunk(self) -> tuple[int, ...]:
        """Return the shape of what one request moves; empty where a box takes one request."""
        traits = self.store.traits
        return traits.chunks if self.write and traits.request_chunks else traits.request_chunks

    def _enough(self) -> int:
        """Return how many boxes fill all slots by the requests for their chunks, if all these fit into memory."""
        lanes = lanes_of(self.store)
        if lanes is None or not self._touched:
            return 0
        return enough_for(lanes.of(write=self.write), self._touched, math.prod(self._chunk()) * self.itemsize)
