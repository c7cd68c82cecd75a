"""Steps of a transfer that the workers of a cluster do."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from uuid import uuid4

from pyvolume.calls.call import LONGEST_WAIT
from pyvolume.errors import StoreError, TransportError
from pyvolume.model import arguments
from pyvolume.model.box import Box
from pyvolume.model.extras import require
from pyvolume.transfer.pieces import Remaining, Step

if TYPE_CHECKING:
    from distributed import Client, Future

Result = TypeVar("Result")

AHEAD = 2
"""Steps that are under way for each thread of the cluster: one that runs, and one that waits in its worker."""

FEWEST = 4
"""Steps that are under way at least: a cluster that starts its workers when they are needed has none before."""


def check_client(client: object, action: str) -> None:
    """Refuse what is no client of dask.distributed, or one for asyncio.

    Raises
    ------
    TypeError
    ImportError
        If distributed is not installed.
    """
    kind = require("distributed", extra="distributed", action=f"{action} with client=").Client
    arguments.instance_of(client, kind, action)
    if getattr(client, "asynchronous", False):
        raise TypeError(f"{action}: expected a client that is used without await and found an asynchronous one")


class ClusterWorkers:
    """The workers of a cluster, and how many steps they have at once.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    concurrency : int, optional
        How many steps are under way at once; by default two for each thread of the cluster, whose number may change.
    stop : callable
        Called in the processes of the workers if a step fails: tasks that begin later raise an error then. It is
        pickled.
    """

    def __init__(self, client: Client, concurrency: int | None, stop: Callable[[], object]) -> None:
        self._client = client
        self._concurrency = concurrency
        self._stop = stop
        self._name = f"pyvolume-{uuid4().hex}"

    @property
    def places(self) -> int:
        """How many steps may be under way now."""
        if self._concurrency is not None:
            return self._concurrency
        with self._reached():
            threads: dict[str, int] = self._client.nthreads()
        return max(FEWEST, AHEAD * sum(threads.values()))

    def submit(self, number: int, task: Callable[[], Result]) -> Future[Result]:
        """Let a worker do a task; dask gives it to another one if the worker dies."""
        with self._reached():
            return self._client.submit(task, key=f"{self._name}-{number}", pure=False)

    def stop(self) -> None:
        """Let tasks that have not begun end at once, in all processes that the cluster has now."""
        with self._reached():
            self._client.run(self._stop, on_error="ignore")

    def drop(self, futures: Iterable[Future[Any]]) -> None:
        """Begin no more of these tasks; those that run in a worker end there by themselves."""
        with contextlib.suppress(TransportError), self._reached():
            self._client.cancel(list(futures), reason="copy ended", msg="the process that began the copy has ended it")

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Ask something of the scheduler.

        Raises
        ------
        TransportError
            If the client has lost its cluster, or was closed.
        """
        try:
            if self._client.status in {"closing", "closed"}:
                raise TransportError(
                    f"copy on the cluster: the connection to it is lost, its client is {self._client.status}"
                )
            yield
        except (OSError, _library().client.ClosedClientError) as error:
            if isinstance(error, StoreError):
                raise
            raise TransportError(
                f"copy on the cluster: the connection to it is lost: {' '.join(str(error).split())}"
            ) from error


Done: TypeAlias = "Callable[[Step, Callable[[], Result]], object]"


class _Run(Generic[Result]):
    """One transfer that is running, see `run_on`."""

    def __init__(
        self,
        workers: ClusterWorkers,
        steps: Iterable[Step],
        task_of: Callable[[Step], Callable[[], Result]],
        done: Done[Result],
        check: Callable[[], object],
    ) -> None:
        self._workers = workers
        self._steps = steps
        self._numbered = enumerate(steps)
        self._task_of = task_of
        self._done = done
        self._check = check
        self._begun = 0
        self._under_way: dict[str, tuple[Step, Future[Result]]] = {}
        self._ended: SimpleQueue[str] = SimpleQueue()

    def run(self) -> None:
        """Do all steps."""
        try:
            self._work()
        except BaseException as error:
            self._workers.drop(future for _, future in self._under_way.values())
            if isinstance(error, StoreError):
                failed = tuple(step.box for step, _ in self._under_way.values())
                error.with_facts(remaining=Remaining(failed, self._steps, self._begun))
            raise

    def _work(self) -> None:
        while self._submit():
            key = self._next()
            try:
                self._take(key)
            except Exception:
                with contextlib.suppress(StoreError):  # the cluster is lost, or the copy has to end
                    self._finish()
                raise

    def _submit(self) -> bool:
        """Give out as many steps as there are places, and return whether any are under way."""
        for number, step in itertools.islice(self._numbered, max(0, self._workers.places - len(self._under_way))):
            self._begun = number + 1
            future = self._workers.submit(number, self._task_of(step))
            self._under_way[str(future.key)] = step, future
            future.add_done_callback(lambda each: self._ended.put(str(each.key)))
        return bool(self._under_way)

    def _next(self) -> str:
        """Wait for the next task that has ended, and return its key."""
        while True:
            self._check()
            with contextlib.suppress(Empty):
                return self._ended.get(timeout=LONGEST_WAIT)

    def _take(self, key: str) -> None:
        """Take the result of a task."""
        step, future = self._under_way[key]
        self._done(step, functools.partial(_result, future, step.box))
        del self._under_way[key]

    def _finish(self) -> None:
        """Wait for the tasks that run, while the others end at once."""
        self._workers.stop()
        for _ in range(len(self._under_way) - 1):
            key = self._next()
            with contextlib.suppress(Exception):
                self._take(key)


def run_on(
    workers: ClusterWorkers,
    steps: Iterable[Step],
    task_of: Callable[[Step], Callable[[], Result]],
    done: Done[Result],
    check: Callable[[], object],
) -> None:
    """Let a cluster do the steps of one transfer.

    Parameters
    ----------
    workers : ClusterWorkers
        Who does them.
    steps : iterable of Step
        Taken as they are needed. It can be iterated more than once.
    task_of : callable
        Returns what a worker calls for a step; it is pickled.
    done : callable
        Called in this thread with a step whose task has ended, and a function that returns what the task has returned,
        or raises its error.
    check : callable
        Raises an error if the transfer has to end; called at least twice a second.

    Raises
    ------
    StoreError
        The first one that a task raises. No further steps begin then, and those that run end; `remaining` holds the
        boxes that did not arrive. After an error of `check` and after Ctrl-C nobody waits for the steps that run.
    """
    _Run(workers, steps, task_of, done, check).run()


def _result(future: Future[Result], box: Box) -> Result:
    """Return what a task has returned, or raise its error.

    Raises
    ------
    TransportError
        If the cluster has given the task up, or is lost.
    """
    distributed = _library()
    try:
        return future.result()
    except distributed.KilledWorker as error:
        raise TransportError(
            f"copy {box} on the cluster: the worker that moved it died {error.allowed_failures + 1} times, "
            f"the last one at {error.last_worker.address}"
        ) from error
    except distributed.CancelledError as error:
        raise TransportError(f"copy {box} on the cluster: {' '.join(str(error).split())}") from error


def _library() -> Any:
    return require("distributed", extra="distributed", action="a cluster")
