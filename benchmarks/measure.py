"""Measuring: interleaved rounds, processor time, peak memory."""

from __future__ import annotations

import multiprocessing
import random
import re
import resource
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import congestion
from benchmarks.contenders import CONTENDERS, Action, Place, Race

SAMPLE_BYTES = 8 << 20
"""What a sample moves at least, so that small boxes are not lost in the noise."""

CLEAR_PEAK = "5"
"""Written to clear_refs it resets the peak of the memory in use."""


@dataclass
class Samples:
    """Seconds of wall clock and of processor for one call, round by round, by contender."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CONTENDERS})
    processor: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CONTENDERS})

    def speed(self, contender: str, nbytes: int) -> float:
        """Return the median throughput, in MB/s."""
        return nbytes / statistics.median(self.seconds[contender]) / 1e6

    def ratio(self, contender: str, other: str) -> float:
        """Return how many times as fast as the other: the median of the ratios within each round."""
        pairs = zip(self.seconds[other], self.seconds[contender], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def processor_per_gb(self, contender: str, nbytes: int) -> float:
        """Return the median of processor seconds in this process for each GB."""
        return statistics.median(self.processor[contender]) / nbytes * 1e9


def run_rounds(race: Race, operation: str, rounds: int) -> Samples:
    """Let every contender do the operation once in each round, in random order."""
    actions = race.actions(operation)
    repeats = max(1, SAMPLE_BYTES // race.voxels.nbytes)
    samples = Samples()
    for action in actions.values():
        _check(race, action)
    for _ in range(rounds):
        for name in random.sample(CONTENDERS, len(CONTENDERS)):
            wall, processor = _time(actions[name], repeats)
            samples.seconds[name].append(wall)
            samples.processor[name].append(processor)
    return samples


def _check(race: Race, action: Action) -> None:
    """Run once without the clock; what is read must be what was written."""
    result = action()
    if result is not None and not np.array_equal(result, race.voxels):
        raise RuntimeError("benchmark: what was read is not what was written")


def _time(action: Action, repeats: int) -> tuple[float, float]:
    began, processor = time.perf_counter(), _processor_seconds()
    for _ in range(repeats):
        action()
    return (time.perf_counter() - began) / repeats, (_processor_seconds() - processor) / repeats


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_over_box(place: Place, shape: tuple[int, ...], operation: str, contender: str) -> float:
    """Return the peak of memory during the operation, in a process of its own, as a multiple of the box.

    What the process holds before, such as the array to write or the one to fill, does not count.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak: float = pool.apply(_peak, (place, shape, operation, contender))
    return peak


def _peak(place: Place, shape: tuple[int, ...], operation: str, contender: str) -> float:
    if congestion.can_pin():
        congestion.pin_urllib3()
    small = Race(place, np.zeros((1, 64, 64, 64), np.uint8, order="F"))
    small.actions("read, new array")[contender]()
    small.close()
    race = Race(place, np.ones(shape, np.uint8, order="F"))
    action = race.actions(operation)[contender]
    Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
    before = _status("VmRSS")
    result = action()
    peak = (_status("VmHWM") - before) / race.voxels.nbytes
    del result
    race.close()
    return peak


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"benchmark: this system does not tell {name}")
    return int(found[1]) * 1024
