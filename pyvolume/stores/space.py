"""Space on the disk, taken before it is needed: on a full disk HDF5 and writes to mapped memory end the process."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyvolume.model.units import readable

KEEP_SIZE = 1
"""What `fallocate` is told so that no file becomes longer."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What says that there is no space: on the disk, for this user, in one file."""


def reserve(path: Path, nbytes: int) -> None:
    """Take the space of a file that has no voxels yet, and make it so long.

    Raises
    ------
    OSError
        If there is not enough space.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, nbytes)
            except OSError as error:
                if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:  # the file system cannot
                    raise
            else:
                return
    check_free(path, nbytes)


def check_free(path: Path, nbytes: int) -> None:
    """Refuse what does not go onto the disk.

    Raises
    ------
    OSError
        If there is not enough space.
    """
    free = shutil.disk_usage(path.parent).free
    if free < nbytes:
        raise OSError(errno.ENOSPC, f"expected space for {readable(nbytes)}, and {readable(free)} are free")


def reserve_part(path: Path, start: int, nbytes: int) -> None:
    """Take the space of a part of a file that is mapped into memory, where the system can.

    `os.posix_fallocate` is not for files that others write to: where the file system has no such call, it writes zeros.

    Raises
    ------
    OSError
        If there is not enough space.
    """
    fallocate = _fallocate()
    if fallocate is None:
        return
    try:
        number = os.open(path, os.O_RDWR)
    except OSError:  # the file has another name now, or none
        return
    try:
        is_there = os.fstat(number).st_size >= start + nbytes
        failed = is_there and fallocate(number, KEEP_SIZE, ctypes.c_int64(start), ctypes.c_int64(nbytes))
    finally:
        os.close(number)
    if failed and ctypes.get_errno() in FULL:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@functools.cache
def _fallocate() -> Callable[..., Any] | None:
    """Return the function of the system, where it has one."""
    return getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None) if os.name == "posix" else None
