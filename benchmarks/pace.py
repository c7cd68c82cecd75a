"""``python -m benchmarks.pace``: what ``concurrency="auto"`` reaches of the best fixed number, line by line."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import pyvolume
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import proxy_to, running
from pyvolume.calls.holds import AUTO, Concurrency

EDGE, SMALL = 512, 64
FIXED = (1, 2, 4, 8, 16, 32, 64)
SECONDS, ROUNDS = 5.0, 3
MB = 1e6

Action = Callable[[pyvolume.Volume, float], float]
"""Moves voxels for so many seconds, and returns bytes per second."""


@dataclass(frozen=True)
class Case:
    """What is measured: an action, and the line that it uses."""

    title: str
    line: Line
    action: Action


def _whole(volume: pyvolume.Volume, seconds: float) -> float:
    out = np.empty(volume.shape, volume.dtype, order="F")
    return _repeated(lambda: volume.get_ndarray(volume.bounds.start, volume.bounds.stop, out=out).nbytes, seconds)


def _written(volume: pyvolume.Volume, seconds: float) -> float:
    array = np.zeros(volume.shape, volume.dtype, order="F")

    def write() -> int:
        volume.write(volume.bounds, array)
        return array.nbytes

    return _repeated(write, seconds)


def _scattered(volume: pyvolume.Volume, seconds: float) -> float:
    """Read boxes at random, several at once."""
    places = np.random.default_rng(0)
    end = time.perf_counter() + seconds

    def boxes() -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        while time.perf_counter() < end:
            start = places.integers(0, EDGE - SMALL, 3).tolist()
            yield (0, *start), (1, *(n + SMALL for n in start))

    began = time.perf_counter()
    total = sum(voxels.nbytes for _, voxels in volume.read_many(boxes(), ordered=False))
    return total / (time.perf_counter() - began)


def _repeated(move: Callable[[], int], seconds: float) -> float:
    began, total = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        total += move()
    return total / (time.perf_counter() - began)


CASES = {
    "plain": Case("512³ read", Line(), _whole),
    "write": Case("512³ write", Line(), _written),
    "latency": Case("512³ read, 20 ms", Line(latency=0.02), _whole),
    "limit": Case("512³ read, 50 MB/s per connection", Line(per_connection=50 * MB), _whole),
    "far": Case("512³ read, 100 ms, 10 MB/s per connection", Line(latency=0.1, per_connection=10 * MB), _whole),
    "shared": Case("512³ read, 125 MB/s in all", Line(shared=125 * MB), _whole),
    "loaded": Case("512³ read, 20 ms on one of 4 processors", Line(work=0.02), _whole),
    "boxes": Case("random 64³ reads, 20 ms", Line(latency=0.02), _scattered),
}


def main() -> None:
    """Measure all lines, and print what is reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pace", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of each transfer ({SECONDS:g})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured ({ROUNDS})")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--url", help="a DVID server instead of the bundled mock, for lines without a proxy")
    options = parser.parse_args()
    numbers = "".join(f"{number:>7}" for number in FIXED)
    print(f"{'MB/s':44}{numbers}{'cold':>7}{'warm':>7}{'ends at':>8}{'cold':>6}{'warm':>6}")
    with contextlib.ExitStack() as stack:
        url = options.url or stack.enter_context(running("mock")).url
        volume = _filled(url)
        for name in options.cases:
            with contextlib.ExitStack() as around:
                line = CASES[name].line
                front = url if line == Line() else around.enter_context(proxy_to(url, line)).url
                _measure(CASES[name], volume.replace(url.partition("//")[2], front.partition("//")[2]), options)


def _filled(url: str) -> str:
    repo = pyvolume.connect(url).create_repo(f"pace {time.time():.0f}")
    with repo.create_volume("gray", (EDGE,) * 3, "uint8") as volume:
        noise = np.random.default_rng(0)
        for z in range(0, EDGE, SMALL):
            volume[0, :, :, z : z + SMALL] = noise.integers(0, 255, (EDGE, EDGE, SMALL), "uint8")
        return str(volume.store.address)


def _measure(case: Case, address: str, options: argparse.Namespace) -> None:
    speeds: dict[Concurrency | str, list[float]] = {each: [] for each in (*FIXED, "cold", "warm")}
    ends = 0
    for _ in range(options.rounds):
        for number in FIXED:
            with _opened(address, number) as volume:
                speeds[number].append(case.action(volume, options.seconds))
        with _opened(address, AUTO) as volume:
            for name in ("cold", "warm"):
                with pyvolume.trace() as trace:
                    speeds[name].append(case.action(volume, options.seconds))
                ends = trace.at_once
    found = {each: statistics.median(values) / MB for each, values in speeds.items()}
    best = max(found[number] for number in FIXED)
    shown = "".join(f"{speed:7.0f}" for speed in found.values())
    print(f"{case.title:44}{shown}{ends:8}{found['cold'] / best:6.2f}{found['warm'] / best:6.2f}", flush=True)


@contextlib.contextmanager
def _opened(address: str, concurrency: Concurrency) -> Iterator[pyvolume.Volume]:
    server = "/".join(address.removeprefix("dvid://").split("/")[:3])
    with (
        pyvolume.Connection(server, concurrency=concurrency) as connection,
        pyvolume.open(address, mode="r+", connection=connection) as volume,
    ):
        yield volume


if __name__ == "__main__":
    main()
