"""Threads that work for the tasks of an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from pyvolume.calls.cancellation import Cancellation
from pyvolume.calls.processes import OfProcess
from pyvolume.errors import ClosedError, StoreError

P = ParamSpec("P")
T = TypeVar("T")

SHARED_THREADS = 32
"""Threads of `to_thread`, of all event loops of a process together."""

IDLE = 0.05
"""Seconds for which a thread waits for more work: to start one takes longer than to give it a request."""

LINGER = 1.0
"""Seconds for which a cancelled task waits for its thread, which then ends by itself."""


class Threads:
    """Do work in so many threads at once at most, in the order in which it comes.

    The threads are daemons: one that hangs does not delay the end of the program.

    Parameters
    ----------
    count : int
        Of the threads.
    owner : str
        Whose work they do, for errors.
    """

    def __init__(self, count: int, owner: str) -> None:
        self._owner = owner
        self._free = count
        self._idle = 0
        self._queue: deque[Callable[[], None]] = deque()
        self._wanted = threading.Condition()
        self._begun: dict[Future[Any], Cancellation] = {}
        self._is_closed = False

    async def run(
        self,
        work: Callable[[], T],
        cancellation: Cancellation | None = None,
        *,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        """Do work in a thread, in the context of the caller, and return its result.

        If the task is cancelled, the operations that `work` has begun are cancelled, too.

        Parameters
        ----------
        work : callable
            Without arguments.
        cancellation : Cancellation, optional
            What cancels those operations; by default a new one.
        discard : callable, optional
            Called with the result if nobody takes it, because the task was cancelled.

        Raises
        ------
        CancelledError
            If the task is cancelled. The thread has ended by then, unless that takes longer than `LINGER`.
        ClosedError
            If the threads are closed, or the end of the work could not be waited for.
        Exception
            What `work` raises.
        """
        if self._is_closed:
            raise ClosedError(f"asyncio: {self._owner} is closed")
        used = Cancellation() if cancellation is None else cancellation
        job = self._submit(functools.partial(contextvars.copy_context().run, used.run, work), used)
        ended = _watched(job)
        try:
            await asyncio.wait([ended])
        except asyncio.CancelledError:
            job.cancel()
            used.cancel()
            if discard is not None:
                job.add_done_callback(functools.partial(_discard, discard=discard))
            await asyncio.wait([ended], timeout=LINGER)
            raise
        finally:
            ended.cancel()  # nobody waits for it any more
        try:
            return ended.result()
        except StoreError as error:
            if used.is_cancelled:
                raise ClosedError(f"asyncio: {self._owner} was closed before the end of an operation") from error
            raise

    async def close(self) -> None:
        """Begin nothing more, and wait for what has begun; if the wait is cancelled, cancel that too."""
        self._is_closed = True
        try:
            await self._wait()
        except asyncio.CancelledError:
            for cancellation in list(self._begun.values()):
                cancellation.cancel()
            await self._wait(LINGER)
            raise
        finally:
            with self._wanted:
                self._wanted.notify_all()

    async def _wait(self, seconds: float | None = None) -> None:
        """Wait for what has begun."""
        ended = [_watched(job) for job in list(self._begun)]
        if ended:
            await asyncio.wait(ended, timeout=seconds)

    def _submit(self, work: Callable[[], T], cancellation: Cancellation) -> Future[T]:
        job: Future[T] = Future()
        self._begun[job] = cancellation
        job.add_done_callback(self._begun.pop)
        with self._wanted:
            self._queue.append(functools.partial(_do, job, work))
            self._wanted.notify()
            needs_thread = len(self._queue) > self._idle and self._free > 0
            self._free -= needs_thread
        if needs_thread:
            threading.Thread(target=self._work, name="pyvolume asyncio", daemon=True).start()
        return job

    def _work(self) -> None:
        while self._work_once():
            pass

    def _work_once(self) -> bool:
        """Do the next work, and keep nothing of it; return whether there was any."""
        do = self._take()
        if do is not None:
            do()
        return do is not None

    def _take(self) -> Callable[[], None] | None:
        with self._wanted:
            self._idle += 1
            self._wanted.wait_for(lambda: self._queue or self._is_closed, IDLE)
            self._idle -= 1
            if self._queue:
                return self._queue.popleft()
            self._free += 1
            return None


_shared = OfProcess(lambda: Threads(SHARED_THREADS, "this process"))


def shared_threads() -> Threads:
    """Return the threads of this process that belong to no volume."""
    return _shared[os.getpid()]


async def to_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a synchronous function of pyvolume in a thread, as `asyncio.to_thread` does.

    In contrast to that, cancelling the task ends the operations that the function has begun: no further request is
    sent. There are 32 threads of this kind at most.

    Parameters
    ----------
    function : callable
        Such as `pyvolume.copy`, or a method of a server or a volume.
    *args, **kwargs
        Its arguments.

    Returns
    -------
    object
        What the function returns.

    Raises
    ------
    CancelledError
        If the task is cancelled.
    Exception
        What the function raises.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> source = pyvolume.from_array(np.full((1, 4, 4), 1, "uint8"), "cxy")
    >>> destination = pyvolume.from_array(np.full((1, 4, 4), 2, "uint8"), "cxy")
    >>> asyncio.run(to_thread(pyvolume.copy, source, destination))
    16
    >>> int(destination[...].sum())
    16
    """
    return await shared_threads().run(functools.partial(function, *args, **kwargs))


def _do(job: Future[T], work: Callable[[], T]) -> None:
    if not job.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        job.set_exception(error)
    else:
        job.set_result(result)


def _watched(job: Future[T]) -> asyncio.Future[T]:
    """Return a future of the running loop; asyncio reports no error of it that nobody waits for."""
    ended = asyncio.wrap_future(job)
    ended.add_done_callback(lambda done: done.cancelled() or done.exception())
    return ended


def _discard(job: Future[T], discard: Callable[[T], object]) -> None:
    if not job.cancelled() and job.exception() is None:
        discard(job.result())
