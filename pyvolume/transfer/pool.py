"""Threads that move many boxes at once."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from queue import SimpleQueue
from typing import Generic, TypeVar

from pyvolume.calls.call import LONGEST_WAIT, Call
from pyvolume.errors import StoreError
from pyvolume.transfer.plan import Step

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 2
"""Tasks that `run_ahead` begins before the caller asks for their results, for each thread."""

LINGER = 0.5
"""Seconds to wait after Ctrl-C for steps that are running; the threads end by themselves."""


class _Job(Generic[Task, Result]):
    """A task that waits for a thread, is running, or is done."""

    def __init__(
        self,
        task: Task,
        work: Callable[[Task, Call], Result],
        begin: Callable[[], Call],
        on_error: Callable[[], None] = lambda: None,
    ) -> None:
        self.task = task
        self.future: Future[Result] = Future()
        self._work = work
        self._begin = begin
        self._on_error = on_error
        self._context = contextvars.copy_context()
        self._call: Call | None = None

    def run(self) -> None:
        # before the task counts as running: from then on `drop` finds the call
        self._call = call = self._context.run(self._begin)
        if self.future.set_running_or_notify_cancel():
            try:
                self.future.set_result(self._context.run(self._work, self.task, call))
            except BaseException as error:
                self._on_error()
                self.future.set_exception(error)

    def drop(self) -> None:
        if not self.future.cancel() and self._call is not None:
            self._call.cancel()


class _Pool(Generic[Task, Result]):
    """Threads that run jobs in order. They are daemons: one that hangs does not delay the end of the program."""

    def __init__(self, concurrency: int) -> None:
        self._queue: SimpleQueue[_Job[Task, Result] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name="pyvolume", daemon=True) for _ in range(concurrency)]
        self._started = 0
        self.is_stopped = False

    def put(self, job: _Job[Task, Result]) -> None:
        self._queue.put(job)
        if self._started < len(self._threads):
            self._started += 1
            self._threads[self._started - 1].start()

    def close(self) -> None:
        """Let the threads end after the jobs that were put."""
        for _ in self._threads:
            self._queue.put(None)

    def join(self) -> None:
        """Wait until all threads have ended."""
        while self._alive():
            self.linger(LONGEST_WAIT)

    def linger(self, timeout: float) -> None:
        """Wait for each thread in turn, for so many seconds at most."""
        for thread in self._alive():
            thread.join(timeout)

    def _alive(self) -> list[threading.Thread]:
        """Return the threads that run; one whose start was interrupted may never do so."""
        return [thread for thread in self._threads if thread.is_alive()]

    def stop(self) -> None:
        """Begin no further job."""
        self.is_stopped = True

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if self.is_stopped:
                job.future.cancel()
            else:
                job.run()


def run_all(steps: Sequence[Step], move: Callable[[Step], object], call: Call, concurrency: int) -> None:
    """Move all steps of one transfer, in this thread if one is enough.

    Parameters
    ----------
    steps : sequence of Step
        What to move.
    move : callable
        Moves one step.
    call : Call
        Cancelled by Ctrl-C.
    concurrency : int
        How many steps to run at once.

    Raises
    ------
    StoreError
        The first one that a step raises. No further steps begin then; `remaining` holds the boxes that did not arrive.
    """
    if min(concurrency, len(steps)) <= 1:
        for done, step in enumerate(steps):
            try:
                move(step)
            except BaseException as stopped:
                _tell_remaining(stopped, steps[done:])
                raise
        return
    jobs = [_Job(step, lambda step, _: move(step), lambda: call) for step in steps]
    error = _run_together(jobs, call, min(concurrency, len(steps)))
    if error is not None:
        _tell_remaining(error, [job.task for job in jobs if job.future.cancelled() or job.future.exception()])
        raise error


def _run_together(jobs: Sequence[_Job[Step, object]], call: Call, concurrency: int) -> BaseException | None:
    """Run jobs until one fails; return its error when all threads have ended."""
    errors: list[BaseException] = []

    def stop_after_an_error(future: Future[object]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            errors.append(error)
            for job in jobs:
                job.future.cancel()

    pool: _Pool[Step, object] = _Pool(concurrency)
    try:
        for job in jobs:
            job.future.add_done_callback(stop_after_an_error)
            pool.put(job)
        pool.close()
        pool.join()
    except BaseException:
        for job in jobs:
            job.future.cancel()
        call.cancel()
        pool.close()
        pool.linger(LINGER / concurrency)
        raise
    return errors[0] if errors else None


def _tell_remaining(error: BaseException, steps: Sequence[Step]) -> None:
    if isinstance(error, StoreError):
        error.with_facts(remaining=tuple(step.box for step in steps))


def run_ahead(
    tasks: Iterable[Task],
    work: Callable[[Task, Call], Result],
    begin: Callable[[], Call],
    concurrency: int,
    *,
    ordered: bool,
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
    concurrency : int
        How many tasks to run at once.
    ordered : bool
        Give them in the order of the tasks, or in the order in which they are done.

    Raises
    ------
    Exception
        What `work` raises, when its task would be given. From the error on no further task is taken or begun. Running
        ones are cancelled at the end, also when the iterator is closed.
    """
    waiting: deque[_Job[Task, Result]] = deque()
    pool: _Pool[Task, Result] = _Pool(concurrency)
    try:
        for task in tasks:
            waiting.append(_Job(task, work, begin, pool.stop))
            pool.put(waiting[-1])
            if len(waiting) >= AHEAD * concurrency:
                yield _taken(waiting, ordered)
            if pool.is_stopped:
                break
        while waiting:
            yield _taken(waiting, ordered)
    finally:
        for job in waiting:
            job.drop()
        pool.close()


def _taken(waiting: deque[_Job[Task, Result]], ordered: bool) -> tuple[Task, Result]:
    """Take the first task off the queue, or the first that is done."""
    futures = [job.future for job in waiting][: 1 if ordered else None]
    while not (done := wait(futures, LONGEST_WAIT, FIRST_COMPLETED).done):
        pass
    index = next(i for i, future in enumerate(futures) if future in done)
    job = waiting[index]
    result = job.future.result()
    del waiting[index]
    return job.task, result
