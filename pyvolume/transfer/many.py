"""Many boxes, one after the other for the caller, several at once on the wire."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from queue import SimpleQueue
from typing import Generic, TypeVar

from pyvolume.calls.call import Call

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 2
"""Tasks that are begun or done before the caller asks for them, for each that can be under way at once."""


class _Job(Generic[Task, Result]):
    """A task that is waiting for a thread, under way, or done."""

    def __init__(self, task: Task, work: Callable[[Task, Call], Result], begin: Callable[[], Call]) -> None:
        self.task = task
        self.future: Future[Result] = Future()
        self._work = work
        self._begin = begin
        self._context = contextvars.copy_context()
        self._call: Call | None = None

    def run(self) -> None:
        # before the task counts as running: who drops it from then on finds the call
        self._call = call = self._context.run(self._begin)
        if self.future.set_running_or_notify_cancel():
            try:
                self.future.set_result(self._context.run(self._work, self.task, call))
            except BaseException as error:
                self.future.set_exception(error)

    def drop(self) -> None:
        if not self.future.cancel() and self._call is not None:
            self._call.cancel()


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
        Does a task, with the call that is its own.
    begin : callable
        Makes that call.
    concurrency : int
        How many are done at once.
    ordered : bool
        Give them in the order of the tasks, or in that in which they are done.

    Raises
    ------
    Exception
        What `work` raises, when its task would be given. Tasks that have not begun are dropped then, and those under
        way are cancelled, as they are when the iterator is closed.
    """
    waiting: deque[_Job[Task, Result]] = deque()
    queue: SimpleQueue[_Job[Task, Result] | None] = SimpleQueue()
    # daemons: a task that hangs on a silent server must not hold up the end of the program
    threads = [threading.Thread(target=_work, args=(queue,), name="pyvolume", daemon=True) for _ in range(concurrency)]
    try:
        for task in tasks:
            waiting.append(_Job(task, work, begin))
            queue.put(waiting[-1])
            if threads:
                threads.pop().start()
            if len(waiting) >= AHEAD * concurrency:
                yield _taken(waiting, ordered)
        while waiting:
            yield _taken(waiting, ordered)
    finally:
        for job in waiting:
            job.drop()
        for _ in range(concurrency):
            queue.put(None)


def _work(queue: SimpleQueue[_Job[Task, Result] | None]) -> None:
    while (job := queue.get()) is not None:
        job.run()


def _taken(waiting: deque[_Job[Task, Result]], ordered: bool) -> tuple[Task, Result]:
    """Take the first task off the queue, or the first that is done."""
    index = 0
    if not ordered:
        done, _ = wait([job.future for job in waiting], return_when=FIRST_COMPLETED)
        index = next(i for i, job in enumerate(waiting) if job.future in done)
    job = waiting[index]
    result = job.future.result()
    del waiting[index]
    return job.task, result
