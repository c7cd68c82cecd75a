"""The slots for requests that ask to be throttled."""

from __future__ import annotations

import threading

from mockserver.dvid.wire.answers import busy_text
from mockserver.http.messages import Declined, Request


class Throttle:
    """Counts throttled operations. There is no queue: a request that finds no free slot is refused.

    Parameters
    ----------
    slots : int
        How many operations may run at the same time.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._taken = 0
        self._lock = threading.Lock()

    def enter(self, request: Request) -> None:
        """Take a slot until the request is answered, if it asks for throttling.

        Raises
        ------
        Declined
            If all slots are taken.
        """
        if request.query.get("throttle") not in {"on", "true"}:
            return
        with self._lock:
            if self._taken >= self._slots:
                raise Declined(503, busy_text(self._taken, self._slots))
            self._taken += 1
        request.until_answered.callback(self._leave)

    def resize(self, slots: int) -> int:
        """Set the number of slots; return the old one."""
        with self._lock:
            old, self._slots = self._slots, slots
        return old

    def _leave(self) -> None:
        with self._lock:
            self._taken -= 1
