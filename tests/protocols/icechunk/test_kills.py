"""A process that is killed during commits: the repository has the commit, or it has it not, and goes on."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import pyvolume
from pyvolume.icechunk import IcechunkVolume, Repo

KILLS = 20
SHAPE = (1, 64, 32, 32)
CHUNKS = (1, 16, 16, 16)

FAST: Any = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
"""Begins processes that have imported most of what they need."""


def commit_all_the_time(url: str, value: int, told: Connection) -> None:
    """Commit other voxels and an attribute in another process, until it is killed."""
    with pyvolume.open(url, "r+", kind=IcechunkVolume) as volume:
        while True:
            value = value % 250 + 1
            volume[...] = value
            volume.attrs["value"] = value
            told.send(value)
            volume.commit(f"value {value}")


def killed(url: str, value: int, seconds: float) -> int:
    """Let a process commit for a while, kill it, and return what it wanted to commit last."""
    heard, told = FAST.Pipe(duplex=False)
    child = FAST.Process(target=commit_all_the_time, args=(url, value, told))
    child.start()
    told.close()
    last: int = heard.recv()
    time.sleep(seconds)
    child.kill()
    child.join()
    with contextlib.suppress(EOFError):
        while True:
            last = heard.recv()
    return last


def test_nothing_is_half_committed(tmp_path: Path) -> None:
    url, rng = f"icechunk://{tmp_path}/brain:main/gray", random.Random(0)
    with pyvolume.create(url, SHAPE, "uint8", chunks=CHUNKS) as volume:
        volume[...] = 1
        volume.attrs["value"] = 1  # type: ignore[attr-defined]
        volume.commit("value 1")  # type: ignore[attr-defined]
    FAST.set_forkserver_preload(["pyvolume.zarr.accessor"])  # after an import of icechunk 2 no fork works
    value, versions = 1, 3
    for _ in range(KILLS):
        last = killed(url, value, rng.uniform(0, 0.08))  # a commit takes some 20 ms
        with pyvolume.open(url, kind=IcechunkVolume) as read:
            found = np.unique(read[...]).tolist()
            assert found in ([last], [(last - 2) % 250 + 1])
            assert dict(read.attrs) == {"value": found[0]}
            assert read.version.info().note == f"value {found[0]}"
            value = found[0]
        with pyvolume.connect(url.partition(":main")[0], kind=Repo) as repo:
            assert len(repo.versions()) >= versions
            versions = len(repo.versions())
    with pyvolume.open(url, "r+", commit="after all kills") as volume:
        volume[...] = 251
    assert pyvolume.open(url)[...].min() == 251
