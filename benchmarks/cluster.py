"""``python -m benchmarks.cluster``: copies in threads and on clusters of this machine, in one run."""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import pyvolume
from benchmarks.servers.shaping import Line
from benchmarks.servers.start import proxy_to, running
from benchmarks.turns import seconds_of
from pyvolume.dvid import Identity, Server
from pyvolume.integrations.distributed import ClusterWorkers, run_on
from pyvolume.model.box import Box
from pyvolume.transfer.pieces import Step

ROUNDS = 3
SHAPE = (1024, 512, 512)
LINES = {"50 MB/s": Line(per_connection=50e6), "loopback": Line()}
THREADS = (1, 4, 8)
CLUSTERS = ((2, 1), (4, 1), (8, 1), (2, 4))
"""Workers, and threads of each."""

STEPS = 200
"""Tasks of which the cost without any voxel is measured."""

Copying = Callable[[pyvolume.Volume, pyvolume.Volume], object]


def main() -> None:
    """Run all copies and print their speeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each copy is measured ({ROUNDS})")
    parser.add_argument("--url", help="a DVID server without a password instead of the bundled mock")
    parser.add_argument("--admin-token", help="of that server")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = options.url or stack.enter_context(running("mock")).url
        names = _filled(url, options.admin_token)
        lines = {name: stack.enter_context(proxy_to(url, line)).url for name, line in LINES.items()}
        print(f"{'copied by':26} {'line':9} {'pieces':>6} {'s':>7} {'MB/s':>6}")
        for count in THREADS:
            copying = functools.partial(pyvolume.copy, concurrency=count)
            _row(f"{count} threads", lines, names, options.rounds, copying)
        for workers, threads in CLUSTERS:
            with _cluster(workers, threads) as client:
                copying = functools.partial(pyvolume.copy, client=client)
                _row(f"{workers} workers of {threads} threads", lines, names, options.rounds, copying)
        with _cluster(2, 1) as client:
            print(
                f"a task without voxels takes {1e3 * _seconds_of_a_task(client):.1f} ms of the scheduler and the caller"
            )


@contextlib.contextmanager
def _cluster(workers: int, threads: int) -> Iterator[Client]:
    options: dict[str, Any] = {"processes": True, "dashboard_address": "127.0.0.1:0", "silence_logs": "ERROR"}
    with (
        LocalCluster(n_workers=workers, threads_per_worker=threads, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(workers)
        client.run(__import__, "pyvolume.dvid.voxels")
        yield client


def _filled(url: str, admin_token: str | None) -> tuple[str, str]:
    """Make a volume of noise and an empty one, and return the ends of their addresses."""
    with Server(pyvolume.Connection(url, auth=Identity(admin_token=admin_token))) as server:
        repo = server.create_repo("cluster", duplicate_alias=True)
        volumes = [repo.create_volume(name, SHAPE, "uint8", block_shape=(64, 64, 64)) for name in ("noise", "copy")]
        volumes[0][...] = np.random.default_rng(0).integers(0, 256, volumes[0].shape, "uint8")
        server.connection.close()
        return f"{repo.root_uuid}/noise", f"{repo.root_uuid}/copy"


def _row(name: str, lines: dict[str, str], names: tuple[str, str], rounds: int, copying: Copying) -> None:
    for line, url in lines.items():
        with pyvolume.Connection(url, concurrency=max(THREADS)) as connection:
            noise, copy = (pyvolume.open(f"dvid://{url}/{each}", "r+", connection=connection) for each in names)
            pieces: list[object] = []
            with pyvolume.set_options(progress=pieces.append):
                copying(noise, copy)
            again = functools.partial(copying, noise, copy)
            seconds = statistics.median(seconds_of(again) for _ in range(rounds))
            print(f"{name:26} {line:9} {len(pieces):6} {seconds:7.2f} {noise.nbytes / seconds / 1e6:6.0f}", flush=True)


def _seconds_of_a_task(client: Client) -> float:
    """Return what a task costs that moves nothing."""
    workers = ClusterWorkers(client, None, bool)
    steps = [Step(Box((n,), (n + 1,))) for n in range(STEPS)]
    seconds = seconds_of(lambda: run_on(workers, steps, lambda _: int, lambda _, result: result(), bool))
    return seconds / STEPS


if __name__ == "__main__":
    main()
