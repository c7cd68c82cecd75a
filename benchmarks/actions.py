"""What a contender does for a row, once and as often as one sample needs."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.contenders.base import Contender, Corner, Voxels
from benchmarks.layout import noise
from benchmarks.rows import MANY, Row
from benchmarks.servers.files import EDGE

RANDOM_READS = 1000

SAMPLE_BYTES = 32 << 20
"""What a sample moves at least where many small boxes fit into it."""

MOST_REPEATS = 256


class Work:
    """A row, ready to be done by one contender.

    Parameters
    ----------
    row : Row
    contender : Contender
    root : Path
        Holds the noise.
    """

    def __init__(self, row: Row, contender: Contender, root: Path) -> None:
        self._row = row
        self._contender = contender
        self._noise = noise(root)
        self._starts: Iterator[Corner] = itertools.cycle(
            _random_starts(row.shape) if row.action in ("random reads", "many reads") else [row.start]
        )
        self._out: Voxels | None = None
        self._source: Voxels | None = None
        if row.writes:
            self._source = _source(row, self._voxels(row.start), contender.order)
        elif "into" in row.action:
            self._out = np.zeros(row.shape, np.uint8, order="F")
        self.once: Callable[[], Voxels | None] = self._write if row.writes else self._read
        if row.action == "many reads":
            self.once = self._read_many

    @property
    def repeats(self) -> int:
        """How often it is done in one sample."""
        if self._row.action == "random reads":
            return RANDOM_READS
        return max(1, min(SAMPLE_BYTES // self._row.nbytes, MOST_REPEATS))

    def check(self) -> None:
        """Do it once; what is read, or read back, must be right."""
        start = next(self._starts)
        self._starts = itertools.chain([start], self._starts)
        found = self.once()
        if found is None and not self._row.canned:
            found = self._contender.read(start, self._row.shape)
        if found is not None and not np.array_equal(found, self._voxels(start)):
            raise RuntimeError("what was read is not what is stored")

    @contextlib.contextmanager
    def surroundings(self) -> Iterator[None]:
        """Keep another thread busy with Python, where the row wants that."""
        if "busy" not in self._row.action:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=_be_busy, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _read(self) -> Voxels:
        start = next(self._starts)
        if self._out is None:
            return self._contender.read(start, self._row.shape)
        self._contender.read_into(start, self._out)
        return self._out

    def _read_many(self) -> Voxels:
        return self._contender.read_many(list(itertools.islice(self._starts, MANY)), self._row.shape)[0]

    def _write(self) -> None:
        assert self._source is not None
        self._contender.write(self._row.start, self._source)

    def _voxels(self, start: Corner) -> Voxels:
        """Return what belongs into a box."""
        if self._row.canned:
            flat: Any = self._noise.reshape(-1, order="F")[: self._row.nbytes]
            voxels: Voxels = flat.reshape(self._row.shape, order="F")
            return voxels
        return self._noise[tuple(slice(a, a + n) for a, n in zip(start, self._row.shape, strict=True))]


def _source(row: Row, voxels: Voxels, order: Literal["F", "C"]) -> Voxels:
    """Put what is written into memory, in the order that the row wants, or else the contender."""
    if row.action == "write slice":
        larger = np.zeros((EDGE,) * 3, np.uint8, order="F")
        inside = larger[tuple(slice(0, n) for n in row.shape)]
        inside[...] = voxels
        return inside
    return np.array(voxels, order="C" if row.action == "write C" else order)


def _random_starts(shape: Corner) -> list[Corner]:
    """Return the same corners for everyone; nearly none is aligned to anything."""
    found = np.random.default_rng(1).integers(0, EDGE - np.array(shape), (RANDOM_READS, 3))
    return [(int(x), int(y), int(z)) for x, y, z in found]


def _be_busy(over: threading.Event) -> None:
    count = 0
    while not over.is_set():
        for _ in range(1000):
            count += 1
