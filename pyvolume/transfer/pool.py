"""Threads that move many boxes at once."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import operator
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from pyvolume.calls.call import LONGEST_WAIT, Call
from pyvolume.calls.starting import start
from pyvolume.errors import StoreError
from pyvolume.transfer.pieces import Remaining, Step

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 2
"""Tasks that `run_ahead` begins before the caller asks for their results, for each thread."""

LINGER = 0.5
"""Seconds to wait after Ctrl-C for steps that are running; the threads end by themselves."""


class _Job(Generic[Task, Result]):
    """A task that waits for a thread, is running, or is done."""

    def __init__(self, task: Task, work: Callable[[Task, Call], Result], begin: Callable[[], Call]) -> None:
        self.task = task
        self.is_done = False
        self._work = work
        self._begin = begin
        self._context = contextvars.copy_context()
        self._call: Call | None = None
        self._is_dropped = False
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self, pool: _Pool[Task, Result]) -> None:
        """Do the task, and stop the pool after an error."""
        try:
            self._call = call = self._context.run(self._begin)
            # one of them sees what the other has set: this thread, or the one that drops the job
            if not self._is_dropped:
                self._results.append(self._context.run(self._work, self.task, call))
        except BaseException as error:
            self._error = error
            pool.stop()
        self.is_done = True
        pool.done.put(self)

    def drop(self) -> None:
        """Do not begin the task; cancel it if it is running."""
        self._is_dropped = True
        if self._call is not None:
            self._call.cancel()

    def result(self) -> Result:
        """Return what the task has given, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._results.pop()


