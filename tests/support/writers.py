"""Writers in processes of their own, with locks in files: functions that can be pickled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

import pyvolume


def lock_in(folder: Path) -> Callable[[str], FileLock]:
    """Return a `lock=` whose locks are files in a folder."""
    return functools.partial(_lock, folder)


def _lock(folder: Path, name: str) -> FileLock:
    return FileLock(folder / name, poll_interval=0.002)


def write_rows(url: str, folder: Path, first: int, step: int, value: int) -> None:
    """Write every row `first`, `first + step`, … along y of a volume, a request each: none fills a block."""
    with pyvolume.open(url, mode="r+", lock=lock_in(folder)) as volume:
        for y in range(first, volume.shape[2], step):
            volume[0, :, y, 3:] = value
