"""`get` that is stopped or killed, in any format, leaves nothing that looks like a file."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mockserver import Fault, MockServer
from pyvolume.files import formats
from pyvolume.files.atomic import appearing
from pyvolume.files.description import Description

ROOT = Path(__file__).parents[3]
SUFFIXES = ["npy", "npz", "h5", "zarr", "tif", "ome.tif", "nii.gz"]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def server() -> Iterator[MockServer]:
    """Give a server that answers no request for voxels."""
    with MockServer({"gray": np.ones((1, 64, 64, 64), "uint8")}) as server:
        server.faults.add(Fault("stall", path=".*/raw/.*", times=None))
        yield server


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for something that another process does and nothing tells."""
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.002)


def started(server: MockServer, path: Path) -> subprocess.Popen[str]:
    """Start a `get`, and wait until it makes the file."""
    arguments = ["get", f"dvid://{server.url}/:master/gray", str(path)]
    process = subprocess.Popen([sys.executable, "-m", "pyvolume.cli", *arguments], cwd=ROOT, stderr=-1, text=True)
    wait_until(lambda: list(path.parent.iterdir()))
    return process


def has_asked(server: MockServer) -> bool:
    return any("/raw/" in request.path for request in list(server.requests))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_nothing_but_one_line(
    server: MockServer, tmp_path: Path, suffix: str, number: signal.Signals
) -> None:
    with started(server, tmp_path / f"cut.{suffix}") as process:
        wait_until(lambda: has_asked(server))
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert said.strip().startswith("pyvolume: ")
    assert said.strip().count("\n") == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["h5", "zarr"])
def test_a_killed_run_leaves_a_hidden_name_that_the_next_removes(
    server: MockServer, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"cut.{suffix}"
    with started(server, path) as process:
        wait_until(lambda: has_asked(server))
        process.kill()
    (left,) = tmp_path.iterdir()
    assert (left.name[0], left.suffix) == (".", ".part")
    with appearing(path) as part:
        assert list(tmp_path.iterdir()) == [part.parent]
        part.write_text("whole")
    assert list(tmp_path.iterdir()) == [path]


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    with appearing(path) as first, appearing(path) as second:
        for part in (first, second):
            part.write_text("whole")
        assert first != second
    assert list(tmp_path.iterdir()) == [path]


def test_zarr_writes_nothing_after_an_interrupt(tmp_path: Path) -> None:
    path = tmp_path / "cut.zarr"
    targets: list[Any] = []

    def write(target: Any, voxels: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the interrupt may come first
            target[...] = voxels

    def interrupted() -> None:
        described = Description("cxyz", "cxyz", (0,) * 4, (1,) * 4)
        with formats.create(path, (1, 256, 256, 256), np.dtype("uint8"), described) as target:
            targets.append(target)
            whole = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 256), "uint8")
            threading.Thread(target=write, args=(target, whole)).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError):
        targets[0][...] = 1
    assert list(tmp_path.iterdir()) == []
