"""``python -m benchmarks.labels``: a segmentation as native blocks of DVID, and as lz4, beside a copy of its voxels."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.segmentation import segmentation
from benchmarks.turns import compared
from pyvolume.codecs.raw import flat_bytes
from pyvolume.dvid.labels import blocks

ROUNDS = 5
SIDE, BLOCK = 512, 64

SLAB_BYTES = 4 << 20
"""What is decompressed at once, in the memory of which the next one is decompressed."""

WHOLE_BYTES = 128 << 20

Voxels = NDArray[np.uint64]
Ways = tuple[Callable[[], object], Callable[[], object]]


def main() -> None:
    """Run all actions and print their ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labels", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each action is measured ({ROUNDS})")
    parser.add_argument("--side", type=int, default=SIDE, help=f"of the segmentation, a multiple of 256 ({SIDE})")
    options = parser.parse_args()
    voxels = segmentation(options.side)
    print(f"{options.side}³ voxels, {len(np.unique(voxels[::8, ::8, ::8]))} labels")
    print(
        f"{'first way, second way':44} {'first, MB/s':>12} {'second, MB/s':>12} {'ratio':>6} {'CPU':>6} {'wanted':>9}"
    )
    _native_blocks(voxels, options.rounds)
    _lz4(voxels.reshape(-1, order="F")[: WHOLE_BYTES // 8], options.rounds)


def _row(name: str, nbytes: int, ways: Ways, rounds: int, wanted: str) -> None:
    """Print how fast two ways are, and the ratio of the speed of the second one to that of the first one."""
    found = compared(*ways, rounds)
    speeds = [nbytes / 1e6 / seconds for seconds in (found.first, found.second)]
    ratios = f"{found.ratio:6.3f} {found.processor:6.3f}"
    print(f"{name:44} {speeds[0]:12.0f} {speeds[1]:12.0f} {ratios} {wanted:>9}", flush=True)


def _native_blocks(voxels: Voxels, rounds: int) -> None:
    """Compare the codec with a copy of the same voxels, block by block, in one thread."""
    places = [
        tuple(slice(n, n + BLOCK) for n in corner)
        for corner in itertools.product(range(0, len(voxels), BLOCK), repeat=3)
    ]
    out = np.zeros_like(voxels)
    encoded = [blocks.encode(voxels[place]) for place in places]

    def copy() -> None:
        for place in places:
            out[place] = voxels[place]

    def encode() -> None:
        for place in places:
            blocks.encode(voxels[place])

    def decode() -> None:
        for place, data in zip(places, encoded, strict=True):
            blocks.decode(data, out[place])

    decode()
    if not np.array_equal(out, voxels):
        raise SystemExit("the voxels that were decoded are not those that were encoded")
    _row("a copy, decoding native blocks of 64³", voxels.nbytes, (copy, decode), rounds, "150 MB/s")
    _row("a copy, encoding native blocks of 64³", voxels.nbytes, (copy, encode), rounds, "60 MB/s")
    print(f"  native blocks have 1/{voxels.nbytes / sum(map(len, encoded)):.0f} of the bytes")


def _lz4(voxels: Voxels, rounds: int) -> None:
    """Compare lz4 of everything at once with lz4 in slabs that are decompressed into their place."""
    import lz4.block

    slabs = [slice(n, n + SLAB_BYTES // 8) for n in range(0, len(voxels), SLAB_BYTES // 8)]
    out = np.zeros_like(voxels)
    whole, parts = _packed(voxels), [_packed(voxels[slab]) for slab in slabs]

    def decompress(data: bytes, place: slice) -> None:
        size = out[place].nbytes
        out[place] = np.frombuffer(lz4.block.decompress(data, uncompressed_size=size), np.uint64)

    def at_once() -> None:
        decompress(whole, slice(None))

    # in threads, as a transfer does; the memory of the main thread can be mapped anew for each slab
    for count, wanted in ((1, "3"), (2, "")):
        with ThreadPoolExecutor(count) as threads:
            in_slabs = partial(_finish, threads, decompress, parts, slabs)
            name = f"lz4 of {voxels.nbytes >> 20} MiB, in slabs of 4 MiB, {count} thread{'s' * (count > 1)}"
            _row(name, voxels.nbytes, (at_once, in_slabs), rounds, wanted)
    if not np.array_equal(out, voxels):
        raise SystemExit("the voxels that were decompressed are not those that were compressed")
    print(f"  lz4 has 1/{voxels.nbytes / len(whole):.0f} of the bytes")


def _finish(threads: Executor, function: Callable[..., None], *arguments: Iterable[object]) -> None:
    for _ in threads.map(function, *arguments):
        pass


def _packed(voxels: Voxels) -> bytes:
    import lz4.block

    packed: bytes = lz4.block.compress(flat_bytes(voxels), store_size=False)
    return packed


if __name__ == "__main__":
    main()
