"""Slots: how many requests to one server may be under way at once."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field

from pyvolume.calls.call import Call


@dataclass
class _Table:
    """Who holds the slots in one process."""

    changed: threading.Condition = field(default_factory=lambda: threading.Condition(threading.Lock()))
    holds: set[object] = field(default_factory=set)


class Slots:
    """A number of slots, shared by all threads; each request holds one.

    Parameters
    ----------
    count : int
        How many requests may be under way at once.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._tables: dict[int, _Table] = {}

    def take(self, call: Call, hold: object) -> float:
        """Take a slot, and return the seconds for which the call has waited for it.

        Parameters
        ----------
        call : Call
            The operation that waits.
        hold : object
            Names the slot until it is given back.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        table = self._own_table()
        with table.changed:
            try:
                waited = call.wait_until(table.changed, lambda: len(table.holds) < self._count)
            except BaseException:
                table.changed.notify()  # this thread may have used up the wake-up of another one
                raise
            table.holds.add(hold)
        return waited

    def give_back(self, hold: object) -> None:
        """Give a slot back; nothing happens if this process does not hold it, or no longer does."""
        table = self._own_table()
        with table.changed:
            if hold in table.holds:
                table.holds.remove(hold)
                table.changed.notify()

    def _own_table(self) -> _Table:
        # a process made by fork has the table of its parent, whose threads would never give their slots back
        process = os.getpid()
        return self._tables.get(process) or self._tables.setdefault(process, _Table())
