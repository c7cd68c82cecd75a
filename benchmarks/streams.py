"""Voxels that are moved for so many seconds, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

import pyvolume

DRAWN = 1000
"""Places that are drawn at a time: drawing each one alone would take longer than a part of a request."""

Corners = tuple[tuple[int, ...], tuple[int, ...]]

Action = Callable[[pyvolume.Volume, float], float]
"""Moves voxels for so many seconds, and returns bytes per second."""


def repeated(move: Callable[[], int], seconds: float) -> float:
    """Do something again and again that returns how many bytes it has moved, and return bytes per second."""
    began, total = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        total += move()
    return total / (time.perf_counter() - began)


def whole(volume: pyvolume.Volume, seconds: float) -> float:
    """Read the whole volume, into the same memory each time."""
    out = np.empty(volume.shape, volume.dtype, order="F")
    return repeated(lambda: volume.get_ndarray(volume.bounds.start, volume.bounds.stop, out=out).nbytes, seconds)


def scattered(volume: pyvolume.Volume, boxes: Iterator[Corners]) -> float:
    """Read boxes, several at once."""
    began = time.perf_counter()
    total = sum(voxels.nbytes for _, voxels in volume.read_many(boxes, ordered=False))
    return total / (time.perf_counter() - began)


def boxes_at_random(edge: int, side: int, seconds: float, grid: int = 1) -> Iterator[Corners]:
    """Give cubes on a grid, at random places in a larger cube, for so many seconds."""
    places = np.random.default_rng(0)
    end = time.perf_counter() + seconds
    while True:
        for start in (grid * places.integers(0, (edge - side) // grid + 1, (DRAWN, 3))).tolist():
            if time.perf_counter() >= end:
                return
            yield (0, *start), (1, *(n + side for n in start))
