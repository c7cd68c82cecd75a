"""Files get their names when they are complete."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyvolume.local.documents import text_of
from pyvolume.local.processes import host, is_gone

_TEMPORARY = re.compile(r"\.pyvolume-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\b.*")

ABANDONED = 86400
"""Seconds after which a temporary file of another machine is nobody's."""


def temporary(folder: Path, suffix: str = "") -> Path:
    """Name a new file or folder that no program takes for something else; the name tells whose it is."""
    return folder / f".pyvolume-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


def is_temporary(name: str) -> bool:
    """Whether a name is one of `temporary`."""
    return _TEMPORARY.fullmatch(name) is not None


def is_left(path: Path) -> bool:
    """Whether something temporary belongs to a process that has ended."""
    found = _TEMPORARY.fullmatch(path.name)
    if found is None:
        return False
    if found[1] == _machine():
        return is_gone(int(found[2]), "")
    try:
        return time.time() - path.stat().st_mtime > ABANDONED
    except OSError:
        return False


def _machine() -> str:
    return hashlib.sha256(host().encode()).hexdigest()[:8]


def staged(document: Mapping[str, Any], target: Path, *, fsync: bool) -> Path:
    """Write a document beside its place, and return where."""
    text = text_of(document)
    path = temporary(target.parent, ".json")
    try:
        with path.open("xb") as file:
            file.write(text.encode("ascii"))
            file.flush()
            if fsync:
                os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def write(document: Mapping[str, Any], target: Path, *, fsync: bool) -> None:
    """Replace a document."""
    part = staged(document, target, fsync=fsync)
    try:
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def settle(path: Path) -> None:
    """Let the disk keep a file, or the names in a folder."""
    if os.name == "nt" and path.is_dir():  # folders cannot be opened there
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
