"""``python -m benchmarks.points``: voxels at random points, beside a script, TensorStore and zarr that fetch blocks."""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib
import statistics
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import pyvolume
from benchmarks.contenders.arrays import by_tensorstore, by_zarr
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import Server, proxy_to, running
from pyvolume.calls.holds import Concurrency

EDGE, BLOCK, THREADS, ROUNDS = 512, 64, 4, 3
POINTS = (10_000, 200)
LINES = {"direct": Line(), "20 ms": Line(latency=0.02)}

Points = NDArray[np.int64]
"""A row for each axis."""

Voxels = NDArray[np.uint8]

Read = Callable[[Points], Voxels]


class Far(NamedTuple):
    """Where the voxels are: a volume of DVID, and an array of zarr, each behind a line."""

    volume: str
    dvid: Server
    files: Server


class Cost(NamedTuple):
    """What a read has cost."""

    seconds: float
    requests: int


@contextlib.contextmanager
def ours(far: Far, concurrency: Concurrency) -> Iterator[Read]:
    """Read with pyvolume."""
    with (
        pyvolume.Connection(far.dvid.url, concurrency=concurrency) as connection,
        pyvolume.open(far.volume, connection=connection) as volume,
    ):
        yield lambda points: np.asarray(volume[0, points[0], points[1], points[2]])


@contextlib.contextmanager
def script(far: Far) -> Iterator[Read]:
    """Read one block for each cell that holds points, in threads, each with a connection of its own."""
    host = urllib.parse.urlsplit(far.dvid.url).netloc
    _, version, name = far.volume.rsplit("/", 2)

    def read(points: Points) -> Voxels:
        result = np.empty(points.shape[1], np.uint8)
        cells, members = np.unique(points // BLOCK, axis=1, return_inverse=True)
        order = np.argsort(members.ravel(), kind="stable")
        ends = np.searchsorted(members.ravel()[order], np.arange(cells.shape[1]), side="right")

        def some(first: int) -> None:
            connection = http.client.HTTPConnection(host)
            for number in range(first, cells.shape[1], THREADS):
                offset = cells[:, number] * BLOCK
                path = f"/api/node/{version}/{name}/raw/0_1_2/{BLOCK}_{BLOCK}_{BLOCK}/{'_'.join(map(str, offset))}"
                connection.request("GET", path)
                block = np.frombuffer(connection.getresponse().read(), np.uint8).reshape((BLOCK,) * 3, order="F")
                inside = order[ends[number - 1] if number else 0 : ends[number]]
                result[inside] = block[tuple(points[:, inside] - offset[:, np.newaxis])]
            connection.close()

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(some, range(THREADS)))
        return result

    yield read


@contextlib.contextmanager
def tensorstore(far: Far) -> Iterator[Read]:
    """Read the array of zarr with TensorStore, nothing cached."""
    array = by_tensorstore(f"{far.files.url}/array")
    yield lambda points: np.asarray(array.vindex[points[0], points[1], points[2]].read().result())


@contextlib.contextmanager
def zarr(far: Far) -> Iterator[Read]:
    """Read the array of zarr with zarr and obstore."""
    with by_zarr(f"{far.files.url}/array", 64) as array:
        yield lambda points: np.asarray(array.get_coordinate_selection(tuple(points)))


CONTENDERS: dict[str, Callable[[Far], contextlib.AbstractContextManager[Read]]] = {
    "pyvolume, 4 at once": lambda far: ours(far, 4),
    "pyvolume, auto": lambda far: ours(far, "auto"),
    "script, 4 threads": script,
    "tensorstore": tensorstore,
    "zarr and obstore": zarr,
}


def main() -> None:
    """Measure all contenders on all lines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.points", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is measured ({ROUNDS})")
    parser.add_argument("--points", type=int, nargs="+", default=POINTS, help="how many of them, in a volume of 512³")
    parser.add_argument("--url", help="a DVID server instead of the bundled mock")
    options = parser.parse_args()
    voxels = np.random.default_rng(0).integers(0, 255, (EDGE,) * 3, "uint8")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _fill_folder(folder, voxels)
        url = options.url or stack.enter_context(running("mock")).url
        volume = _fill_server(url, voxels)
        files = stack.enter_context(running("files", {"root": folder}))
        for number in options.points:
            points = np.random.default_rng(1).integers(0, EDGE, (3, number))
            cells = np.unique(points // BLOCK, axis=1).shape[1]
            print(f"{number} points in {cells} blocks{'':12}{'seconds':>9}{'first':>9}{'requests':>9}")
            for title, line in LINES.items():
                with proxy_to(url, line) as dvid, proxy_to(files.url, line) as served:
                    front = volume.replace(url.partition("//")[2], dvid.url.partition("//")[2])
                    for name, opened in CONTENDERS.items():
                        with opened(Far(front, dvid, served)) as read:
                            costs = [_cost(read, points, voxels, (dvid, served)) for _ in range(options.rounds + 1)]
                        median = statistics.median(cost.seconds for cost in costs[1:])
                        print(
                            f"{title:8}{name:26}{median:9.3f}{costs[0].seconds:9.3f}{costs[-1].requests:9}", flush=True
                        )


def _cost(read: Read, points: Points, voxels: Voxels, far: tuple[Server, ...]) -> Cost:
    for server in far:
        server.ask("requests")
    began = time.perf_counter()
    found = read(points)
    seconds = time.perf_counter() - began
    if not np.array_equal(found, voxels[tuple(points)]):
        raise RuntimeError("points: the voxels are not those of the volume")
    return Cost(seconds, sum(int(server.ask("requests")) for server in far))


def _fill_server(url: str, voxels: Voxels) -> str:
    repo = pyvolume.connect(url).create_repo(f"points {time.time():.0f}")
    with repo.create_volume("gray", voxels.shape, "uint8") as volume:
        volume[0] = voxels
        return str(volume.store.address)


def _fill_folder(folder: Path, voxels: Voxels) -> None:
    library: Any = importlib.import_module("zarr")
    array = library.create_array(
        folder / "array", shape=voxels.shape, chunks=(BLOCK,) * 3, dtype="u1", compressors=None
    )
    array[...] = voxels


if __name__ == "__main__":
    main()
