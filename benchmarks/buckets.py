"""``python -m benchmarks.buckets``: a Zarr over a network, with the learnt number of requests, and beside its peers."""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

import pyvolume
from benchmarks.contenders.arrays import by_tensorstore, by_zarr
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import proxy_to, running
from benchmarks.streams import Action, boxes_at_random, repeated, scattered, whole
from pyvolume.calls.holds import AUTO, Concurrency, Lanes
from pyvolume.zarr import address
from pyvolume.zarr.accessor import open_volume

EDGE, CHUNK = 512, 64
FIXED = (4, 10, 20, 40, 60)
PEERS = (10, 32, 64)
SECONDS, ROUNDS = 5.0, 3
MB = 1e6
NAME = "cells.zarr"

Box: TypeAlias = tuple[slice, ...] | EllipsisType


@dataclass(frozen=True)
class Case:
    """What is measured: an action, the line that it uses, and the lowest number that does not take minutes."""

    title: str
    line: Line
    action: Action
    least: int = FIXED[0]


def _scattered(volume: pyvolume.Volume, seconds: float) -> float:
    return scattered(volume, boxes_at_random(EDGE, CHUNK, seconds, grid=CHUNK))


CASES = {
    "plain": Case("512³ read", Line(), whole),
    "latency": Case("512³ read, 20 ms", Line(latency=0.02), whole),
    "limit": Case("512³ read, 50 MB/s per connection", Line(per_connection=50 * MB), whole),
    "far": Case("512³ read, 100 ms, 10 MB/s per connection", Line(latency=0.1, per_connection=10 * MB), whole, 10),
    "shared": Case("512³ read, 125 MB/s in all", Line(shared=125 * MB), whole),
    "boxes": Case("random chunks, 20 ms", Line(latency=0.02), _scattered),
}


def main() -> None:
    """Measure all lines, and print what is reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.buckets", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of each transfer ({SECONDS:g})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured ({ROUNDS})")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    options = parser.parse_args()
    print("at most: requests at a time; cold, warm: of the best fixed number; × peer: warm, of the best peer")
    names = "".join(f"{each:>10}" for each in (*FIXED, "cold", "warm", *_peers()))
    print(f"{'MB/s':44}{names}{'at most':>8}{'cold':>6}{'warm':>6}{'× peer':>7}")
    with tempfile.TemporaryDirectory() as folder, running("files", {"root": folder}) as server:
        _fill(Path(folder, NAME))
        for name in options.cases:
            with contextlib.ExitStack() as around:
                line = CASES[name].line
                front = server.url if line == Line() else around.enter_context(proxy_to(server.url, line)).url
                _measure(CASES[name], f"{front}/{NAME}", options)


def _fill(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (EDGE,) * 3, "uint8")
    with pyvolume.create(path, (1, EDGE, EDGE, EDGE), "uint8", chunks=(1, *(CHUNK,) * 3), compressors=None) as volume:
        volume[0] = noise


def _peers() -> dict[str, Callable[[str], contextlib.AbstractContextManager[Peer]]]:
    """Return the peers by name, each with its number of requests at a time."""
    return {
        f"{name} {number}": functools.partial(make, number)
        for name, make in (("zarr", _zarr), ("tstore", _tensorstore))
        for number in PEERS
    }


def _measure(case: Case, url: str, options: argparse.Namespace) -> None:
    peers = _peers()
    columns: list[int | str] = [*FIXED, "cold", "warm", *peers]
    speeds: dict[int | str, list[float]] = {each: [] for each in columns}
    ends = 0
    for _ in range(options.rounds):
        for number in FIXED[FIXED.index(case.least) :]:
            with _opened(url, number) as volume:
                speeds[number].append(case.action(volume, options.seconds))
        with _opened(url, AUTO) as volume:
            for name in ("cold", "warm"):
                with pyvolume.trace() as trace:
                    speeds[name].append(case.action(volume, options.seconds))
                ends = trace.at_once
        for name, opened in peers.items():
            with opened(url) as peer:
                move = peer.whole if case.action is whole else peer.scattered
                speeds[name].append(move(options.seconds))
    found = {each: statistics.median(values) / MB for each, values in speeds.items() if values}
    best = max(found[number] for number in FIXED if number in found)
    ahead = found["warm"] / max(found[name] for name in peers)
    shown = "".join(f"{found[each]:10.0f}" if each in found else f"{'–':>10}" for each in columns)
    print(
        f"{case.title:44}{shown}{ends:8}{found['cold'] / best:6.2f}{found['warm'] / best:6.2f}{ahead:7.2f}", flush=True
    )


@contextlib.contextmanager
def _opened(url: str, concurrency: Concurrency) -> Iterator[pyvolume.Volume]:
    with open_volume(address.parse(url), place={"lanes": Lanes(concurrency)}) as volume:
        yield volume


class Peer(NamedTuple):
    """What another library does, for so many seconds: bytes per second."""

    whole: Callable[[float], float]
    scattered: Callable[[float], float]


@contextlib.contextmanager
def _zarr(concurrency: int, url: str) -> Iterator[Peer]:
    """Read by zarr's own functions; boxes in so many threads."""
    with by_zarr(f"{url}/0", concurrency) as array, ThreadPoolExecutor(concurrency) as threads:

        def read(box: Box) -> int:
            return int(np.asarray(array[box]).nbytes)

        yield Peer(
            lambda seconds: repeated(lambda: read(...), seconds),
            lambda seconds: _ahead(lambda box: threads.submit(read, box), concurrency, seconds),
        )


@contextlib.contextmanager
def _tensorstore(concurrency: int, url: str) -> Iterator[Peer]:
    """Read by TensorStore, nothing cached; as many boxes are begun ahead."""
    array = by_tensorstore(f"{url}/0", concurrency)
    yield Peer(
        lambda seconds: repeated(lambda: int(array.read().result().nbytes), seconds),
        lambda seconds: _ahead(lambda box: array[box].read(), concurrency, seconds),
    )


def _ahead(begin: Callable[[Box], Any], number: int, seconds: float) -> float:
    """Begin to read so many boxes before the first one has come, and return bytes per second."""
    began, total = time.perf_counter(), 0
    waiting: collections.deque[Any] = collections.deque()
    for start, stop in boxes_at_random(EDGE, CHUNK, seconds, grid=CHUNK):
        sides = [slice(*side) for side in zip(start, stop, strict=True)]
        waiting.append(begin((sides[0], *reversed(sides[1:]))))  # on disk the order is c, z, y, x
        if len(waiting) >= number:
            total += _nbytes(waiting.popleft().result())
    total += sum(_nbytes(each.result()) for each in waiting)
    return total / (time.perf_counter() - began)


def _nbytes(found: Any) -> int:
    return found if isinstance(found, int) else int(found.nbytes)


if __name__ == "__main__":
    main()
