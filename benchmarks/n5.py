"""``python -m benchmarks.n5``: a dataset of N5 in a folder, by pyvolume, TensorStore and zarr, in one run."""

from __future__ import annotations

import argparse
import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.turns import print_speeds
from pyvolume import VoxelsMetadata
from pyvolume.n5.driver import DRIVER

ROUNDS = 7
EDGE, BLOCK, SMALL, READS = 256, 64, 64, 40
COMPRESSIONS = ("raw", "gzip", "zstd", "lz4")

Voxels = NDArray[np.uint16]


class TensorStore:
    """TensorStore's own driver, in Fortran order, nothing cached."""

    def __init__(self, path: Path, _compression: str) -> None:
        tensorstore: Any = importlib.import_module("tensorstore")
        specification = {"driver": "n5", "kvstore": {"driver": "file", "path": str(path)}}
        context = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0}})
        self._array = tensorstore.open(specification, context=context, open=True).result()

    def read(self, key: tuple[slice, ...]) -> Voxels:
        """Return voxels."""
        voxels: Voxels = self._array[key].read(order="F").result()
        return voxels

    def write(self, voxels: Voxels) -> None:
        """Store all voxels."""
        self._array.write(voxels).result()


class Zarr:
    """zarr, in chunks of the same shape and with the same codec: another format, for a comparison of speed only."""

    def __init__(self, path: Path, compression: str) -> None:
        zarr: Any = importlib.import_module("zarr")
        codecs: Any = importlib.import_module("zarr.codecs")
        codec = {"raw": None, "gzip": codecs.GzipCodec(level=1), "zstd": codecs.ZstdCodec(level=3)}[compression]
        self._array = zarr.create_array(
            path.with_suffix(".zarr"), shape=(EDGE,) * 3, dtype="uint16", chunks=(BLOCK,) * 3, compressors=codec
        )

    def read(self, key: tuple[slice, ...]) -> Voxels:
        """Return voxels."""
        return np.asarray(self._array[key])

    def write(self, voxels: Voxels) -> None:
        """Store all voxels."""
        self._array[...] = voxels


def main() -> None:
    """Run all actions and print their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.n5", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each action is measured ({ROUNDS})")
    parser.add_argument("--compressions", nargs="+", choices=COMPRESSIONS, default=COMPRESSIONS, metavar="NAME")
    options = parser.parse_args()
    print(f"{'compression, other, action':34} {'other, MB/s':>12} {'pyvolume, MB/s':>15} {'ratio':>6} {'CPU':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for compression in options.compressions:
            _measure(Path(folder) / "voxels.n5" / compression, compression, options.rounds)


class Ours:
    """A volume of pyvolume."""

    def __init__(self, path: Path, compression: str) -> None:
        metadata = VoxelsMetadata.of((1, EDGE, EDGE, EDGE), "uint16")
        self._volume = DRIVER.create(str(path), metadata, chunks=(1, *(BLOCK,) * 3), compression=compression)

    def read(self, key: tuple[slice, ...]) -> Voxels:
        """Return voxels."""
        voxels: Voxels = self._volume[(0, *key)]
        return voxels

    def write(self, voxels: Voxels) -> None:
        """Store all voxels."""
        self._volume[0] = voxels


def _measure(path: Path, compression: str, rounds: int) -> None:
    """Compare with everybody who has this compression; TensorStore refuses the lz4 of N5, and zarr has none."""
    # noise of 30 around a value, as a camera gives it
    noise = np.random.default_rng(0).normal(1000, 30, (EDGE,) * 3)
    voxels = np.asfortranarray(noise.astype("uint16"))
    ours = Ours(path, compression)
    others: list[Any] = [Ours] if compression == "lz4" else [TensorStore, Zarr]
    for kind in others:
        other = ours if kind is Ours else kind(path, compression)
        _compare(f"{compression:6} {kind.__name__}", other, ours, voxels, rounds)


def _compare(name: str, other: Any, ours: Ours, voxels: Voxels, rounds: int) -> None:
    """Measure all actions."""
    corners = np.random.default_rng(1).integers(0, EDGE - SMALL, (READS, 3)).tolist()
    keys = [tuple(slice(n, n + SMALL) for n in corner) for corner in corners]
    everything = (slice(0, EDGE),) * 3
    in_order = np.ascontiguousarray(voxels) if isinstance(other, Zarr) else voxels
    for each in (other, ours):
        each.write(voxels)
        if not np.array_equal(each.read(everything), voxels):
            raise SystemExit("the voxels that were read are not those that were written")

    def read(array: Any) -> None:
        for key in keys:
            array.read(key)

    few = READS * SMALL**3 * voxels.itemsize
    whole = voxels.nbytes
    print_speeds(f"{name}, write 256³", whole, (lambda: other.write(in_order), lambda: ours.write(voxels)), rounds)
    print_speeds(f"{name}, read 256³", whole, (lambda: other.read(everything), lambda: ours.read(everything)), rounds)
    print_speeds(f"{name}, read {READS} × 64³", few, (lambda: read(other), lambda: read(ours)), rounds)


if __name__ == "__main__":
    main()
