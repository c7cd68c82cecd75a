"""``python -m benchmarks.copying``: a copy between two servers, beside what each of them reaches alone."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import pyvolume
from benchmarks.memory import Peak
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import Server, running
from benchmarks.streams import repeated
from pyvolume.calls.holds import AUTO, Concurrency

GIB, SECONDS, ROUNDS = 2.0, 3.0, 3
EDGE, LAYER = 2048, 64
MB, MIB = 1e6, 1 << 20
SETTINGS: tuple[Concurrency, ...] = (4, AUTO)


@dataclass(frozen=True)
class Case:
    """A line to the source and one to the destination."""

    title: str
    source: Line
    destination: Line


class Copied(NamedTuple):
    """Bytes per second of a copy, and the memory of its whole process at the peak."""

    rate: float
    peak: int


CASES = {
    "plain": Case("both plain", Line(), Line()),
    "limit": Case("both 100 MB/s per connection", *[Line(per_connection=100 * MB)] * 2),
    "source": Case("slow source, 150 MB/s in all", Line(shared=150 * MB), Line()),
    "destination": Case("slow destination, 150 MB/s in all", Line(), Line(shared=150 * MB)),
    "latency": Case("both 20 ms, 50 MB/s per connection", *[Line(latency=0.02, per_connection=50 * MB)] * 2),
    "far": Case("both 100 ms, 10 MB/s per connection", *[Line(latency=0.1, per_connection=10 * MB)] * 2),
}


def main() -> None:
    """Measure all cases, and print what a copy reaches of the slower side."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copying", description=__doc__)
    parser.add_argument("--gib", type=float, default=GIB, help=f"how much each copy moves ({GIB:g})")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"for the rate of a side alone ({SECONDS:g})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured ({ROUNDS})")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--concurrency", nargs="+", type=_concurrency, default=SETTINGS, help="of both connections")
    options = parser.parse_args()
    box = pyvolume.Box((0, 0, 0, 0), (1, EDGE, EDGE, max(1, round(options.gib * 2**30 / (EDGE**2 * LAYER))) * LAYER))
    print(f"{'MB/s, MiB':50}{'read':>7}{'write':>7}{'copy':>7}{'':6}{'memory':>7}{'verify':>7}{'':6}{'memory':>7}")
    with running("mock") as mock:
        place = _created(mock.url, box)
        for name, concurrency in itertools.product(options.cases, options.concurrency):
            _measure(CASES[name], concurrency, place, mock, options)


def _concurrency(text: str) -> Concurrency:
    return "auto" if text == AUTO else int(text)


def _created(url: str, box: pyvolume.Box) -> str:
    repo = pyvolume.connect(url).create_repo(f"copying {time.time():.0f}")
    with repo.create_volume("gray", box.shape[1:], "uint8") as volume:
        return str(volume.store.address).partition("//")[2].removeprefix(url)


def _measure(case: Case, concurrency: Concurrency, place: str, mock: Server, options: argparse.Namespace) -> None:
    with (
        running("generated", {"target": mock.url, **case.source.options()}) as far,
        running("generated", {"target": mock.url, **case.destination.options()}) as near,
        _opened(far.url, place, concurrency) as source,
        _opened(near.url, place, concurrency) as destination,
    ):
        found = []
        for _ in range(options.rounds):
            alone = _alone(source, destination, options.seconds)
            copies = [_copied(far.url, near.url, place, concurrency, verify=verify) for verify in (False, True)]
            found.append((*alone, *(each.rate for each in copies), *(each.peak for each in copies)))
        _print(f"{case.title}, concurrency {concurrency}", found)
        if int(near.ask("wrong")):
            raise RuntimeError("copying: wrong voxels arrived")


def _print(title: str, found: list[tuple[float, ...]]) -> None:
    """Print medians, the highest memory, and what part of the slower side is reached."""
    read, write, copy, verified = (statistics.median(each[at] for each in found) / MB for at in range(4))
    memory, memory_verified = (max(each[at] for each in found) / MIB for at in (4, 5))
    part, part_verified = (statistics.median(each[at] / min(each[:2]) for each in found) for at in (2, 3))
    print(
        f"{title:50}{read:7.0f}{write:7.0f}{copy:7.0f}{part:6.2f}{memory:7.0f}"
        f"{verified:7.0f}{part_verified:6.2f}{memory_verified:7.0f}",
        flush=True,
    )


@contextlib.contextmanager
def _opened(url: str, place: str, concurrency: Concurrency) -> Iterator[pyvolume.Volume]:
    with (
        pyvolume.Connection(url, concurrency=concurrency) as connection,
        pyvolume.open(f"dvid://{url}{place}", mode="r+", connection=connection) as volume,
    ):
        yield volume


def _copied(far: str, near: str, place: str, concurrency: Concurrency, *, verify: bool) -> Copied:
    """Copy in a process of its own, which has learnt nothing yet."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(_copy, (far, near, place, concurrency, verify))


def _copy(far: str, near: str, place: str, concurrency: Concurrency, verify: bool) -> Copied:
    with _opened(far, place, concurrency) as source, _opened(near, place, concurrency) as destination:
        peak, began = Peak(), time.perf_counter()
        nbytes = pyvolume.copy(source, destination, ((0, 0, 0, 0), source.shape), verify=verify)
        return Copied(nbytes / (time.perf_counter() - began), peak.resident)


def _alone(source: pyvolume.Volume, destination: pyvolume.Volume, seconds: float) -> tuple[float, float]:
    """Return the bytes per second of each side alone."""
    part = pyvolume.Box((0, 0, 0, 0), (1, EDGE, EDGE, LAYER))
    voxels = np.empty(part.shape, np.uint8, order="F")

    def write() -> int:
        destination.write(part, voxels)
        return voxels.nbytes

    return repeated(lambda: source.read(part, out=voxels).nbytes, seconds), repeated(write, seconds)


if __name__ == "__main__":
    main()
