"""A lock for commits to a repository in a folder, in which Icechunk is not safe for several processes."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from pyvolume.calls.call import Call
from pyvolume.errors import ForbiddenError

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

NAME = "pyvolume.lock"
"""The file in the repository that is locked; Icechunk does not look at it."""

INTERVAL = 0.02
"""Seconds after which a lock that somebody holds is asked for again."""


@contextlib.contextmanager
def locked(folder: Path, call: Call, action: str) -> Iterator[None]:
    """Keep other threads and processes that use this lock from changing branches and tags inside the block.

    A process that ends gives its lock back. Where the file system has no locks nobody is kept out, and the log says so.

    Raises
    ------
    ForbiddenError
        If the user may not write into the repository.
    TransportError
        If the call is cancelled, or its deadline passes.
    """
    place = folder / NAME
    try:
        file = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    except PermissionError:
        raise ForbiddenError(f"{action}: no permission for {place}", action=action, url=str(place)) from None
    except OSError as error:
        raise OSError(error.errno, f"{action}: {error.strerror}", str(place)) from None
    try:
        while not _taken(file, place):
            call.remaining()
            call.sleep(INTERVAL)
        yield
    finally:
        os.close(file)


def _taken(file: int, place: Path) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        _log.warning("lock %s: %s; two processes that commit at once can lose a commit", place, error.strerror)
    return True


class Gate:
    """Lets many work at once, or one who commits what they did."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[int, int] = {}
        self._is_closed = False

    @contextlib.contextmanager
    def shared(self, call: Call) -> Iterator[None]:
        """Work inside the block; wait while somebody commits."""
        own = threading.get_ident()
        with self._changed:
            while self._is_closed and own not in self._inside:
                self._wait(call)
            self._inside[own] = self._inside.get(own, 0) + 1
        try:
            yield
        finally:
            with self._changed:
                self._leave(own)

    @contextlib.contextmanager
    def alone(self, call: Call) -> Iterator[None]:
        """Wait until nobody works, and let nobody begin before the end of the block; the own thread may."""
        own = threading.get_ident()
        with self._changed:
            while self._is_closed:
                self._wait(call)
            self._is_closed = True
        is_inside = False
        try:
            with self._changed:
                while any(each != own for each in self._inside):
                    self._wait(call)
                self._inside[own], is_inside = self._inside.get(own, 0) + 1, True
            yield
        finally:
            with self._changed:
                self._is_closed = False
                self._leave(own, is_inside=is_inside)

    def _leave(self, own: int, *, is_inside: bool = True) -> None:
        if is_inside:
            self._inside[own] -= 1
            if not self._inside[own]:
                del self._inside[own]
        self._changed.notify_all()

    def _wait(self, call: Call) -> None:
        call.remaining()
        self._changed.wait(INTERVAL)
