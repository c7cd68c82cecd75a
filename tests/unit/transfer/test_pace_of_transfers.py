"""What a connection that learns reaches of the best fixed number, with the pieces that are planned meanwhile.

A simulated line shares its bytes between the requests that are under way. A volume is read again and again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from pyvolume.calls.holds import MOST, Slots
from pyvolume.calls.pace import LADDER, Mark
from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits
from pyvolume.transfer.plan import plan_read

MB = 1e6
BOUNDS = Box((0, 0, 0, 0), (1, 512, 512, 512))
METADATA = VoxelsMetadata(BOUNDS, np.dtype("uint8"), ("c", "x", "y", "z"), (8.0,) * 3, ("nanometers",) * 3, (None,) * 4)
TRAITS = StoreTraits(write_grid=(1, 64, 64, 64))
FIXED_SECONDS, LEARNING_SECONDS = 3.0, 8.0
PROCESSORS = 4

MEASURED = tuple(MB * each for each in (2850, 3445, 3172, 2484, 1871, 1535, 1011))
"""Bytes per second of a client and a server on two processors with 1, 2, 4 to 64 requests: many take time."""


def measured(requests: int) -> float:
    return float(np.interp(math.log2(requests), range(len(MEASURED)), MEASURED))


@dataclass(frozen=True)
class Line:
    """A line, and the server behind it.

    Parameters
    ----------
    latency : float
        Seconds before the first byte of an answer, and for a new connection.
    total : callable
        Bytes per second by how many answers are arriving.
    each : float
        Bytes per second of one answer, at most.
    work : float
        Seconds for which a request takes one of four processors before the first byte of its answer.
    """

    latency: float = 0.0003
    total: Callable[[int], float] = measured
    each: float = math.inf
    work: float = 0.0


@dataclass
class Arriving:
    """An answer on its way."""

    begins: float
    left: float
    nbytes: int
    mark: Mark | None


@dataclass
class Simulation:
    """Transfers over a line, one after the other."""

    line: Line
    slots: Slots
    now: float = 0.0
    _opened: int = 0
    _noise: random.Random = field(default_factory=lambda: random.Random(1))
    _free: list[float] = field(default_factory=lambda: [0.0] * PROCESSORS)

    def run(self, seconds: float) -> float:
        """Read the volume again and again for so long, and return bytes per second."""
        began, moved = self.now, 0
        while self.now < began + seconds:
            moved += self._transfer()
        return moved / (self.now - began)

    def _transfer(self) -> int:
        pace = self.slots.pace
        learnt = None if pace is None else self.slots
        plan = plan_read(Selection.of_box(BOUNDS), TRAITS, METADATA, self.slots.count, learnt)
        waiting = [request.nbytes for request in plan]
        under_way: list[Arriving] = []
        while waiting or under_way:
            while waiting and len(under_way) < self.slots.room:
                nbytes = waiting.pop()
                mark = None if pace is None else pace.begin(self.now, len(under_way) + 1)
                left = nbytes * self._noise.uniform(0.97, 1.03)
                under_way.append(Arriving(self._first_byte(len(under_way) + 1), left, nbytes, mark))
            self._advance(under_way)
            for each in [each for each in under_way if each.left < 1]:
                under_way.remove(each)
                if pace is not None and each.mark is not None:
                    pace.end(each.mark, each.nbytes, self.now, len(under_way))
        return sum(request.nbytes for request in plan)

    def _first_byte(self, count: int) -> float:
        """Return when the first byte of an answer arrives."""
        at = self.now + self.line.latency * self._noise.uniform(0.97, 1.1)
        if count > self._opened:
            self._opened = count
            at += self.line.latency
        if self.line.work:
            first = min(range(PROCESSORS), key=self._free.__getitem__)
            at = self._free[first] = max(at, self._free[first]) + self.line.work
        return at

    def _advance(self, under_way: list[Arriving]) -> None:
        """Go on until an answer begins to arrive, or has arrived."""
        arriving = [each for each in under_way if each.begins <= self.now]
        steps = [each.begins - self.now for each in under_way if each.begins > self.now]
        rate = min(self.line.each, self.line.total(len(arriving)) / len(arriving)) if arriving else 0.0
        steps += [each.left / rate for each in arriving]
        step = max(min(steps), 1e-9)
        for each in arriving:
            each.left -= rate * step
        self.now += step


LINES = {
    "fast": (Line(), 0.9),
    "latent": (Line(latency=0.02), 0.8),
    "limited per connection": (Line(each=50 * MB), 0.8),
    "far": (Line(latency=0.1, each=10 * MB), 0.7),
    "limited in total": (Line(total=lambda _: 125 * MB), 0.95),
    "loaded": (Line(latency=0.02, work=0.02), 0.8),
}
"""Lines, and what a new connection reaches of the best fixed number within `LEARNING_SECONDS`."""


@pytest.mark.parametrize("name", LINES)
def test_a_new_connection_soon_reaches_the_best_fixed_number(name: str) -> None:
    line, cold = LINES[name]
    best = max(Simulation(line, Slots(number)).run(FIXED_SECONDS) for number in LADDER)
    learning = Simulation(line, Slots(MOST, is_learnt=True))
    assert learning.run(LEARNING_SECONDS) > cold * best
    assert learning.run(LEARNING_SECONDS) > 0.93 * best
