"""Run: what zarr does in one block of code, under the rules of a call."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import copy
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from pyvolume.calls.call import Call, Exchange
from pyvolume.calls.holds import Slots
from pyvolume.errors import StoreError, TransportError
from pyvolume.zarr.requests.parts import Parts
from pyvolume.zarr.requests.signals import GRACE
from pyvolume.zarr.requests.turns import Turn

T = TypeVar("T")

_around: contextvars.ContextVar[tuple[Run, ...]] = contextvars.ContextVar("pyvolume runs of zarr", default=())
"""The runs around the caller. zarr gives the context of the calling thread to its event loop and to its threads."""


class Run:
    """The requests of one block of code.

    Parameters
    ----------
    owner : object
        Whose requests they are: those of others in the same block do not belong to this run.
    call : Call
        Their patience, deadline and counters.
    action : str
        What the user wanted, as errors say it.
    pool : int
        How many requests may be under way at once.
    parts : Parts
        The parts of values that were read.
    goes_on : bool
        Whether the code may handle the error of a request and send others. If not, none begins after the first error.
    """

    def __init__(
        self, owner: object, call: Call, action: str, pool: int, parts: Parts, *, goes_on: bool = False
    ) -> None:
        self.parts = parts
        self.owner = owner
        self.call = call
        self.action = action
        self._goes_on = goes_on
        self._failure: StoreError | None = None
        self._places = asyncio.Semaphore(pool)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interruptible: set[asyncio.Task[Any]] = set()
        self._is_cut = False
        self._is_over = False
        self._ended = threading.Event()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Let the requests that zarr begins inside the block belong to this run; at its end there are none left.

        After an error, requests that have not begun are refused, those on a network are ended, and those that write
        files are waited for.
        """
        token = _around.set((*_around.get(), self))
        try:
            with self.call.cutting(self._cut):
                yield
        except BaseException:
            self._is_over = True
            self._settle()
            raise
        finally:
            self._is_over = True
            _around.reset(token)
            self._ended.set()

    def stop(self) -> None:
        """End the requests, and wait until zarr does nothing more for this run; from another thread."""
        self._cut()
        self._ended.wait(GRACE)

    async def attempts(
        self,
        once: Callable[[], Awaitable[T]],
        meaning: Callable[[Exception], Exception | None],
        *,
        lasting: bool,
        slots: Slots | None = None,
        size: Callable[[T], int] | None = None,
    ) -> T:
        """Await `once` until it succeeds, fails for good, or the patience runs out.

        Parameters
        ----------
        once : callable
            Begins one attempt.
        meaning : callable
            Turns an error of a library into one of ours; None leaves it as it is.
        lasting : bool
            Whether an attempt goes on in a thread, whatever happens to the one who awaits it: then it is not left.
        slots : Slots, optional
            Each attempt holds one of them.
        size : callable, optional
            Tells how many bytes an attempt has moved.
        """
        self._loop = asyncio.get_running_loop()
        exchange = Exchange(self.call)
        attempts = 0
        while True:
            attempts += 1
            async with self._place(exchange, slots) as turn:
                try:
                    result = await self._attempt(once, exchange, lasting=lasting)
                    turn.end(0 if size is None else size(result))
                    return result
                except StoreError as error:
                    turn.fail(error)
                    raise
                except Exception as error:
                    found = meaning(error)
                    if found is None:
                        raise
                    turn.fail(found)
            if not isinstance(found, StoreError) or not found.retryable:
                raise found
            with self._ending():
                await asyncio.sleep(await self._next_wait(found, attempts, exchange))

    @contextlib.asynccontextmanager
    async def _place(self, exchange: Exchange, slots: Slots | None) -> AsyncIterator[Turn]:
        """Hold one of the places of the run, and a slot."""
        self.check()
        began, turn = self.call.now(), Turn(slots, self.call)
        with self._ending():
            await self._places.acquire()
        try:
            with self._ending():
                await turn.begin()
            exchange.queued(self.call.now() - began)
            self.check()
            yield turn
        finally:
            turn.over()
            self._places.release()

    async def _attempt(self, once: Callable[[], Awaitable[T]], exchange: Exchange, *, lasting: bool) -> T:
        exchange.restart()
        self.call.count(requests=1)
        if lasting:
            return await once()
        with self._ending():
            return await once()

    async def _next_wait(self, error: StoreError, attempts: int, exchange: Exchange) -> float:
        if self.call.policy.on_wait is None:
            return self.call.next_wait(error, attempts, exchange)
        # what the user has given may take its time, and may use zarr itself
        return await asyncio.to_thread(self.call.next_wait, error, attempts, exchange)

    def fail(self, error: StoreError) -> None:
        """Note that a request has failed for good, with this error."""
        if self._failure is None and not self._goes_on:
            self._failure = error

    def check(self) -> None:
        """Refuse a request after the end.

        Raises
        ------
        TransportError
            If the block has ended, the call is cancelled, or its deadline has passed.
        StoreError
            If another request has failed for good: its error, whichever of them the caller sees first.
        """
        if self._is_over or self._is_cut:
            raise self._why_ended()
        if self._failure is not None:
            raise copy.copy(self._failure)  # each of them gets a traceback of its own
        self.call.remaining()

    def end(self) -> None:
        """End everything that is under way, from any thread, and refuse what has not begun."""
        self._is_over = True
        self._cut()

    def _why_ended(self) -> TransportError:
        try:
            self.call.remaining()
        except TransportError as error:
            return error
        return TransportError(f"{self.action}: the operation has ended")

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Let `_cut` end what is awaited in the block."""
        task = asyncio.current_task()
        assert task is not None
        self._interruptible.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not (self._is_over or self._is_cut):
                raise
            task.uncancel()
            raise self._why_ended() from None
        finally:
            self._interruptible.discard(task)

    def _cut(self) -> None:
        """End all waits and requests, from any thread."""
        self._is_cut = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        for task in self._interruptible:
            task.cancel()

    def _settle(self) -> None:
        """Wait until zarr does nothing more for this run."""
        if self._loop is None:
            return
        settled = threading.Event()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._end_tasks, settled)
            settled.wait(GRACE)

    def _end_tasks(self, settled: threading.Event) -> None:
        """Interrupt what can be interrupted, and tell when the last task of this run is done."""
        self._interrupt()
        left = {task for task in asyncio.all_tasks() if self in _runs_of(task)}
        if not left:
            settled.set()

        def note(task: asyncio.Task[Any]) -> None:
            left.discard(task)
            if not left:
                settled.set()

        for task in list(left):
            task.add_done_callback(note)


def run_of(owner: object) -> Run | None:
    """Return the innermost run of an owner around the caller."""
    return next((run for run in reversed(_around.get()) if run.owner is owner), None)


def _runs_of(task: asyncio.Task[Any]) -> tuple[Run, ...]:
    """Return the runs around the code that has begun a task."""
    if hasattr(task, "get_context"):
        context = task.get_context()
    else:  # Python 3.11 does not show the context of a task
        context = next((each for each in gc.get_referents(task) if isinstance(each, contextvars.Context)), None)
    return () if context is None else context.get(_around, ())
