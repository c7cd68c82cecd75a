"""Two locks for a commit: the one of plantdb for a scan, and the one of older programs for the whole database."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyvolume.errors import BusyTimeoutError
from pyvolume.local.layout import Root
from pyvolume.local.processes import host, is_gone, started
from pyvolume.local.refusals import told
from pyvolume.local.writing import temporary

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

LOCK = "lock"
"""The file of the whole database. Programs before plantdb 0.15 keep it for a session, empty."""

LOCKS = ".locks"
"""The folder of the locks of scans."""

HEALING = "healing.lock"
"""In the folder of pyvolume: who removes the lock of a process that has ended holds this one."""

INTERVAL = 0.005
"""Seconds after which a lock that somebody holds is asked for again."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock of a database.

    Parameters
    ----------
    data : bytes
        The content of the lock; empty for older programs.
    age : float
        Seconds since it was made.
    """

    data: bytes
    age: float

    @property
    def facts(self) -> dict[str, Any]:
        """What pyvolume has written into the lock; empty for the lock of another program."""
        try:
            found = json.loads(self.data)
        except ValueError:
            return {}
        is_ours = isinstance(found, dict) and found.get("program") == "pyvolume"
        return found if is_ours and isinstance(found.get("pid"), int) else {}

    @property
    def is_gone(self) -> bool:
        """Whether it is a process of pyvolume on this machine that has ended."""
        facts = self.facts
        return bool(facts) and facts.get("host") == host() and is_gone(facts["pid"], str(facts.get("start", "")))

    def __str__(self) -> str:
        facts = self.facts
        if facts:
            return f"process {facts['pid']} of pyvolume on {facts.get('host')}, for {self.age:.0f} s"
        return f"a session of romidata or plantdb, or one that was killed, for {self.age:.0f} s"


def holder_of(root: Root) -> Holder | None:
    """Return who holds the lock of a database.

    Raises
    ------
    ForbiddenError, OSError
        If the lock cannot be read.
    """
    place = root.path / LOCK
    with told(f"read the lock of {root.path}", place):
        try:
            data = place.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            data = b""  # a link to nothing and a folder keep others out too
        try:
            return Holder(data, max(0.0, time.time() - place.lstat().st_mtime))
        except FileNotFoundError:
            return None


@contextlib.contextmanager
def locked(root: Root, scan: str, action: str) -> Iterator[None]:
    """Keep all other programs from changing a scan inside the block.

    Raises
    ------
    BusyTimeoutError
        If another program keeps a lock longer than the patience of the database.
    ForbiddenError, OSError
        If the user may not write there.
    """
    deadline = time.monotonic() + root.patience
    with told(action, root.path):
        (root.path / LOCKS).mkdir(exist_ok=True)
        root.own.mkdir(exist_ok=True)
    with _scan_locked(root, scan, action, deadline), _root_locked(root, action, deadline):
        yield


@contextlib.contextmanager
def _scan_locked(root: Root, scan: str, action: str, deadline: float) -> Iterator[None]:
    place = root.path / LOCKS / f"{scan}.lock"
    with told(action, place):
        number = _opened(place)
    try:
        while not (_taken(number, place) and _is_still(number, place)):
            if time.monotonic() >= deadline:
                raise BusyTimeoutError(
                    f"{action}: another program holds {place}, and {root.patience:g} s were not enough",
                    action=action,
                    seconds=root.patience,
                )
            if not _is_still(number, place):  # plantdb removes the file at the end
                again = _opened(place)
                os.close(number)
                number = again
            else:
                time.sleep(INTERVAL)
        yield
    finally:
        _release(number)


def _opened(place: Path) -> int:
    return os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)


def _taken(number: int, place: Path) -> bool:
    if sys.platform == "win32":  # plantdb does not run there, and the lock of the database keeps all others out
        return True
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        _log.warning("lock %s: %s; plantdb is not kept out", place, error.strerror)
    return True


def _is_still(number: int, place: Path) -> bool:
    """Whether a path names the file that is open."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(number))


def _release(number: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_UN)  # a process made by fork has the open file too
    os.close(number)


@contextlib.contextmanager
def _root_locked(root: Root, action: str, deadline: float) -> Iterator[None]:
    place = root.path / LOCK
    part = temporary(root.own, ".lock")
    data = json.dumps({
        "program": "pyvolume",
        "pid": os.getpid(),
        "host": host(),
        "start": started(os.getpid()),
        "since": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "lock": part.name,
    }).encode()
    try:
        with told(action, place):
            part.write_bytes(data)
            while not _made(part, place, data):
                _wait(root, action, deadline)
            part.unlink()
        yield
    finally:
        part.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            if place.read_bytes() == data:  # somebody can have broken it
                place.unlink()


def _made(part: Path, place: Path, data: bytes) -> bool:
    """Make the lock, with its content at once: an empty one would be taken for that of another program."""
    try:
        os.link(part, place)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _made_without_links(place, data)
    return True


def _made_without_links(place: Path, data: bytes) -> bool:
    try:
        with place.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def _wait(root: Root, action: str, deadline: float) -> None:
    """Remove the lock of a process that has ended, or wait a moment.

    Raises
    ------
    BusyTimeoutError
        If no time is left.
    """
    holder = holder_of(root)
    if holder is not None and holder.is_gone:
        _remove(root, holder.data)
    elif time.monotonic() < deadline:
        time.sleep(INTERVAL)
    elif holder is not None:
        raise BusyTimeoutError(
            f"{action}: {root.path / LOCK} is held by {holder}, and {root.patience:g} s were not enough; if nobody "
            "uses the database, break_lock() removes it",
            action=action,
            detail=str(holder),
            seconds=root.patience,
        )


def _remove(root: Root, expected: bytes) -> None:
    """Remove the lock if it is still the expected one; only one process at a time does it."""
    number = _opened(root.own / HEALING)
    try:
        if sys.platform != "win32":
            fcntl.flock(number, fcntl.LOCK_EX)
        found = holder_of(root)
        if found is not None and found.data == expected:
            (root.path / LOCK).unlink()
            _log.info("%s: removed the lock of %s", root.path, found)
    finally:
        _release(number)


def heal(root: Root) -> bool:
    """Remove the lock of a process of pyvolume that has ended, and say whether there was one."""
    holder = holder_of(root)
    if holder is None or not holder.is_gone:
        return False
    with told(f"remove the lock of {root.path}", root.path):
        _remove(root, holder.data)
    return True


def broken(root: Root) -> str:
    """Remove the lock of whoever it is, and say who that was; empty if there was none."""
    holder = holder_of(root)
    if holder is None:
        return ""
    with told(f"break the lock of {root.path}", root.path):
        root.own.mkdir(exist_ok=True)
        _remove(root, holder.data)
    return str(holder)
