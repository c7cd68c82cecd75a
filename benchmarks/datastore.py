"""``python -m benchmarks.datastore``: blocks of the HPC DataStore, by pyvolume and by plain requests, in one run."""

from __future__ import annotations

import argparse
import struct
from collections.abc import Callable, Iterator

import numpy as np
import requests
from numpy.typing import NDArray

from benchmarks.servers.start import running
from benchmarks.turns import compared
from pyvolume.hpc import DataStore, DataStoreVolume

ROUNDS = 11
EDGE, BLOCK = 256, 64
DTYPES = ("uint8", "uint16", "float32")

LEAST = 1.5
"""What reads want to reach beside plain requests."""

Voxels = NDArray[np.generic]


class Plain:
    """What one would write: requests, and `numpy.frombuffer` for each block; the same blocks in each request.

    Parameters
    ----------
    url : str
        Of the server.
    volume : DataStoreVolume
        What is read and written.
    """

    def __init__(self, url: str, volume: DataStoreVolume) -> None:
        self._session = requests.Session()
        self._prefix = f"{url}/datasets/{volume.name}/1/1/1/0"
        self._wire, self._dtype = volume.dtype.newbyteorder(">"), volume.dtype
        self._reads, self._writes = (
            [list(_blocks(step.box.start[1:], step.box.stop[1:])) for step in volume.plan(..., write=writes).steps]
            for writes in (False, True)
        )

    def read(self) -> Voxels:
        """Return all voxels."""
        voxels = np.empty((EDGE,) * 3, self._dtype, order="F")
        for batch in self._reads:
            data = self._session.get(self._prefix + _path(batch), timeout=60).content
            at = 0
            for block in batch:
                shape = struct.unpack_from(">3i", data, at)
                count = shape[0] * shape[1] * shape[2]
                found = np.frombuffer(data, self._wire, count, at + 12)
                voxels[_place(block)] = found.reshape(shape, order="F")
                at += 12 + found.nbytes
        return voxels

    def write(self, voxels: Voxels) -> None:
        """Store all voxels."""
        headers = {"Content-Type": "application/octet-stream"}
        for batch in self._writes:
            parts = [voxels[_place(block)] for block in batch]
            data = b"".join(
                struct.pack(">3i", *part.shape) + part.astype(self._wire).tobytes(order="F") for part in parts
            )
            self._session.post(self._prefix + _path(batch), data, headers=headers, timeout=60).raise_for_status()


def _blocks(start: tuple[int, ...], stop: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    x, y, z = ([*range(low // BLOCK, -(-high // BLOCK))] for low, high in zip(start, stop, strict=True))
    return ((i, j, k) for k in z for j in y for i in x)


def _path(batch: list[tuple[int, int, int]]) -> str:
    return "".join(f"/{x}/{y}/{z}/0/0/0" for x, y, z in batch)


def _place(block: tuple[int, int, int]) -> tuple[slice, ...]:
    return tuple(slice(n * BLOCK, (n + 1) * BLOCK) for n in block)


def main() -> None:
    """Run all actions and print their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datastore", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each action is measured ({ROUNDS})")
    options = parser.parse_args()
    with running("mock", {"kind": "hpc"}) as server, DataStore(server.url) as store:
        print(f"{'action':14} {'plain, MB/s':>12} {'pyvolume, MB/s':>15} {'ratio':>6}  wanted")
        for dtype in DTYPES:
            _measure(server.url, store, dtype, options.rounds)


def _measure(url: str, store: DataStore, dtype: str, rounds: int) -> None:
    dataset = store.create_dataset((EDGE,) * 3, dtype, levels=[((1, 1, 1), (BLOCK,) * 3)], compression="raw")
    volume = dataset.volume(timepoint=0, angle=0)
    voxels = np.asfortranarray(np.random.default_rng(0).integers(0, 200, volume.shape).astype(dtype))
    plain = Plain(url, volume)

    def write() -> None:
        volume[...] = voxels

    _row(f"write {dtype}", voxels.nbytes, lambda: plain.write(voxels[0]), write, rounds)
    if not (np.array_equal(plain.read(), voxels[0]) and np.array_equal(volume[...], voxels)):
        raise SystemExit("the voxels that were read are not those that were written")
    _row(f"read {dtype}", voxels.nbytes, plain.read, lambda: volume[...], rounds)


def _row(name: str, nbytes: int, plain: Callable[[], object], ours: Callable[[], object], rounds: int) -> None:
    """Print how fast both are, and the ratio."""
    found = compared(plain, ours, rounds)
    speeds = [nbytes / 1e6 / seconds for seconds in (found.first, found.second)]
    wanted = f"≥ {LEAST}" if name.startswith("read") else ""
    print(f"{name:14} {speeds[0]:12.0f} {speeds[1]:15.0f} {found.ratio:6.2f}  {wanted}", flush=True)


if __name__ == "__main__":
    main()
