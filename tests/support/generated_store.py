"""A store of 64 GiB or more that makes its voxels when they are asked for, and lists what it is asked."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume import Box, RetryPolicy, Volume, VoxelsMetadata
from pyvolume.calls.call import Call
from pyvolume.stores.base import StoreTraits

SIDE = 4096
SHAPE = (1, SIDE, SIDE, SIDE)
PLANE_BYTES = SIDE * SIDE


def generated(box: Box, out: NDArray[Any]) -> None:
    """Fill `out` with voxels that are all even and follow from their coordinates."""
    x, y, z = (
        (np.arange(low, high) * factor).astype(np.uint8)
        for low, high, factor in zip(box.start[1:], box.stop[1:], (2, 6, 14), strict=True)
    )
    np.add(x[:, None, None], (y[:, None] + z)[None], out=out[0])


def expected_at(x: Any, y: Any, z: Any) -> NDArray[np.uint8]:
    """Return the voxels at coordinates that are broadcast against each other."""
    return np.asarray(x * 2 + y * 6 + z * 14).astype(np.uint8)


class GeneratedStore:
    """Voxels of (1, side, side, side); what is written is compared with them, and what differs is kept."""

    address = "generated://"

    def __init__(self, concurrency: int = 1, side: int = SIDE) -> None:
        self.traits = StoreTraits(
            write_grid=(1, 64, 64, 64),
            preferred_concurrency=concurrency,
        )
        self.metadata = VoxelsMetadata.of((1, side, side, side), "uint8")
        self.asked: list[tuple[str, Box]] = []
        self.changed: dict[tuple[int, ...], int] = {}
        self._lock = threading.Lock()

    def read_metadata(self, call: Call) -> VoxelsMetadata:
        return self.metadata

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        with self._lock:
            self.asked.append(("read", box))
        generated(box, out)

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        with self._lock:
            self.asked.append(("write", box))
        for plane in box.split(3, 1):
            unchanged = np.empty(plane.shape, np.uint8, order="F")
            generated(plane, unchanged)
            given = voxels[plane.slices_from(box.start)]
            places = np.argwhere(given != unchanged)
            with self._lock:
                for place in places:
                    self.changed[tuple((place + plane.start).tolist())] = int(given[tuple(place)])

    def close(self) -> None:
        """Nothing is held open."""

    def volume(self) -> Volume:
        return Volume(self, self.metadata, retry=RetryPolicy(patience=0))
