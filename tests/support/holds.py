"""Slots and boxes that a test holds for a block."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from pyvolume import Box
from pyvolume.calls.call import Call, Exchange, Held
from pyvolume.stores.locks import Locks


def locked() -> threading.Lock:
    """Return a lock that nobody unlocks: what it holds stays held."""
    hold = threading.Lock()
    hold.acquire()
    return hold


@contextlib.contextmanager
def slot_of(slots: Held, taker: Call | Exchange) -> Iterator[None]:
    """Hold a slot."""
    hold = threading.Lock()
    try:
        with hold:
            taker.take(slots, hold)
            yield
    finally:
        slots.give_back(hold)


@contextlib.contextmanager
def box_of(locks: Locks, address: str, box: Box, call: Call) -> Iterator[None]:
    """Hold a box."""
    hold = threading.Lock()
    try:
        with hold:
            locks.take(address, box, hold, call)
            yield
    finally:
        locks.give_back(hold)


def held(holder: Any) -> int:
    """Count what is held of `Slots` or `BoxLocks` in this process."""
    of_process = holder._holds[os.getpid()]
    return sum(hold.locked() for hold in list(of_process._held))
