"""Spare memory: pieces use it one after the other."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Spare:
    """Arrays for the pieces of a copy, used by several threads. Of freed arrays the allocator keeps as much again."""

    def __init__(self) -> None:
        self._free: deque[NDArray[np.uint8]] = deque()

    @contextlib.contextmanager
    def array(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
        """Lend an array of any content, in Fortran order."""
        nbytes = math.prod(shape) * dtype.itemsize
        try:
            memory = self._free.pop()
        except IndexError:
            memory = np.empty(0, np.uint8)
        if memory.size < nbytes:
            memory = np.empty(nbytes, np.uint8)
        try:
            yield memory[:nbytes].view(dtype).reshape(shape, order="F")
        finally:
            self._free.append(memory)

    def clear(self) -> None:
        """Let go of all arrays that are not lent."""
        self._free.clear()
