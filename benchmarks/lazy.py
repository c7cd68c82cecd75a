"""``python -m benchmarks.lazy``: arrays of dask beside plain reads, and the memory of a lazy write, in one run."""

from __future__ import annotations

import argparse
import gc
import math
import multiprocessing
import os
import statistics
from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import numpy as np

import pyvolume
from benchmarks.memory import Peak
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import proxy_to, running
from benchmarks.turns import seconds_of
from pyvolume.dvid import Server

ROUNDS = 5
SHAPE = (1024, 1024, 1024)
CHUNK, CHUNK_BYTES = (1, 512, 512, 256), 64 << 20
WRITTEN = (2048, 1024, 1024)
WORKERS = 2
LIMITED = Line(per_connection=50e6)
MOST = 1.15
"""How many times as long as a plain read a lazy one may take, besides a copy into the order of C on loopback."""

KEEPING = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
"""Lets a process of glibc keep its memory: new memory can cost seconds for each GiB on a virtual machine."""


def main() -> None:
    """Run all actions and print their seconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lazy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each action is measured ({ROUNDS})")
    parser.add_argument("--new-memory", action="store_true", help="let the process give memory back to the system")
    options = parser.parse_args()
    with running("mock") as server, proxy_to(server.url, LIMITED) as limited:
        address = _filled(server.url)
        print(f"{'line':10} {'vol[...], s':>11} {'C order, s':>10} {'to_dask, s':>10} {'wanted, s':>11}")
        if not options.new_memory:
            os.environ.update(KEEPING)
        _in_a_process(_reads, "loopback", address, options.rounds)
        _in_a_process(_reads, "50 MB/s", address.replace(server.url, limited.url), options.rounds)
        for name in KEEPING:
            os.environ.pop(name, None)
        peak = _in_a_process(_write, server.url)
    nbytes = math.prod(WRITTEN) / (1 << 30)
    print(f"from_xarray of {nbytes:g} GiB: the peak is {peak / (1 << 20):.0f} MiB above the start,", end=" ")
    print(f"{peak / (CHUNK_BYTES * WORKERS):.2f} × chunk × workers, wanted ≤ 2")


def _in_a_process(action: Callable[..., Any], *arguments: object) -> Any:
    """Do something in a new process, and return its result."""
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        return fresh.apply(action, arguments)


def _filled(url: str) -> str:
    """Make a volume of noise, and return its address."""
    with Server(url) as server:
        repo = server.create_repo("lazy")
        volume = repo.create_volume("noise", SHAPE, "uint8", block_shape=(64, 64, 64))
        repo.create_volume("written", WRITTEN, "uint8", block_shape=(64, 64, 64))
        noise = np.random.default_rng(0)
        for box in volume.blocks(shape=(1, *SHAPE[:2], 64)):
            volume.write(box, np.asfortranarray(noise.integers(0, 256, box.shape, "uint8")))
        return volume.store.address


def _reads(name: str, address: str, rounds: int) -> None:
    """Print the medians of a plain read, numpy's copy of it, and a lazy read; the first round warms up."""
    seconds: list[tuple[float, float, float]] = []
    with pyvolume.open(address) as volume:
        lazy = volume.to_dask(CHUNK)
        for number in range(rounds + 1):
            plain, copy = _read_and_copied(volume)
            with dask.config.set(scheduler="threads", num_workers=WORKERS):
                lazily = _seconds(lazy.compute)
            if number:
                seconds.append((plain, copy, lazily))
    plain, copy, lazily = (statistics.median(each) for each in zip(*seconds, strict=True))
    wanted = MOST * plain + (copy if name == "loopback" else 0)
    print(f"{name:10} {plain:11.2f} {copy:10.2f} {lazily:10.2f}      ≤ {wanted:5.2f}", flush=True)


def _read_and_copied(volume: pyvolume.Volume) -> tuple[float, float]:
    """Return the seconds of a plain read, and those of numpy's copy into the order of C."""
    found: list[Any] = []
    plain = _seconds(lambda: found.append(volume[...]))
    return plain, _seconds(lambda: np.ascontiguousarray(found[0]))


def _seconds(action: Callable[[], object]) -> float:
    gc.collect()
    return seconds_of(action)


def _write(url: str) -> int:
    """Write an array that is computed chunk by chunk, and return the peak of memory."""
    noise = da.random.default_rng(0).integers(0, 256, (1, *WRITTEN), "uint8", chunks=CHUNK)
    with Server(url) as server, dask.config.set(scheduler="threads", num_workers=WORKERS):
        volume = server.repos["lazy"].root["written"]
        pyvolume.from_xarray(noise[:, :64, :64, :64], volume, dims="cxyz")
        peak = Peak()
        pyvolume.from_xarray(noise, volume, dims="cxyz")
    return peak.nbytes


if __name__ == "__main__":
    main()
