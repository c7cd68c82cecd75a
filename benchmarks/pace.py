"""``python -m benchmarks.pace``: what ``concurrency="auto"`` reaches of the best fixed number, line by line."""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pyvolume
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import proxy_to, running
from benchmarks.streams import Action, Corners, boxes_at_random, repeated, scattered, whole
from pyvolume.calls.holds import AUTO, Concurrency
from pyvolume.stores.base import room_of
from pyvolume.stores.tokens import token_for

EDGE, SMALL = 512, 64
FIXED = (1, 2, 4, 8, 16, 32, 64)
SECONDS, LEARNING_SECONDS, ROUNDS = 4.0, 10.0, 3
MB = 1e6


@dataclass(frozen=True)
class Case:
    """What is measured: an action, and the line that it uses."""

    title: str
    line: Line
    action: Action

    @property
    def writes(self) -> bool:
        """Whether the action is a write."""
        return self.action in (_written, _strewn)


def _written(volume: pyvolume.Volume, seconds: float) -> float:
    array = np.zeros(volume.shape, volume.dtype, order="F")

    def write() -> int:
        volume.write(volume.bounds, array)
        return array.nbytes

    return repeated(write, seconds)


def _scattered(volume: pyvolume.Volume, seconds: float) -> float:
    return scattered(volume, boxes_at_random(EDGE, SMALL, seconds))


def _strewn(volume: pyvolume.Volume, seconds: float) -> float:
    """Write blocks at random, several at once."""
    array = np.zeros((1, *(SMALL,) * 3), volume.dtype, order="F")
    total = 0

    def pieces() -> Iterator[tuple[Corners, NDArray[Any]]]:
        nonlocal total
        for start, stop in boxes_at_random(EDGE, SMALL, seconds, grid=SMALL):
            total += array.nbytes
            yield (start, stop), array

    began = time.perf_counter()
    volume.write_many(pieces())
    return total / (time.perf_counter() - began)


LATENT = Line(latency=0.02)
LIMITED = Line(per_connection=50 * MB)
FAR = Line(latency=0.1, per_connection=10 * MB)
SHARED = Line(shared=125 * MB)
LOADED = Line(work=0.02)

CASES = {
    "plain": Case("512³ read", Line(), whole),
    "write": Case("512³ write", Line(), _written),
    "latency": Case("512³ read, 20 ms", LATENT, whole),
    "latency-write": Case("512³ write, 20 ms", LATENT, _written),
    "limit": Case("512³ read, 50 MB/s per connection", LIMITED, whole),
    "limit-write": Case("512³ write, 50 MB/s per connection", LIMITED, _written),
    "far": Case("512³ read, 100 ms, 10 MB/s per connection", FAR, whole),
    "far-write": Case("512³ write, 100 ms, 10 MB/s per connection", FAR, _written),
    "shared": Case("512³ read, 125 MB/s in all", SHARED, whole),
    "loaded": Case("512³ read, 20 ms on one of 4 processors", LOADED, whole),
    "boxes": Case("random 64³ reads, 20 ms", LATENT, _scattered),
    "boxes-write": Case("64³ writes at random, 20 ms", LATENT, _strewn),
    "boxes-loaded": Case("random 64³ reads, 20 ms on one of 4 processors", LOADED, _scattered),
}


def main() -> None:
    """Measure all lines, and print what is reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pace", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"for each fixed number ({SECONDS:g})")
    parser.add_argument(
        "--learning", type=float, default=LEARNING_SECONDS, metavar="SECONDS",
        help=f"for a new connection, and then for the one that has learnt ({LEARNING_SECONDS:g})",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured ({ROUNDS})")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument(
        "--url",
        help="a DVID server instead of the bundled mock; if PYVOLUME_TOKEN_HOST names it, its admin token comes from "
        "DVID_ADMIN_TOKEN; a new repository is made there, which nothing can delete over HTTP",
    )
    options = parser.parse_args()
    numbers = "".join(f"{number:>7}" for number in FIXED)
    print("auto / best: the median of the rounds, and the lowest and the highest of them; best has the highest median")
    print(f"{'MB/s':48}{numbers}{'cold':>7}{'warm':>7}{'ends at':>8}  {'cold / best':18}{'warm / best':18}")
    with contextlib.ExitStack() as stack:
        url = options.url or stack.enter_context(running("mock")).url
        volume = _filled(url)
        for name in options.cases:
            with contextlib.ExitStack() as around:
                line = CASES[name].line
                front = url if line == Line() else around.enter_context(proxy_to(url, line)).url
                _measure(CASES[name], volume.replace(url.partition("//")[2], front.partition("//")[2]), options)


def _filled(url: str) -> str:
    token = token_for(url, "DVID_ADMIN_TOKEN")
    repo = pyvolume.connect(url, auth=pyvolume.dvid.Identity(admin_token=token)).create_repo(f"pace {time.time():.0f}")
    with repo.create_volume("gray", (EDGE,) * 3, "uint8") as volume:
        noise = np.random.default_rng(0)
        for z in range(0, EDGE, SMALL):
            volume[0, :, :, z : z + SMALL] = noise.integers(0, 255, (EDGE, EDGE, SMALL), "uint8")
        return str(volume.store.address)


def _measure(case: Case, address: str, options: argparse.Namespace) -> None:
    rounds = [_round(case, address, options) for _ in range(options.rounds)]
    columns: tuple[int | str, ...] = (*FIXED, "cold", "warm")
    speeds = {each: statistics.median(found[each] for found, _ in rounds) for each in columns}
    shown = "".join(f"{speed / MB:7.0f}" for speed in speeds.values())
    best = max(FIXED, key=speeds.__getitem__)  # the best one of each round would be the luckiest one
    ratios = "".join(_spread([found[each] / found[best] for found, _ in rounds]) for each in ("cold", "warm"))
    print(f"{case.title:48}{shown}{rounds[-1][1]:8}  {ratios}", flush=True)


def _round(case: Case, address: str, options: argparse.Namespace) -> tuple[dict[int | str, float], int]:
    """Measure each number once, and a connection that learns it: cold, then warm; return also where it ends.

    The order is drawn: a machine is not as fast at the end as in the beginning.
    """
    found: dict[int | str, float] = {}
    settings: tuple[Concurrency, ...] = (*FIXED, AUTO)
    end = 0
    for number in random.sample(settings, len(settings)):
        with _opened(address, number) as volume:
            if number == AUTO:
                for name in ("cold", "warm"):
                    found[name] = case.action(volume, options.learning)
                end = room_of(volume.store, write=case.writes)
            else:
                found[number] = case.action(volume, options.seconds)
    return found, end


def _spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})".ljust(18)


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
