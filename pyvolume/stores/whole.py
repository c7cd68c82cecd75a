"""Files of blocks: nobody reads a half of one, or takes one that cannot be read for a block without voxels."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence

from pyvolume.errors import AnswerError

PART = ".part"
"""How the name of a file ends while it is written; the name begins with a dot."""

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def store_whole(path: str, parts: Sequence[bytes | memoryview]) -> None:
    """Write a file under another name, which then gets its own; missing folders are made.

    Parameters
    ----------
    path : str
        Of the file.
    parts : sequence of bytes or memoryview
        Its content, one part after the other.

    Raises
    ------
    OSError
        If it cannot be written; what was there stays.
    """
    folder, _, name = path.rpartition("/")
    part = f"{folder}/.{name}-{secrets.token_hex(4)}{PART}"
    try:
        _write(part, parts)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - one for each block
        _write(part, parts)
    try:
        os.replace(part, path)  # noqa: PTH105
    except BaseException:
        _remove(part)
        raise


def check_absent(path: str) -> None:
    """Refuse a link to a file that is not there, as tools for data have it whose files were not fetched.

    Raises
    ------
    AnswerError
        If there is such a link, or something else is there that is no file.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if os.path.islink(path):  # noqa: PTH114
        target = os.readlink(path)  # noqa: PTH115
        raise AnswerError(f"read {path}: it is a link to {target}, which is not there; fetch that file first")
    raise AnswerError(f"read {path}: expected a file and found a folder")


def _write(path: str, parts: Sequence[bytes | memoryview]) -> None:
    number = os.open(path, _WRITE, 0o666)
    try:
        try:
            for part in parts:
                rest = memoryview(part)
                while len(rest):
                    rest = rest[os.write(number, rest) :]
        finally:
            os.close(number)
    except BaseException:
        _remove(path)
        raise


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108
