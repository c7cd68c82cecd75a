"""``python -m benchmarks.planning``: how soon a plan begins, for huge extents beside small ones, in one run."""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.stores.base import StoreTraits

ROUNDS = 21
REPEATED = 20
SMALL, HUGE = 1 << 11, 1 << 31

KEYS = {
    "all": np.s_[...],
    "a box": np.s_[:, 3:-3, 5:-5, 7:-7],
    "every 512th": np.s_[:, ::512, ::512, ::512],
    "a plane": np.s_[0, :, :, 100],
    "two voxels": np.s_[0, [0, -1], [0, -1], [0, -1]],
}


class Nothing:
    """A store of zeros that nobody reads.

    Parameters
    ----------
    edge : int
        Voxels along each axis.
    """

    def __init__(self, edge: int) -> None:
        self.address = f"nothing://{edge}"
        self.traits = StoreTraits(write_grid=(1, 64, 64, 64))
        self._metadata = VoxelsMetadata.of((1, edge, edge, edge), "uint8")

    def read_metadata(self, _call: Call) -> VoxelsMetadata:
        """Return what the volume is."""
        return self._metadata

    def read_box(self, box: Box, out: NDArray[Any], call: Call) -> None:  # noqa: ARG002 - the names of a store
        """Give zeros."""
        out[...] = 0

    def write_box(self, box: Box, voxels: NDArray[Any], call: Call) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Hold nothing open."""


def main() -> None:
    """Run all keys and print their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each key is measured ({ROUNDS})")
    options = parser.parse_args()
    volumes = [_volume(edge) for edge in (SMALL, HUGE)]
    print(f"{'key':12} {'2^11, µs':>9} {'2^31, µs':>9} {'ratio':>6}")
    for write in (False, True):
        for name, key in KEYS.items():
            seconds = [[_begin(volume, key, write) for volume in volumes] for _ in range(options.rounds)]
            small, huge = (1e6 * statistics.median(each) for each in zip(*seconds, strict=True))
            verb = "write" if write else "read"
            print(f"{verb} {name:12} {small:9.0f} {huge:9.0f} {huge / small:6.2f}", flush=True)


def _volume(edge: int) -> pyvolume.Volume:
    store = Nothing(edge)
    return pyvolume.Volume(store, store.read_metadata(Call(pyvolume.RetryPolicy())))


def _begin(volume: pyvolume.Volume, key: Any, write: bool) -> float:
    """Return the seconds for a plan and its first request."""
    began = time.perf_counter()
    for _ in range(REPEATED):
        next(iter(volume.plan(key, write=write)))
    return (time.perf_counter() - began) / REPEATED


if __name__ == "__main__":
    main()
