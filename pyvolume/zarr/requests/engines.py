"""Engines: libraries with threads of their own, which do not survive a fork."""

from __future__ import annotations

import os

from pyvolume.errors import UnsupportedError

OBSTORE = "obstore"
"""The engine of buckets and of web servers."""

_users: dict[str, int] = {}
"""The process that has used each engine first; a process made by fork inherits the entries of its parent."""


def enter(engine: str, address: str) -> None:
    """Note that this process uses an engine, unless its parent has used it before the fork.

    Parameters
    ----------
    engine : str
        Its name; empty for code that survives a fork.
    address : str
        What it is used for, for the message.

    Raises
    ------
    UnsupportedError
        If this process was made by fork, and its parent has used the engine before. The engine would wait for ever for
        threads that are not there.
    """
    if engine and _users.setdefault(engine, os.getpid()) != os.getpid():
        raise UnsupportedError(
            f"{address}: {engine} does not work in a process made by fork after its parent has used it; start "
            "processes by multiprocessing.get_context('spawn') or 'forkserver'"
        )


def is_usable(engine: str) -> bool:
    """Whether an engine works in this process."""
    return _users.get(engine, os.getpid()) == os.getpid()
