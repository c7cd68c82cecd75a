"""Writers in processes of their own: functions that can be pickled."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

import pyvolume
from pyvolume import Box
from pyvolume.errors import SelectionError


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


def grow(url: str, uuid: str, number: int) -> None:
    """Make a volume larger, again and again, as one of several processes."""
    with pyvolume.Connection(url) as connection:
        for step in range(1, 9):
            volume = pyvolume.dvid.VoxelsAccessor(connection, uuid, "gray")
            at = (number * 8 + step) * 32
            if number % 2:
                volume[:, at : at + 5, 0:5, 0:5] = number
            else:
                extend(volume, Box((0, -at, 0, 0), (1, 5, 5, 5)))


def extend(volume: pyvolume.dvid.VoxelsAccessor, box: Box) -> None:
    """Ask for larger bounds until no other process has been quicker."""
    while not volume.bounds.contains(box):
        with contextlib.suppress(SelectionError):
            volume.set_extents(volume.bounds.union(box))
