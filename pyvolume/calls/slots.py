"""Slots: how many requests to one server may be under way at once."""

from __future__ import annotations

import os
import threading

from pyvolume.calls.call import Call


class _Table:
    """The slots of one process."""

    def __init__(self, count: int) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.free = count

    def has_free(self) -> bool:
        return self.free > 0


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

    def take(self, call: Call) -> float:
        """Take a slot, and return the seconds for which the call has waited for it.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        table = self._own_table()
        with table.changed:
            try:
                waited = call.wait_until(table.changed, table.has_free)
            except BaseException:
                table.changed.notify()  # this thread may have used up the wake-up of another one
                raise
            table.free -= 1
        return waited

    def give_back(self) -> None:
        """Give a slot back."""
        table = self._own_table()
        with table.changed:
            table.free = min(self._count, table.free + 1)  # it may have been taken before a fork
            table.changed.notify()

    def _own_table(self) -> _Table:
        # a process made by fork has the table of its parent, whose threads would never give their slots back
        return self._tables.setdefault(os.getpid(), _Table(self._count))
