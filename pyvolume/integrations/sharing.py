"""One value for all tasks of a process, although each task is pickled alone."""

from __future__ import annotations

import functools
import os
import pickle
import threading
from typing import Any, Generic, TypeVar
from uuid import uuid4

from pyvolume.calls.processes import OfProcess
from pyvolume.model.extras import require
from pyvolume.transfer.receipts import Keeper

T = TypeVar("T")

KEPT = 16
"""Values that a process keeps after their tasks have ended, with their connections and open files."""

_LOCKS = OfProcess(threading.RLock)
"""Held while a value is unpickled: tasks that begin at once share the first one."""


class Shared(Generic[T]):
    """A value that is unpickled once in each process: its tasks share a connection, its limit of requests, open files.

    Parameters
    ----------
    value : object
        What is shared, such as a transfer.
    name : str, optional
        The same in all processes; by default a new one.
    keepers : tuple of callable, optional
        Who gets the receipts of tasks in this process: the threads of dask know no blocks.

    Attributes
    ----------
    is_ended : bool
        Whether tasks of this process that have not begun are not wanted any more.
    """

    def __init__(self, value: T, name: str = "", keepers: tuple[Keeper, ...] = ()) -> None:
        self.value = value
        self.name = name or uuid4().hex
        self.keepers = keepers
        self.is_ended = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shared) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> Any:
        # nested, so that a process that has the value does not unpickle it again; locks of users can be lambdas
        cloudpickle = require("cloudpickle", extra="dask", action="a task in another process")
        return _found, (self.name, cloudpickle.dumps(self.value))


def _found(name: str, content: bytes) -> Shared[Any]:
    with _LOCKS[os.getpid()]:
        place = _place(name)
        if not place:
            place.append(Shared(pickle.loads(content), name))
        return place[0]


@functools.lru_cache(maxsize=KEPT)
def _place(_name: str) -> list[Shared[Any]]:
    """Return the list that holds the first object of a name."""
    return []
