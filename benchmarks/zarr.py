"""``python -m benchmarks.zarr``: one array of zarr in a folder, by pyvolume, bare zarr and TensorStore, in one run."""

from __future__ import annotations

import argparse
import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pyvolume
from benchmarks.turns import print_speeds

ROUNDS = 7
EDGE, BLOCK, SMALL, READS = 512, 64, 64, 40

LAYOUTS: dict[str, dict[str, Any]] = {
    "raw": {"compressors": None},
    "zstd": {},
    "v2": {"format": "0.4"},
    "shards": {"shards": (1, 256, 256, 256)},
}

Voxels = NDArray[np.uint16]


class Ours:
    """A volume of pyvolume; the others read and write the same array."""

    def __init__(self, path: Path, layout: str) -> None:
        self.volume = pyvolume.create(
            path, (1, EDGE, EDGE, EDGE), "uint16", chunks=(1, BLOCK, BLOCK, BLOCK), **LAYOUTS[layout]
        )

    def read(self, key: tuple[slice, ...]) -> Voxels:
        """Return voxels."""
        voxels: Voxels = self.volume[(0, *key)]
        return voxels

    def write(self, voxels: Voxels) -> None:
        """Store all voxels."""
        self.volume[0] = voxels


class Zarr:
    """Bare zarr, with axes in the order of the array."""

    def __init__(self, path: Path, _layout: str) -> None:
        zarr: Any = importlib.import_module("zarr")
        self._array = zarr.open_array(path, path="0", mode="r+")

    def read(self, key: tuple[slice, ...]) -> Voxels:
        """Return voxels."""
        return np.asarray(self._array[(0, *key[::-1])]).T

    def write(self, voxels: Voxels) -> None:
        """Store all voxels."""
        self._array[0] = voxels.T


class TensorStore:
    """TensorStore's own driver, nothing cached."""

    def __init__(self, path: Path, layout: str) -> None:
        tensorstore: Any = importlib.import_module("tensorstore")
        driver = "zarr" if layout == "v2" else "zarr3"
        specification = {"driver": driver, "kvstore": {"driver": "file", "path": str(path / "0")}}
        context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0}})
        self._array = tensorstore.open(specification, context=context, open=True).result()

    def read(self, key: tuple[slice, ...]) -> Voxels:
        """Return voxels."""
        voxels: Voxels = self._array[(0, *key[::-1])].read().result().T
        return voxels

    def write(self, voxels: Voxels) -> None:
        """Store all voxels."""
        self._array[0].write(voxels.T).result()


def main() -> None:
    """Run all actions and print their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zarr", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each action is measured ({ROUNDS})")
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS), metavar="NAME")
    options = parser.parse_args()
    print(f"{'layout, other, action':34} {'other, MB/s':>12} {'pyvolume, MB/s':>15} {'ratio':>6} {'CPU':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for layout in options.layouts:
            _measure(Path(folder) / f"{layout}.zarr", layout, options.rounds)


def _measure(path: Path, layout: str, rounds: int) -> None:
    # noise of 30 around a value, as a camera gives it
    noise = np.random.default_rng(0).normal(1000, 30, (EDGE,) * 3)
    voxels = np.asfortranarray(noise.astype("uint16"))
    ours = Ours(path, layout)
    for kind in (Zarr, TensorStore):
        _compare(f"{layout:6} {kind.__name__}", kind(path, layout), ours, voxels, rounds)


def _compare(name: str, other: Any, ours: Ours, voxels: Voxels, rounds: int) -> None:
    """Measure all actions."""
    corners = np.random.default_rng(1).integers(0, EDGE - SMALL, (READS, 3)).tolist()
    keys = [tuple(slice(n, n + SMALL) for n in corner) for corner in corners]
    everything = (slice(0, EDGE),) * 3
    for each in (other, ours):
        each.write(voxels)
        if not np.array_equal(each.read(everything), voxels):
            raise SystemExit("the voxels that were read are not those that were written")

    def read(array: Any) -> None:
        for key in keys:
            array.read(key)

    few, whole = READS * SMALL**3 * voxels.itemsize, voxels.nbytes
    print_speeds(f"{name}, write {EDGE}³", whole, (lambda: other.write(voxels), lambda: ours.write(voxels)), rounds)
    print_speeds(
        f"{name}, read {EDGE}³", whole, (lambda: other.read(everything), lambda: ours.read(everything)), rounds
    )
    print_speeds(f"{name}, read {READS} × 64³", few, (lambda: read(other), lambda: read(ours)), rounds)


if __name__ == "__main__":
    main()
