"""``python -m benchmarks.caching``: a second read of the same voxels, from a cache and from the server, in one run."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pyvolume
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import proxy_to, running
from benchmarks.turns import compared, seconds_of

ROUNDS = 11
SHAPE = (1, 512, 512, 1024)
"""256 MiB of uint8."""

PLANE = np.s_[0, :, :, 500]

LINK = Line(shared=125e6, latency=0.01)
"""A link of 1 Gb/s to a server that is 10 ms away."""

Voxels = NDArray[Any]


def noise() -> Voxels:
    """Make voxels that nothing compresses."""
    return np.asfortranarray(np.random.default_rng(0).integers(0, 256, SHAPE[::-1], "uint8").T)


def labels() -> Voxels:
    """Make voxels of which 4³ at a time have the same value."""
    few = np.random.default_rng(0).integers(0, 256, [n // 4 for n in SHAPE[:0:-1]], "uint8")
    return np.asfortranarray(few.repeat(4, 0).repeat(4, 1).repeat(4, 2).T[np.newaxis])


def main() -> None:
    """Run all actions and print their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.caching", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each action is measured ({ROUNDS})")
    parser.add_argument("--url", help="a DVID server that is running; the mock server by default")
    parser.add_argument("--folder", type=Path, help="on the disk that is measured; a temporary folder by default")
    options = parser.parse_args()
    print(f"{'action':36} {'server, ms':>10} {'cache, ms':>10} {'ratio':>6}")
    with contextlib.ExitStack() as stack:
        url = options.url or stack.enter_context(running("mock")).url
        slow = stack.enter_context(proxy_to(url, LINK)).url
        repo = pyvolume.dvid.Server(url).create_repo("caching", duplicate_alias=True)
        for made in (noise, labels):
            voxels = made()
            version = repo.root if made is noise else repo.root.new_version()
            volume = repo.create_volume(made.__name__, SHAPE[1:], "uint8")
            volume[...] = voxels
            version.commit()
            for where in ("memory", "disk"):
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
                Measured(volume.uuid, made.__name__, where, folder, voxels).print(url, slow, options.rounds)


@dataclass(frozen=True)
class Measured:
    """A volume, and where its blocks are kept."""

    uuid: str
    name: str
    where: str
    folder: Path
    voxels: Voxels

    def open(self, url: str, cache: pyvolume.BlockCache | None = None) -> pyvolume.Volume:
        """Open the volume."""
        return pyvolume.open(f"dvid://{url}/{self.uuid}/{self.name}", cache=cache)

    def print(self, url: str, slow: str, rounds: int) -> None:
        """Print the ratios of a second read to one from the server, and the costs of the first."""
        cache = pyvolume.BlockCache() if self.where == "memory" else pyvolume.BlockCache(0, folder=self.folder)
        cached, plain, far = self.open(url, cache), self.open(url), self.open(slow)
        firsts = [self._first(cached, cache) for _ in range(3)]
        once = statistics.median(seconds_of(partial(plain.__getitem__, ...)) for _ in range(3))
        if not np.array_equal(cached[...], self.voxels):
            raise SystemExit("the voxels that were read are not those that were written")
        out = np.zeros(SHAPE, "uint8", order="F")
        for line, volume, times in (("", plain, rounds), (", link", far, min(3, rounds))):
            label = f"{self.name}, {{}}, {self.where}{line}"
            _row(
                label.format("256 MiB"), times, *(partial(each.read, each.bounds, out=out) for each in (volume, cached))
            )
            _row(label.format("plane"), rounds, *(partial(_plane, each) for each in (volume, cached)))
        stored = f", {cache.disk_nbytes / self.voxels.nbytes:.2f} of the bytes stored" if cache.folder else ""
        print(f"  first read / read without cache: {statistics.median(firsts) / once:.2f}{stored}", flush=True)
        for each in (cached, plain, far):
            each.close()

    def _first(self, cached: pyvolume.Volume, cache: pyvolume.BlockCache) -> float:
        cache.clear()
        return seconds_of(partial(cached.__getitem__, ...))


def _plane(volume: pyvolume.Volume) -> Voxels:
    voxels: Voxels = volume[PLANE]
    return voxels


def _row(name: str, rounds: int, server: Callable[[], object], cached: Callable[[], object]) -> None:
    """Print how long both take, and the ratio."""
    found = compared(server, cached, rounds)
    print(f"{name:36} {1e3 * found.first:10.1f} {1e3 * found.second:10.1f} {found.ratio:6.2f}", flush=True)


if __name__ == "__main__":
    main()
