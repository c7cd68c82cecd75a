"""Which process a lock or a temporary file belongs to, and whether it is still there."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
from pathlib import Path


@functools.cache
def host() -> str:
    """Name this machine, and the container if there is one: numbers of processes have a meaning in it only."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        name += f" {Path('/proc/self/ns/pid').readlink()}"
    return name


def started(process: int) -> str:
    """Name the start of a process, in whatever unit the system has; empty if nothing is known."""
    fields = _status(process)
    return fields[19] if len(fields) > 19 else ""


def is_gone(process: int, start: str) -> bool:
    """Whether a process of this machine has ended; another one can have its number."""
    if sys.platform == "win32":  # there, a signal of 0 ends the process
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    fields = _status(process)
    is_another = bool(start and fields) and fields[19:20] != [start]
    return is_another or fields[:1] == ["Z"]


def _status(process: int) -> list[str]:
    """Return what the system says of a process, from its state on."""
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