class _Pool(Generic[Task, Result]):
    """Threads that run jobs in order. They are daemons: one that hangs does not delay the end of the program.

    Nothing here waits for a lock of Python's own library: Ctrl-C could leave it locked.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Job[Task, Result] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.done: SimpleQueue[_Job[Task, Result]] = SimpleQueue()
        self.is_stopped = False

    def put(self, job: _Job[Task, Result], threads: int) -> None:
        """Let a job be run by one of so many threads."""
        self._queue.put(job)
        if len(self._threads) < threads:
            thread = threading.Thread(target=self._work, name="pyvolume", daemon=True)
            self._threads.append(thread)
            start(thread)

    def stop(self) -> None:
        """Begin no further job, and let the threads end."""
        self.is_stopped = True
        for _ in self._threads:
            self._queue.put(None)

    def _work(self) -> None:
        while not self.is_stopped:
            with contextlib.suppress(Empty):
                job = self._queue.get(timeout=LONGEST_WAIT)
                if job is not None:  # it is done also if another one has failed in this very moment: that can be later
                    job.run(self)


class _Team:
    """Threads that take steps one after the other, until there are no more or one fails.

    There are as many of them as there is room for; each that takes a step begins another one where there is more.
    """

    def __init__(self, steps: Iterable[Step], move: Callable[[Step], object], room: Callable[[], int]) -> None:
        self._steps = enumerate(steps)
        self._move = move
        self._room = room
        self._lock = threading.Lock()
        self._context = contextvars.copy_context()
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []
        self.failed: list[tuple[int, Step]] = []
        self.begun = 0

    def run(self, first: int) -> None:
        """Move all steps, so many at once in the beginning, and wait until all threads have ended."""
        for _ in range(first):
            self._grow()
        while self._alive():
            self.linger(LONGEST_WAIT)

    def _grow(self) -> None:
        """Begin another thread, if there is room for it."""
        with self._lock:
            if len(self._threads) >= self._room():
                return
            context = self._context.copy()
            thread = threading.Thread(target=context.run, args=(self._work,), name="pyvolume", daemon=True)
            self._threads.append(thread)
        start(thread)

    def linger(self, timeout: float) -> None:
        """Wait for each thread in turn, for so many seconds at most."""
        for thread in self._alive():
            thread.join(timeout)

    def stop(self) -> None:
        """Begin no further step."""
        self._steps = enumerate(())

    def _alive(self) -> list[threading.Thread]:
        """Return the threads that run; one whose start was interrupted may never do so."""
        return [thread for thread in self._threads if thread.is_alive()]

    def _work(self) -> None:
        taken: list[tuple[int, Step]] = []
        try:
            while taken := self._take():
                self._grow()
                self._move(taken[0][1])
        except BaseException as error:
            with self._lock:
                self.errors.append(error)
                self.failed += taken
            self.stop()

    def _take(self) -> list[tuple[int, Step]]:
        with self._lock:
            taken = list(itertools.islice(self._steps, 1))
            self.begun += len(taken)
        return taken


def run_all(steps: Iterable[Step], move: Callable[[Step], object], call: Call, room: Callable[[], int]) -> None:
    """Move all steps of one transfer, in this thread if one is enough.

    Parameters
    ----------
    steps : iterable of Step
        What to move; taken as they are needed. It can be iterated more than once.
    move : callable
        Moves one step.
    call : Call
        Cancelled by Ctrl-C.
    room : callable
        Returns how many steps to run at once now.

    Raises
    ------
    StoreError
        The first one that a step raises. No further steps begin then; `remaining` holds the boxes that did not arrive.
    """
    waiting = iter(steps)
    first = list(itertools.islice(waiting, room()))
    waiting = itertools.chain(first, waiting)
    if len(first) <= 1:
        for done, step in enumerate(waiting):
            try:
                move(step)
            except BaseException as stopped:
                _tell_remaining(stopped, Remaining((), steps, done))
                raise
        return
    team = _Team(waiting, move, room)
    try:
        team.run(len(first))
    except BaseException:
        team.stop()
        call.cancel()
        team.linger(LINGER / len(first))
        raise
    if team.errors:
        failed = tuple(step.box for _, step in sorted(team.failed, key=operator.itemgetter(0)))
        _tell_remaining(team.errors[0], Remaining(failed, steps, team.begun))
        raise team.errors[0]


def _tell_remaining(error: BaseException, remaining: Remaining) -> None:
    if isinstance(error, StoreError):
        error.with_facts(remaining=remaining)


def run_ahead(
    tasks: Iterable[Task],
    work: Callable[[Task, Call], Result],
    begin: Callable[[], Call],
    room: Callable[[], int],
    *,
    ordered: bool,
    ahead: int | None = None,
) -> Iterator[tuple[Task, Result]]:
    """Do tasks in threads, and give each with its result.

    Parameters
    ----------
    tasks : iterable
        Taken as they are needed.
    work : callable
        Does a task, with a call of its own.
    begin : callable
        Makes the call.
    room : callable
        Returns how many tasks to run at once now.
    ordered : bool
        Give them in the order of the tasks, or in the order in which they are done.
    ahead : int, optional
        How many tasks to begin before the caller asks for their results; by default `AHEAD` for each that runs.

    Raises
    ------
    Exception
        What `work` raises, when its task would be given. From the error on no further task is taken or begun. Running
        ones are cancelled at the end, also when the iterator is closed.
    """
    waiting: dict[_Job[Task, Result], None] = {}
    pool: _Pool[Task, Result] = _Pool()
    try:
        for task in tasks:
            job = _Job(task, work, begin)
            waiting[job] = None
            at_once = room()
            pool.put(job, at_once)
            while len(waiting) >= (AHEAD * at_once if ahead is None else ahead + 1):
                yield _taken(waiting, pool, ordered=ordered)
            if pool.is_stopped:
                break
        while waiting:
            yield _taken(waiting, pool, ordered=ordered)
    finally:
        pool.is_stopped = True  # also where Ctrl-C comes before the next line
        pool.stop()
        for job in waiting:
            job.drop()


def _taken(waiting: dict[_Job[Task, Result], None], pool: _Pool[Task, Result], *, ordered: bool) -> tuple[Task, Result]:
    """Take the first task, or the first that is done."""
    job = next(iter(waiting)) if ordered else None
    while job is None or not job.is_done:
        with contextlib.suppress(Empty):
            done = pool.done.get(timeout=LONGEST_WAIT)
            job = job or done
    if ordered:  # all that are in the queue say that they are done: they need not stay there
        with contextlib.suppress(Empty):
            while True:
                pool.done.get_nowait()
    del waiting[job]
    return job.task, job.result()
