"""Turns: the slots of requests that run in an event loop, which must not wait as a thread does."""

from __future__ import annotations

import asyncio
import threading

from pyvolume.calls.call import Call
from pyvolume.calls.holds import Slots
from pyvolume.calls.pace import Mark
from pyvolume.errors import StoreError


class LoopBell:
    """A bell that a task waits for, and that any thread rings, once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._rung = self._loop.create_future()

    def release(self) -> None:
        """Wake the task."""
        if threading.get_ident() == self._thread:  # to wake a loop that runs costs a system call, and Python's own lock
            self._ring()
        else:
            self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        if not self._rung.done():
            self._rung.set_result(None)

    async def rung(self) -> None:
        """Wait until the bell is rung."""
        await self._rung


class Turn:
    """The slot that one attempt of a request holds, and what is learnt from the attempt.

    Whoever holds a slot waits for no other request: a run inside of a run cannot wait for itself.

    Parameters
    ----------
    slots : Slots or None
        Those of the kind of the request; None where the number of requests is not limited.
    call : Call
        The operation that the request belongs to.
    """

    def __init__(self, slots: Slots | None, call: Call) -> None:
        self._slots = slots
        self._call = call
        self._hold = threading.Lock()
        self._mark: Mark | None = None

    async def begin(self) -> None:
        """Take a slot as soon as there is one."""
        if self._slots is None:
            return
        self._hold.acquire()
        bell, is_next = LoopBell(), False
        try:
            while not self._slots.try_take(self._hold, bell, is_next=is_next):
                await bell.rung()
                bell, is_next = LoopBell(), True
        except BaseException:
            self._slots.leave(bell)
            raise
        self._mark = self._slots.begin(self._call)

    def end(self, nbytes: int) -> None:
        """Learn from an attempt that has ended well, and has moved so many bytes."""
        if self._slots is not None:
            self._slots.end(self._mark, nbytes, self._call)

    def fail(self, error: Exception) -> None:
        """Learn from an attempt that has failed."""
        if self._slots is not None and isinstance(error, StoreError):
            self._slots.fail(self._mark, error, self._call)

    def over(self) -> None:
        """Give back the slot, if there is one."""
        if self._slots is not None and self._hold.locked():
            self._hold.release()
            self._slots.give_back(self._hold)
