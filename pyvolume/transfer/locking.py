"""Locks of a user, one for each block: they keep the writers of several processes apart."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeAlias

from pyvolume.calls.call import Call
from pyvolume.model.arguments import brief
from pyvolume.model.box import Box
from pyvolume.stores.base import StoreTraits, VoxelStore, in_whole
from pyvolume.transfer.grid import unit_grid
from pyvolume.transfer.pieces import Cut, Step, Steps
from pyvolume.transfer.plan import Plan

_log = logging.getLogger(__name__)

_WARNED: set[str] = set()
"""The voxels whose merging this process has warned of."""

NamedLock: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Returns the lock of a name, as ``lambda name: FileLock(folder / name)`` does."""

SETTLING = 0.5
"""Seconds for which completed blocks stay locked after Ctrl-C: the server may still carry out a request that it has."""

LOCKS_AT_ONCE = 48
"""Blocks of one step of a write: so many locks a thread holds at most."""


def check_lock(lock: object) -> None:
    """Refuse what is not called with a name, such as one lock for everything."""
    if lock is not None and not callable(lock):
        raise TypeError(f"volume: lock is a function that returns the lock of a name, not {brief(lock)}")


def lockable(step: Step, *, lock_aligned: bool) -> bool:
    """Whether the blocks of a step are locked."""
    return lock_aligned or step.merged


def split(plan: Plan, traits: StoreTraits, *, lock_aligned: bool) -> Plan:
    """Cut the steps of a write where they hold more blocks than are locked at once."""
    blocks = Cut(unit_grid(traits), sys.maxsize, LOCKS_AT_ONCE)
    straight, merged = plan.steps.straight, plan.steps.merged
    steps = Steps(straight.cut(blocks) if lock_aligned else straight, merged.cut(blocks))
    return dataclasses.replace(plan, steps=steps)


def names_of(voxels: str, box: Box, store: VoxelStore) -> list[str]:
    """Name the blocks of a box, in the order in which every writer locks them.

    Parameters
    ----------
    voxels : str
        Names the volume, in the same way in every process.
    box : Box
        What is written.
    store : VoxelStore
        What it is written to.

    Returns
    -------
    list of str
        32 hexadecimal digits each, none twice.
    """
    sides = zip(box.start, box.stop, unit_grid(store.traits), strict=True)
    blocks = itertools.product(*(range(low // cell * cell, high, cell) for low, high, cell in sides))
    places = (in_whole(store, Box(block, block)).start for block in blocks)
    return sorted({hashlib.blake2b(f"{voxels} {place}".encode(), digest_size=16).hexdigest() for place in places})


def warn_of_merging(voxels: str, address: str) -> None:
    """Say once in each process that it merges blocks of a volume that another one has opened."""
    if voxels not in _WARNED:
        _WARNED.add(voxels)
        _log.warning(
            "write voxels of %s: the volume comes from another process, and blocks are merged without lock=; if "
            "another process merges the same blocks, voxels are lost (write whole blocks, or give a lock)",
            address,
        )


@contextlib.contextmanager
def holding(lock: NamedLock, names: Iterable[str], call: Call) -> Iterator[None]:
    """Hold the locks of all names, taken one after the other; waiting for them costs no patience.

    Raises
    ------
    TransportError
        If the call is cancelled, or its deadline has passed, when a lock has been taken.
    """
    with ExitStack() as held:
        for name in names:
            call.remaining()
            held.enter_context(lock(name))
            call.touch()
        call.remaining()
        yield


@contextlib.contextmanager
def settling(call: Call) -> Iterator[None]:
    """Write completed blocks; after Ctrl-C, wait until the server has had time to carry out a request that it has.

    If it does so after the locks were released, it takes back what another writer has stored in these blocks.
    """
    try:
        yield
    except BaseException as error:
        if call.is_cancelled or not isinstance(error, Exception):
            time.sleep(SETTLING)
        raise
