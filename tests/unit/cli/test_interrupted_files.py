"""`get` that is stopped or killed, in any format, leaves nothing that looks like a file."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
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
from pyvolume.cli.exit_codes import sentence
from pyvolume.errors import ClosedError, ExistsError, StoreError
from pyvolume.files import formats
from pyvolume.files.atomic import appearing
from pyvolume.files.description import Description

ROOT = Path(__file__).parents[3]
SUFFIXES = ["npy", "npz", "h5", "zarr", "tif", "ome.tif", "nii.gz"]
PLACE = Description("cxyz", "cxyz", (0,) * 4, (1,) * 4)
INTERRUPTED = [
    *((suffix, signal.SIGINT) for suffix in SUFFIXES),
    *itertools.product(["npy", "zarr"], [signal.SIGTERM, signal.SIGHUP]),
]
"""Every format, and every signal with a file and with a folder."""


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


@pytest.mark.parametrize(("suffix", "number"), INTERRUPTED)
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
    with contextlib.ExitStack() as slower:
        first = slower.enter_context(appearing(path))
        first.write_text("whole")
        with appearing(path) as second:
            second.write_text("complete")
        assert first.read_text() == "whole"
        with pytest.raises(ExistsError, match="it exists; mode='w' replaces it, in a shell --force"):
            slower.close()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "complete"


def test_zarr_writes_nothing_after_an_interrupt(tmp_path: Path) -> None:
    path = tmp_path / "cut.zarr"
    targets: list[Any] = []

    def write(target: Any, voxels: Any) -> None:
        with contextlib.suppress(ClosedError, StoreError):  # the interrupt may come first
            target[...] = voxels

    def interrupted() -> None:
        with formats.create(path, (1, 256, 256, 256), np.dtype("uint8"), PLACE) as target:
            targets.append(target)
            whole = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 256), "uint8")
            threading.Thread(target=write, args=(target, whole)).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ClosedError):
        targets[0][...] = 1
    assert list(tmp_path.iterdir()) == []


def tree(folder: Path) -> dict[str, bytes | str]:
    """Return what a folder holds: the content of files, the kind of others."""
    kinds = {each: "link" if each.is_symlink() else "folder" for each in folder.rglob("*")}
    return {str(each.relative_to(folder)): each.read_bytes() if each.is_file() else kinds[each] for each in kinds}


APPEARING: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_bytes(b"mine"),
    "an empty folder": lambda path: path.mkdir(),
    "a folder": lambda path: shutil.copytree(Path(__file__).parent, path),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("suffix", ["npy", "zarr"])
@pytest.mark.parametrize("what", APPEARING)
def test_what_appears_while_a_file_is_made_is_not_replaced(tmp_path: Path, suffix: str, what: str) -> None:
    path = tmp_path / f"cut.{suffix}"

    def make() -> None:
        with formats.create(path, (1, 4, 4, 4), np.dtype("uint8"), PLACE) as target:
            target[:, :, :, :] = np.ones((1, 4, 4, 4), "uint8")
            APPEARING[what](path)

    def make_again() -> None:
        with appearing(path):
            raise AssertionError("it begins")

    with pytest.raises(ExistsError, match="it exists"):
        make()
    with pytest.raises(ExistsError, match="it exists"):
        make_again()
    (tmp_path / "other").mkdir()
    APPEARING[what](tmp_path / "other" / path.name)
    expected = tree(tmp_path / "other")
    shutil.rmtree(tmp_path / "other")
    assert tree(tmp_path) == expected


@pytest.mark.parametrize("suffix", ["npy", "zarr"])
def test_force_replaces_a_file_whenever_it_came(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(b"old")
    with formats.create(path, (1, 4, 4, 4), np.dtype("uint8"), PLACE, force=True) as target:
        target[:, :, :, :] = np.ones((1, 4, 4, 4), "uint8")
        assert path.read_bytes() == b"old"
    with formats.read(path) as stored:
        assert np.asarray(stored.array[:, :, :, :]).all()


def test_a_file_system_without_links_replaces_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    def make(name: str, meanwhile: bytes) -> None:
        with appearing(tmp_path / name) as part:
            part.write_bytes(b"whole")
            if meanwhile:
                (tmp_path / name).write_bytes(meanwhile)

    monkeypatch.setattr("os.link", refuse)
    make("a", b"")
    with pytest.raises(ExistsError):
        make("b", b"mine")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a": b"whole", "b": b"mine"}


@pytest.mark.parametrize("name", ["cut.npy", "cut.zarr"])
def test_a_hidden_folder_that_vanishes_leaves_no_empty_file(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(FileNotFoundError, match=rf"^\[Errno 2\] write {tmp_path / name}: "),
        appearing(tmp_path / name) as part,
    ):
        shutil.rmtree(part.parent)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_given_its_name_leaves_no_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt), appearing(tmp_path / "cut.zarr") as part:
        part.mkdir()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES])
def test_what_the_system_refuses_names_the_file(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match=r"write \S*/cut\.npy: ") as caught, appearing(tmp_path / "cut.npy") as part:
        raise OSError(number, os.strerror(number), str(part))
    assert caught.value.errno == number
    assert sentence(caught.value) == f"write {tmp_path / 'cut.npy'}: {os.strerror(number)}"
    assert list(tmp_path.iterdir()) == []
