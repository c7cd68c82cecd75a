"""Streams: a file called ``-`` is the standard output or input, in the format ``.npy``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

STREAM = Path("-")


@contextmanager
def written_file(file: Path) -> Iterator[Path]:
    """Give the path to write to. What is there when the block ends well goes to the standard output, for ``-``.

    Raises
    ------
    UsageError
        If the standard output is a terminal.
    """
    if file != STREAM:
        yield file
        return
    if sys.stdout.isatty():
        raise click.UsageError("-: expected a file or a pipe for voxels, not a terminal", click.get_current_context())
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, "voxels.npy")
        yield part
        with part.open("rb") as voxels:
            shutil.copyfileobj(voxels, sys.stdout.buffer)


@contextmanager
def read_file(file: Path) -> Iterator[Path]:
    """Give the path to read from: a copy of the standard input, for ``-``."""
    if file != STREAM:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, "voxels.npy")
        with part.open("wb") as voxels:
            shutil.copyfileobj(sys.stdin.buffer, voxels)
        yield part
