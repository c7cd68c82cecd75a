"""A cluster of dask.distributed that copies the pieces."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from pyvolume.calls.trace import Trace
from pyvolume.copying.piece import Copied, Copier
from pyvolume.errors import RefusedError, UnsupportedError
from pyvolume.integrations.distributed import ClusterWorkers, run_on
from pyvolume.integrations.sharing import Shared
from pyvolume.model.box import Box
from pyvolume.stores.arrays import ArrayStore
from pyvolume.stores.base import Forking, VoxelStore
from pyvolume.transfer.engine import Transfer
from pyvolume.transfer.pieces import Step

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")

_Written: TypeAlias = "tuple[Copied, VoxelStore | None]"
"""A piece, and the fork that it was written to, if any."""


class Cluster:
    """The workers of a cluster.

    Parameters
    ----------
    copier : Copier
        Copies a piece; each worker process has one of its own.
    client : distributed.Client
        Of the cluster.
    concurrency : int, optional
        How many pieces to move at once, over the whole cluster; by default two for each thread of it, of which one
        waits, or one piece if a store wants one request at a time.

    Raises
    ------
    UnsupportedError
        If the workers cannot reach the source or the destination.
    """

    def __init__(self, copier: Copier, client: Client, concurrency: int | None) -> None:
        store = copier.destination.store
        self._whole = store if isinstance(store, Forking) else None
        if self._whole is not None:
            copier = dataclasses.replace(copier, destination=with_store(copier.destination, self._whole.fork()))
        for name, transfer in (("source", copier.source), ("destination", copier.destination)):
            check_reachable(transfer, name)
        preferred = [each.store.traits.preferred_concurrency for each in (copier.source, copier.destination)]
        self.calls = copier.begin()
        self._shared = Shared(copier)
        stop = functools.partial(_stop, self._shared)
        self._workers = ClusterWorkers(client, concurrency or (1 if 1 in preferred else None), stop)

    def copy(self, steps: Iterable[Step], finished: Mapping[Box, str], done: Callable[[Step, Copied], object]) -> None:
        """Copy pieces, see `pyvolume.copying.workers.Workers.copy`."""
        known, begun = self._shared.value.destination.known, dict[Box, None]()

        def task_of(step: Step) -> Callable[[], tuple[_Written, list[Trace]]]:
            begun[step.box] = None
            return functools.partial(_copied, self._shared, step.box, finished.get(step.box))

        def note(step: Step, result: Callable[[], tuple[_Written, list[Trace]]]) -> None:
            begun.pop(step.box)
            with known.growing(step.box):  # as the worker has noted it in its own process
                copied, fork = self._counted(result)
            if self._whole is not None and copied.written:
                self._whole.merge(fork)
            done(step, copied)

        try:
            run_on(self._workers, steps, task_of, note, self.calls.check)
        except BaseException as error:
            # after a refusal those that run have been waited for; else nobody knows whether a worker has stored them
            for box in () if isinstance(error, RefusedError) else begun:
                known.grow(box)
            raise

    def read(self, steps: Iterable[Step], done: Callable[[Step, str], object]) -> None:
        """Read pieces, see `pyvolume.copying.workers.Workers.read`."""
        run_on(
            self._workers,
            steps,
            lambda step: functools.partial(_stored, self._shared, step.box),
            lambda step, result: done(step, self._counted(result)),
            self.calls.check,
        )

    def _counted(self, result: Callable[[], tuple[Result, list[Trace]]]) -> Result:
        """Return what a task has found; what it has cost counts here, too."""
        found, costs = result()
        for call, cost in zip((self.calls.source, self.calls.destination), costs, strict=True):
            counts = dataclasses.asdict(cost)
            call.saw(counts.pop("at_once"))
            call.count(**counts)
        return found


def check_reachable(transfer: Transfer, name: str) -> None:
    """Refuse what belongs to this process alone.

    Raises
    ------
    UnsupportedError
    """
    store = transfer.store
    if not store.traits.lasting or (isinstance(store, ArrayStore) and not store.can_travel):
        raise UnsupportedError(
            f"copy with client: the workers cannot reach the {name}, an array of this process; copy it without client, "
            "open its file with pyvolume.open, or write an array of dask with Volume.from_dask"
        )
    try:
        pickle.dumps(Shared(transfer))
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise UnsupportedError(
            f"copy with client: the {name} {store.address} cannot be sent to the workers: {error}"
        ) from error


def _copied(shared: Shared[Copier], box: Box, expected: str | None) -> tuple[_Written, list[Trace]]:
    """Copy a piece in a worker; where writes belong to a fork, the piece has one of its own."""
    copier = _begun(shared).in_this_process()
    store, fork = copier.destination.store, None
    if isinstance(store, Forking):
        fork = store.fork()
        copier = dataclasses.replace(copier, destination=with_store(copier.destination, fork))
    calls = copier.begin()
    copied = copier.copy(box, expected, calls)
    return (copied, fork), [calls.source.counted, calls.destination.counted]


def with_store(transfer: Transfer, store: VoxelStore) -> Transfer:
    """Return a transfer of another store with the same voxels."""
    return dataclasses.replace(transfer, store=store)


def _stored(shared: Shared[Copier], box: Box) -> tuple[str, list[Trace]]:
    """Read a piece of the destination in a worker."""
    copier = _begun(shared)
    calls = copier.begin()
    checksum = copier.stored(box, calls)
    return checksum, [calls.source.counted, calls.destination.counted]


def _begun(shared: Shared[Copier]) -> Copier:
    """Return the copier, unless the copy has ended.

    Raises
    ------
    RefusedError
        So that nobody takes the piece for one that may be stored.
    """
    if shared.is_ended:
        raise RefusedError("copy: this piece was not begun, because another one has failed")
    return shared.value


def _stop(shared: Shared[Copier]) -> None:
    shared.is_ended = True
