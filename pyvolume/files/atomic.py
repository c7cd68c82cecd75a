"""Files appear when they are complete."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pyvolume.errors import ExistsError

if sys.platform != "win32":
    import fcntl

SUFFIX = ".part"
"""How the name of a hidden folder ends in which a file is made."""

ABANDONED = 60
"""Seconds after which a hidden folder without a file is nobody's."""


@contextlib.contextmanager
def appearing(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give the same name in a hidden folder beside it. What is there moves to the path when the block ends well.

    Otherwise nothing is left, but for the hidden folder after the process is killed. The next call for the same path
    removes it.

    Parameters
    ----------
    path : Path
        The final name of the file.
    force : bool
        Replace a file that is there; a directory never.

    Raises
    ------
    ExistsError
        If something is there.
    FileNotFoundError
        If there is no folder for it.
    """
    if path.exists() and (path.is_dir() or not force):
        raise ExistsError(f"write {path}: it exists{'' if path.is_dir() else '; --force replaces it'}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"write {path}: there is no folder {path.parent}")
    # the name can be as long as names can be
    family = f".{path.name[:20]}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}-"
    for each in path.parent.iterdir():
        if each.name.startswith(family) and each.name.endswith(SUFFIX):
            _remove_if_left(each)
    folder = path.with_name(f"{family}{secrets.token_hex(4)}{SUFFIX}")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir()
        stack.enter_context(_held(folder, wait=True))
        yield folder / path.name
        (folder / path.name).replace(path)


def reserve(path: Path) -> None:
    """Take the whole space of a file that is mapped into memory: if the disk is full later, the process is killed.

    Raises
    ------
    OSError
        If there is not enough space.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:  # the file system cannot
                raise


def _remove_if_left(folder: Path) -> None:
    """Remove a folder whose process was killed. A process at work holds its own, from just before it has a file."""
    with contextlib.suppress(OSError), _held(folder, wait=False):
        if any(folder.iterdir()) or time.time() - folder.stat().st_mtime > ABANDONED:
            shutil.rmtree(folder)


if sys.platform == "win32":

    @contextlib.contextmanager
    def _held(folder: Path, *, wait: bool) -> Iterator[None]:
        if not wait:
            raise OSError(f"nothing tells who holds {folder}")
        yield

else:

    @contextlib.contextmanager
    def _held(folder: Path, *, wait: bool) -> Iterator[None]:
        """Hold a folder until the block or the process ends; without waiting an error says that another one does."""
        number = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError) if wait else contextlib.nullcontext():  # some file systems have no locks
                fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        finally:
            os.close(number)
