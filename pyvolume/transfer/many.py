"""Many boxes, one after the other for the caller, several at once on the wire."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 2
"""Tasks that are begun or done before the caller asks for them, for each that can be under way at once."""


def run_ahead(
    tasks: Iterable[Task], work: Callable[[Task], Result], concurrency: int, *, ordered: bool
) -> Iterator[tuple[Task, Result]]:
    """Do tasks in threads, and give each with its result.

    Parameters
    ----------
    tasks : iterable
        Taken as they are needed.
    work : callable
    concurrency : int
        How many are done at once.
    ordered : bool
        Give them in the order of the tasks, or in that in which they are done.

    Raises
    ------
    Exception
        What `work` raises, when its task would be given. Tasks that have not begun are dropped then, as they are
        when the iterator is closed.
    """
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="pyvolume")
    try:
        for task in tasks:
            waiting.append((task, pool.submit(contextvars.copy_context().run, work, task)))
            if len(waiting) >= AHEAD * concurrency:
                yield _taken(waiting, ordered)
        while waiting:
            yield _taken(waiting, ordered)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _taken(waiting: deque[tuple[Task, Future[Result]]], ordered: bool) -> tuple[Task, Result]:
    """Take the first task off the queue, or the first that is done."""
    index = 0
    if not ordered:
        done, _ = wait([future for _, future in waiting], return_when=FIRST_COMPLETED)
        index = next(i for i, (_, future) in enumerate(waiting) if future in done)
    task, future = waiting[index]
    del waiting[index]
    return task, future.result()
