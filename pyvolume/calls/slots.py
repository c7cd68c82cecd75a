"""Slots: how many requests to one server may be under way at once."""

from __future__ import annotations

import threading

from pyvolume.calls.call import Call


class Slots:
    """A number of slots, shared by all threads; each request holds one.

    Parameters
    ----------
    count : int
        How many requests may be under way at once.
    """

    def __init__(self, count: int) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._free = count

    def take(self, call: Call) -> float:
        """Take a slot, and return the seconds for which the call has waited for it.

        Raises
        ------
        TransportError
            If the call is cancelled, or its deadline passes.
        """
        with self._changed:
            try:
                waited = call.wait_until(self._changed, self._is_free)
            except BaseException:
                self._changed.notify()  # this thread may have used up the wake-up of another one
                raise
            self._free -= 1
        return waited

    def give_back(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._free += 1
            self._changed.notify()

    def _is_free(self) -> bool:
        return self._free > 0
