"""Two ways to do one thing, which take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Compared(NamedTuple):
    """What two ways took: the median of the ratios of their seconds, the medians of the seconds.

    `processor` is the median of the ratios of the seconds of the processor, which a busy machine changes less.
    """

    ratio: float
    first: float
    second: float
    processor: float


def compared(first: Callable[[], object], second: Callable[[], object], rounds: int) -> Compared:
    """Measure both ways several times, in turns; a round more warms up."""
    found: list[tuple[float, float]] = []
    processor: list[float] = []
    for number in range(rounds + 1):
        order = (first, second) if number % 2 else (second, first)
        taken = {action: _seconds_of(action) for action in order}
        if number:
            (clock, own), (other_clock, other_own) = taken[first], taken[second]
            found.append((clock, other_clock))
            processor.append(own / other_own)
    ratio = statistics.median(a / b for a, b in found)
    one, other = (statistics.median(each) for each in zip(*found, strict=True))
    return Compared(ratio, one, other, statistics.median(processor))


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    return _seconds_of(action)[0]


def _seconds_of(action: Callable[[], object]) -> tuple[float, float]:
    """Return how long an action takes: by the clock, and of the processor."""
    began = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - began[0], max(time.process_time() - began[1], 1e-9)


def print_speeds(name: str, nbytes: int, ways: tuple[Callable[[], object], Callable[[], object]], rounds: int) -> None:
    """Print how fast both are, and the ratio of pyvolume's speed to that of the other; by the clock, by processor."""
    found = compared(*ways, rounds)
    speeds = [nbytes / 1e6 / seconds for seconds in (found.first, found.second)]
    print(f"{name:34} {speeds[0]:12.0f} {speeds[1]:15.0f} {found.ratio:6.2f} {found.processor:6.2f}", flush=True)
