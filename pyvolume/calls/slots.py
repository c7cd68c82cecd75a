"""Slots: how many requests to one server may be under way at once."""

from __future__ import annotations

import os
import threading

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Holds
from pyvolume.calls.processes import OfProcess


class Slots:
    """A number of slots, shared by all threads; each request holds one.

    Parameters
    ----------
    count : int
        How many requests may be under way at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._holds = OfProcess[Holds[None]](Holds)

    def take(self, call: Call, hold: threading.Lock) -> float:
        """Take a slot, and return the seconds for which the call has waited for it.

        Parameters
        ----------
        call : Call
            The operation that waits.
        hold : threading.Lock
            Locked by the caller: the slot is taken until it is unlocked or given back.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        holds = self._holds[os.getpid()]
        # a request that a signal handler has interrupted cannot go on before the handler ends
        return holds.take(hold, None, lambda held: len(held) < self._count or bool(holds.around()), call)

    def give_back(self, hold: threading.Lock) -> None:
        """Give a slot back; nothing happens if this process does not hold it, or no longer does."""
        self._holds[os.getpid()].give_back(hold, wake=1)
