"""Locks: which boxes of which store are being written at the moment."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from pyvolume.calls.call import Call
from pyvolume.model.box import Box


class Locks(Protocol):
    """Keeps writers of intersecting boxes of one store apart."""

    def holding(self, address: str, box: Box, call: Call) -> AbstractContextManager[None]:
        """Hold `box` of the store at `address`; wait while another writer holds a box that intersects it.

        Parameters
        ----------
        address : str
            Of the store.
        box : Box
            What will be written.
        call : Call
            The operation that waits.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """


@dataclass
class _Table:
    """The boxes that one process holds."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    held: dict[object, tuple[str, Box]] = field(default_factory=dict)

    def is_taken(self, address: str, box: Box) -> bool:
        return any(other == address and held.intersection(box) for other, held in self.held.values())


class BoxLocks:
    """Locks for the threads of one process.

    A writer holds one box at a time. Therefore writers cannot wait for each other in a circle.
    """

    def __init__(self) -> None:
        self._tables: dict[int, _Table] = {}

    def __reduce__(self) -> tuple[Callable[[], BoxLocks], tuple[()]]:
        return process_locks, ()

    @contextlib.contextmanager
    def holding(self, address: str, box: Box, call: Call) -> Iterator[None]:
        """Hold a box, see `Locks.holding`; the time of waiting costs no patience."""
        # a process made by fork has the entries of its parent, which nobody would remove
        process = os.getpid()
        table = self._tables.get(process) or self._tables.setdefault(process, _Table())
        hold = object()
        try:
            with table.changed:
                if call.wait_until(table.changed, lambda: not table.is_taken(address, box)):
                    call.touch()
                table.held[hold] = (address, box)
            yield
        finally:
            with table.changed:
                table.held.pop(hold, None)
                table.changed.notify_all()


_PROCESS_LOCKS = BoxLocks()


def process_locks() -> BoxLocks:
    """Return the locks that all volumes of this process share."""
    return _PROCESS_LOCKS
