"""``python -m benchmarks.buckets``: zarr over a network; what the learnt number of requests reaches, line by line."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pyvolume
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import proxy_to, running
from benchmarks.streams import Action, boxes_at_random, repeated, scattered, whole
from pyvolume.calls.holds import AUTO, Concurrency, Lanes
from pyvolume.zarr import address
from pyvolume.zarr.accessor import open_volume

EDGE, CHUNK = 512, 64
FIXED = (4, 10, 20, 40, 60)
BARE = (10, 64)
SECONDS, ROUNDS = 5.0, 3
MB = 1e6
NAME = "cells.zarr"


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
    names = "".join(f"{each:>8}" for each in (*FIXED, "cold", "warm", *(f"zarr {number}" for number in BARE)))
    print(f"{'MB/s':44}{names}{'at most':>8}{'cold':>6}{'warm':>6}{'× zarr':>7}")
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


def _measure(case: Case, url: str, options: argparse.Namespace) -> None:
    columns: list[int | str] = [*FIXED, "cold", "warm", *(f"zarr {number}" for number in BARE)]
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
        if case.action is whole:
            for number in BARE:
                speeds[f"zarr {number}"].append(_bare(url, number, options.seconds))
    found = {each: statistics.median(values) / MB for each, values in speeds.items() if values}
    best = max(found[number] for number in FIXED if number in found)
    bare = max((found[name] for name in columns[-len(BARE) :] if name in found), default=None)
    shown = "".join(f"{found[each]:8.0f}" if each in found else f"{'–':>8}" for each in columns)
    ratio = "–" if bare is None else f"{found['warm'] / bare:.2f}"
    print(f"{case.title:44}{shown}{ends:8}{found['cold'] / best:6.2f}{found['warm'] / best:6.2f}{ratio:>7}", flush=True)


@contextlib.contextmanager
def _opened(url: str, concurrency: Concurrency) -> Iterator[pyvolume.Volume]:
    with open_volume(address.parse(url), place={"lanes": Lanes(concurrency)}) as volume:
        yield volume


def _bare(url: str, concurrency: int, seconds: float) -> float:
    """Read the array by zarr's own functions, with so many requests at once."""
    zarr: Any = importlib.import_module("zarr")
    stores: Any = importlib.import_module("obstore.store")
    storage: Any = importlib.import_module("zarr.storage")
    http = stores.HTTPStore(url, client_options={"allow_http": True})
    with zarr.config.set({"async.concurrency": concurrency}):
        array = zarr.open_array(storage.ObjectStore(http, read_only=True), path="0", mode="r")
        return repeated(lambda: int(np.asarray(array[...]).nbytes), seconds)


if __name__ == "__main__":
    main()
