"""Two ways to do one thing, which take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Compared(NamedTuple):
    """What two ways took: the median of the ratios of their seconds, and the medians of the seconds."""

    ratio: float
    first: float
    second: float


def compared(first: Callable[[], object], second: Callable[[], object], rounds: int) -> Compared:
    """Measure both ways several times, in turns; a round more warms up."""
    found: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        order = (first, second) if number % 2 else (second, first)
        taken = {action: seconds_of(action) for action in order}
        if number:
            found.append((taken[first], taken[second]))
    ratio = statistics.median(a / b for a, b in found)
    return Compared(ratio, *(statistics.median(each) for each in zip(*found, strict=True)))


def seconds_of(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def print_speeds(name: str, nbytes: int, ways: tuple[Callable[[], object], Callable[[], object]], rounds: int) -> None:
    """Print how fast both are, and the ratio of pyvolume's speed to that of the other."""
    found = compared(*ways, rounds)
    speeds = [nbytes / 1e6 / seconds for seconds in (found.first, found.second)]
    print(f"{name:34} {speeds[0]:12.0f} {speeds[1]:15.0f} {found.ratio:6.2f}", flush=True)
