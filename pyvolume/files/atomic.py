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

from pyvolume.errors import ExistsError, PyVolumeError
from pyvolume.stores.space import FULL

if sys.platform != "win32":
    import fcntl

SUFFIX = ".part"
"""How the name of a hidden folder ends in which a file is made."""

OF_FILES = FULL | {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}
"""What the system says about files, and not about connections."""

ABANDONED = 60
"""Seconds after which a hidden folder without a file is nobody's."""


@contextlib.contextmanager
def appearing(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give the same name in a hidden folder beside it. What is there gets the path when the block ends well.

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
        If something is there, at the beginning or at the end.
    OSError
        If the disk is full, the folder is not for this user, or the hidden one vanishes; it names the file.
    FileNotFoundError
        If there is no folder for it.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_told(path))
        folder = _hidden(path, force=force)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir()
        stack.enter_context(_held(folder, wait=True))
        yield folder / path.name
        _publish(folder / path.name, path, force=force)


def _hidden(path: Path, *, force: bool) -> Path:
    """Name a hidden folder for a file, and remove what others left there."""
    if os.path.lexists(path) and (path.is_dir() or not force):
        raise _taken(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"write {path}: there is no folder {path.parent}")
    # the name can be as long as names can be
    family = f".{path.name[:20]}-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}-"
    for each in path.parent.iterdir():
        if each.name.startswith(family) and each.name.endswith(SUFFIX):
            _remove_if_left(each)
    return path.with_name(f"{family}{secrets.token_hex(4)}{SUFFIX}")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Name the file, not the hidden one, in what the system says about files."""
    try:
        yield
    except PyVolumeError:
        raise
    except OSError as error:
        names_hidden = any(each.endswith(SUFFIX) for each in Path(str(error.filename)).parts)
        if error.errno not in OF_FILES and not names_hidden:
            raise
        raise OSError(error.errno, f"write {path}: {error.strerror}") from error


def _publish(part: Path, path: Path, *, force: bool) -> None:
    """Give the name to what is complete, unless somebody else has taken it in the meantime."""
    try:
        if part.is_dir():
            if force:
                path.unlink(missing_ok=True)
            path.mkdir()
            _fill(part, path)
        elif force:
            part.replace(path)
        else:
            _link(part, path)
    except (FileExistsError, IsADirectoryError) as error:
        raise _taken(path) from error


def _link(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # some file systems have no links
        path.open("xb").close()
        _fill(part, path)


def _fill(part: Path, taken: Path) -> None:
    """Put what is complete in the place of an empty file or folder, which nobody keeps if that fails."""
    try:
        part.replace(taken)
    except BaseException:
        with contextlib.suppress(OSError):
            if taken.is_dir():
                taken.rmdir()
            elif not taken.stat().st_size:
                taken.unlink()
        raise


def _taken(path: Path) -> ExistsError:
    way_out = "" if path.is_dir() else "; mode='w' replaces it, in a shell --force"
    return ExistsError(f"write {path}: it exists{way_out}")


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
