"""``python -m benchmarks.label_lines``: a segmentation of a server, read with each compression over several lines."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import urllib.request
from functools import partial

import numpy as np
from numpy.typing import NDArray

import pyvolume
from benchmarks.segmentation import segmentation
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import Server, running
from benchmarks.turns import seconds_of

ROUNDS = 5
SIDE, NAME = 256, "segmentation"
LINES = {"1 Gb/s": Line(shared=125e6), "10 Gb/s": Line(shared=1.25e9), "loopback": Line()}
COMPRESSIONS = ("none", "lz4", "gzip", "google", "blocks")
WANTED = {("1 Gb/s", "lz4"): "10", ("10 Gb/s", "lz4"): "1.8"}
"""How many times as fast as without a compression."""

Voxels = NDArray[np.uint64]


def main() -> None:
    """Read with all compressions over all lines, and print the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_lines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each read is measured ({ROUNDS})")
    parser.add_argument("--side", type=int, default=SIDE, help=f"of the segmentation, a multiple of 256 ({SIDE})")
    parser.add_argument("--url", help="a DVID server that is running; the mock server by default")
    options = parser.parse_args()
    voxels = segmentation(options.side)[np.newaxis]
    print(f"{options.side}³ voxels, answers from memory, medians of {options.rounds} rounds")
    print(f"{'line, compression':20} {'1 / bytes':>10} {'MB/s':>8} {'/ none':>7} {'wanted':>7}")
    with contextlib.ExitStack() as stack:
        url = options.url or stack.enter_context(running("mock")).url
        path = _written(url, voxels)
        for name, line in LINES.items():
            server = stack.enter_context(running("kept", {"target": url, **line.options()}))
            _measure(name, server, path, voxels, options.rounds)


def _written(url: str, voxels: Voxels) -> str:
    """Put voxels into a new instance of labels, and return its place on the server."""
    repo = pyvolume.dvid.Server(url).create_repo("labels", duplicate_alias=True)
    document = json.dumps({"typename": "labelmap", "dataname": NAME}).encode()
    with urllib.request.urlopen(f"{url}/api/repo/{repo.root_uuid}/instance", document, timeout=60):
        place = f"{repo.root_uuid}/{NAME}"
    with pyvolume.open(f"dvid://{url}/{place}", "r+") as volume:
        volume.post_ndarray((0,) * 4, voxels.shape, voxels)
    return place


def _measure(line: str, server: Server, place: str, voxels: Voxels, rounds: int) -> None:
    """Read with each compression in turn; a round before the first one fills the memory of the server."""
    out = np.zeros_like(voxels)
    seconds: dict[str, list[float]] = {compression: [] for compression in COMPRESSIONS}
    nbytes: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        volumes = {
            each: stack.enter_context(pyvolume.open(f"dvid://{server.url}/{place}", compression=each))
            for each in COMPRESSIONS
        }
        box = pyvolume.Box((0,) * 4, voxels.shape)
        for number, each in itertools.product(range(rounds + 1), COMPRESSIONS):
            server.ask("bytes")
            taken = seconds_of(partial(volumes[each].read, box, out=out))
            nbytes[each] = int(server.ask("bytes"))
            if number:
                seconds[each].append(taken)
            elif not np.array_equal(out, voxels):
                raise SystemExit(f"the voxels that were read with {each} are not those that were written")
    for each in COMPRESSIONS:
        ratio = statistics.median(a / b for a, b in zip(seconds["none"], seconds[each], strict=True))
        speed = voxels.nbytes / 1e6 / statistics.median(seconds[each])
        wanted = WANTED.get((line, each), "")
        label = f"{line}, {each}"
        print(f"{label:20} {voxels.nbytes / nbytes[each]:10.1f} {speed:8.0f} {ratio:7.2f} {wanted:>7}", flush=True)


if __name__ == "__main__":
    main()
