"""Locks: which boxes of which store are being written at the moment."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Holds
from pyvolume.calls.processes import OfProcess
from pyvolume.errors import UnsupportedError
from pyvolume.model.box import Box


class Locks(Protocol):
    """Keeps writers of intersecting boxes of one store apart."""

    def take(self, address: str, box: Box, hold: threading.Lock, call: Call) -> None:
        """Hold `box` of the store at `address`; wait while another writer holds a box that intersects it.

        Parameters
        ----------
        address : str
            Of the store.
        box : Box
            What will be written.
        hold : threading.Lock
            Locked by the caller: the box is held until it is unlocked.
        call : Call
            The operation that waits.

        Raises
        ------
        UnsupportedError
            If an operation that the caller runs in holds such a box: it would wait for itself.
        TransportError
            If the call is cancelled, or its deadline passes.
        """

    def give_back(self, hold: threading.Lock) -> None:
        """Let go of the box of a lock that has been unlocked, and wake those who wait for it."""


class BoxLocks:
    """Locks for the threads of one process.

    A writer holds one box at a time. Therefore writers cannot wait for each other in a circle.
    """

    def __init__(self) -> None:
        self._holds = OfProcess[Holds[tuple[str, Box]]](Holds)

    def __reduce__(self) -> tuple[Callable[[], BoxLocks], tuple[()]]:
        return process_locks, ()

    def take(self, address: str, box: Box, hold: threading.Lock, call: Call) -> None:
        """Hold a box, see `Locks.take`; the time of waiting costs no patience."""

        def is_free(held: Iterable[tuple[str, Box]]) -> bool:
            return not any(other == address and each.intersection(box) for other, each in held)

        holds = self._holds[os.getpid()]
        if not is_free(holds.around()):
            raise UnsupportedError(
                f"write voxels of {address}: {box} is being written by the operation that called this callback, source "
                "or signal handler; it can read voxels, or write others"
            )
        if holds.take(hold, (address, box), is_free, call):
            call.touch()

    def give_back(self, hold: threading.Lock) -> None:
        """Let go of a box, see `Locks.give_back`."""
        self._holds[os.getpid()].give_back(hold)


_PROCESS_LOCKS = BoxLocks()


def process_locks() -> BoxLocks:
    """Return the locks that all volumes of this process share."""
    return _PROCESS_LOCKS
