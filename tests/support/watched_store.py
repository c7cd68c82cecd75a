"""A store in memory that lists what it is asked, and lets a test step in before each request."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyvolume import Box, RetryPolicy, Volume, VoxelsMetadata
from pyvolume.calls.call import Call
from pyvolume.stores.memory import MemoryStore


class WatchedStore(MemoryStore):
    """A store of a channel-first array, which it takes a copy of.

    Parameters
    ----------
    array : ndarray
    blocks : tuple of int
        One entry per axis behind the channel.
    before : callable, optional
        Called with the method and the box of each request, once that is listed; what it raises, the request raises.
    growable : bool
    **traits
        Replace those of a store in memory.
    """

    def __init__(
        self,
        array: NDArray[Any],
        blocks: tuple[int, ...] | None = None,
        *,
        before: Callable[[str, Box], object] | None = None,
        growable: bool = False,
        **traits: Any,
    ) -> None:
        self.metadata = VoxelsMetadata.of(array.shape, array.dtype)
        self._listing = threading.Lock()
        self.asked: list[tuple[str, Box]] = []
        self.before = before
        copy = np.array(array, order="F")
        blocks = (1,) * (array.ndim - 1) if blocks is None else blocks
        super().__init__(copy, self.metadata, block_shape=blocks, growable=growable)
        self.traits = dataclasses.replace(self.traits, **traits)

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:
        self._note("read", box)
        super().read_box(box, out, call)

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        self._note("write", box)
        super().write_box(box, voxels, call)

    def _note(self, method: str, box: Box) -> None:
        with self._listing:
            self.asked.append((method, box))
        if self.before is not None:
            self.before(method, box)

    @property
    def reads(self) -> list[Box]:
        return [box for method, box in self.asked if method == "read"]

    @property
    def writes(self) -> list[Box]:
        return [box for method, box in self.asked if method == "write"]

    def volume(self, **options: Any) -> Volume:
        return Volume(self, self.metadata, retry=RetryPolicy(patience=0), **options)

    def stored(self) -> NDArray[Any]:
        """Return what the store holds; this is not listed."""
        return self._array
