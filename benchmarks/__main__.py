"""``python -m benchmarks``: one table of throughput, as ratios to a bare socket and to requests."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import requests

import pyvolume
from benchmarks import congestion
from benchmarks.contenders import CONTENDERS, OPERATIONS, Place, Race
from benchmarks.far_end import mock_server
from benchmarks.measure import Samples, peak_over_box, run_rounds
from pyvolume.dvid import general, voxels

EDGES = (64, 256, 512)
"""Cubes of uint8: 256 KiB, 16 MiB, 128 MiB."""

HEADINGS = f"{'':25}{'speed, MB/s':>27}{'speed of pyvolume /':>25}{'processor, s/GB':>25}{'peak memory / box':>22}"
COLUMNS = (
    f"{'operation':16}{'size':>9}{'bare':>9}{'requests':>9}{'pyvolume':>9}{'bare':>13}{'requests':>12}"
    f"{'bare':>8}{'requests':>9}{'pyvol.':>8}{'requests':>12}{'pyvol.':>10}"
)


def main() -> None:
    """Run all contenders and print the table."""
    options = _parser().parse_args()
    if congestion.can_pin():
        congestion.pin_urllib3()
    with _far_end(options.url) as url:
        place = _new_instance(url, given=options.url is not None)
        print(_about(url, given=options.url is not None, rounds=options.rounds))
        print(HEADINGS, COLUMNS, "-" * len(COLUMNS), sep="\n")
        for edge in options.edges:
            _race(place, edge, options.rounds, with_memory=edge == max(options.edges))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="pyvolume, a bare socket and requests.")
    parser.add_argument(
        "--url",
        help="a DVID server instead of the bundled mock; its admin token comes from DVID_ADMIN_TOKEN; "
        "a new repository is made there, which nothing can delete over HTTP",
    )
    parser.add_argument("--rounds", type=int, default=9, help="rounds in which everyone runs once (%(default)s)")
    parser.add_argument(
        "--edges", type=int, nargs="+", default=EDGES, help="edges of the cubes of uint8, multiples of 64 (%(default)s)"
    )
    return parser


@contextlib.contextmanager
def _far_end(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with mock_server() as address:
        yield address


def _new_instance(url: str, *, given: bool) -> Place:
    token = os.environ.get("DVID_ADMIN_TOKEN") if given else None
    with pyvolume.Connection(url, admin_token=token) as connection:
        repository = general.create_repo(connection, f"pyvolume-benchmark-{uuid.uuid4().hex[:8]}")
        metadata = voxels.VoxelsMetadata.create_default_metadata((1, 0, 0, 0), "uint8", "cxyz", 1.0, "nanometers")
        voxels.create_new(connection, repository, "noise", metadata)
        return Place(connection.url, repository, "noise")


def _about(url: str, *, given: bool, rounds: int) -> str:
    default, can_pin = congestion.system_default(), congestion.can_pin()
    pinned = f"cubic where this process sends{'' if given else ', and where the mock server does'}"
    return (
        f"{time.strftime('%Y-%m-%d %H:%M %Z')}, {platform.platform()}, {os.cpu_count()} cores, {_processor()}\n"
        f"Python {platform.python_version()}, numpy {np.__version__}, requests {requests.__version__}\n"
        f"server: {url if given else 'the mock server, in a process of its own on this machine'}\n"
        f"congestion control: {pinned if can_pin else default}; the system's default is {default}\n"
        f"medians of {rounds} interleaved rounds; read the ratios, the speeds move with the machine\n"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _race(place: Place, edge: int, rounds: int, *, with_memory: bool) -> None:
    shape = (1, edge, edge, edge)
    noise = np.asfortranarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    race = Race(place, noise)
    race.actions("write, F order")["pyvolume"]()
    for operation in OPERATIONS:
        samples = run_rounds(race, operation, rounds)
        memory = _memory(place, shape, operation) if with_memory and sys.platform == "linux" else ""
        print(_row(operation, race.voxels.nbytes, samples) + memory, flush=True)
    race.close()


def _row(operation: str, nbytes: int, samples: Samples) -> str:
    size = f"{nbytes >> 20} MiB" if nbytes >> 20 else f"{nbytes >> 10} KiB"
    speeds = "".join(f"{samples.speed(name, nbytes):9.0f}" for name in CONTENDERS)
    ratios = f"{samples.ratio('pyvolume', 'bare socket'):13.2f}{samples.ratio('pyvolume', 'requests'):12.1f}"
    widths = zip(CONTENDERS, (8, 9, 8), strict=True)
    processor = "".join(f"{samples.processor_per_gb(name, nbytes):{width}.2f}" for name, width in widths)
    return f"{operation:16}{size:>9}{speeds}{ratios}{processor}"


def _memory(place: Place, shape: tuple[int, ...], operation: str) -> str:
    peaks = (peak_over_box(place, shape, operation, name) for name in ("requests", "pyvolume"))
    return "".join(f"{peak:{width}.2f}" for peak, width in zip(peaks, (12, 10), strict=True))


if __name__ == "__main__":
    main()
