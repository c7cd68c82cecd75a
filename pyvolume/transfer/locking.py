"""Locks of a user, one for each block: they keep the writers of several processes apart."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeAlias

from pyvolume.calls.call import Call
from pyvolume.model.box import Box
from pyvolume.stores.base import StoreTraits
from pyvolume.transfer.grid import cut
from pyvolume.transfer.plan import Plan, Step

NamedLock: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Returns the lock of a name, as ``lambda name: FileLock(folder / name)`` does."""

LOCKS_AT_ONCE = 48
"""Blocks of one step of a write: so many locks a thread holds at most."""


def check_lock(lock: object) -> None:
    """Refuse what is not called with a name, such as one lock for everything."""
    if lock is not None and not callable(lock):
        raise TypeError(f"volume: lock is a function that returns the lock of a name, not {lock!r}")


def lockable(step: Step, *, lock_aligned: bool) -> bool:
    """Whether the blocks of a step are locked."""
    return lock_aligned or step.merged


def split(plan: Plan, traits: StoreTraits, *, lock_aligned: bool) -> Plan:
    """Cut the steps of a write where they hold more blocks than are locked at once."""
    grid = _grid_of(traits)
    steps = itertools.chain.from_iterable(
        [dataclasses.replace(step, box=box) for box in cut(step.box, grid, step.box.size, LOCKS_AT_ONCE)]
        if lockable(step, lock_aligned=lock_aligned)
        else [step]
        for step in plan.steps
    )
    return dataclasses.replace(plan, steps=tuple(steps))


def names_of(voxels: str, box: Box, traits: StoreTraits) -> list[str]:
    """Name the blocks of a box, in the order in which every writer locks them.

    Parameters
    ----------
    voxels : str
        Names the volume, in the same way in every process.
    box : Box
        What is written.
    traits : StoreTraits
        Of the store.

    Returns
    -------
    list of str
        32 hexadecimal digits each, none twice.
    """
    sides = zip(box.start, box.stop, _grid_of(traits), strict=True)
    blocks = itertools.product(*(range(low // cell, -(-high // cell)) for low, high, cell in sides))
    return sorted({hashlib.blake2b(f"{voxels} {block}".encode(), digest_size=16).hexdigest() for block in blocks})


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


def _grid_of(traits: StoreTraits) -> tuple[int, ...]:
    """Return the grid of what is stored as a unit: a library can merge chunks as this package merges blocks."""
    pairs = zip(traits.chunks, traits.write_grid, strict=True)
    return tuple(chunk if chunk % cell == 0 else cell for chunk, cell in pairs)
