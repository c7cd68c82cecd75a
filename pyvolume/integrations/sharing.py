"""One transfer for all tasks of a process, although each task is pickled alone."""

from __future__ import annotations

import functools
from typing import Any
from uuid import uuid4

from pyvolume.indexing.selection import Selection
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.receipts import Keeper, kept_by

KEPT = 16
"""Transfers that a process keeps after their tasks have ended, with their connections."""


class Shared:
    """A transfer that is unpickled once in each process: its tasks share a connection, and its limit of requests.

    Parameters
    ----------
    transfer : Transfer
        What is shared.
    name : str, optional
        The same in all processes; by default a new one.
    keepers : tuple of callable, optional
        Who gets the receipts of tasks in this process: the threads of dask know no blocks.
    """

    def __init__(self, transfer: Transfer, name: str = "", keepers: tuple[Keeper, ...] = ()) -> None:
        self.transfer = transfer
        self.name = name or uuid4().hex
        self.keepers = keepers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shared) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> Any:
        return _found, (self.transfer, self.name)

    def read(self, selection: Selection) -> Any:
        """Read voxels."""
        if not self.keepers:
            return self.transfer.read(selection)
        with kept_by(self.keepers):
            return self.transfer.read(selection)


def _found(transfer: Transfer, name: str) -> Shared:
    return _kept(Shared(transfer, name))


@functools.lru_cache(maxsize=KEPT)
def _kept(shared: Shared) -> Shared:
    """Return the first object of a name."""
    return shared
