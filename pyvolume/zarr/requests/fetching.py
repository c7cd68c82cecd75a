"""Fetching: whole values of a bucket, many at once.

Threads of their own wait for the answers, inside of the engine. This takes about half of the processor time that an
event loop of Python takes. But nothing can end a thread that waits there. Therefore the thread that asks does not wait
there: after Ctrl-C or at a deadline it goes on at once, and leaves the waiting threads behind. A thread that was left
behind ends when its answer comes, or when the server has been silent for too long. The answer is dropped.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Protocol, runtime_checkable

from pyvolume.calls.call import LONGEST_WAIT, Call, Exchange
from pyvolume.calls.holds import Slots
from pyvolume.calls.pace import Mark
from pyvolume.errors import StoreError
from pyvolume.zarr.requests.signals import unsignalled

IDLE = 1.0
"""Seconds after which a thread ends that has nothing to do."""


@runtime_checkable
class Blocking(Protocol):
    """A store that lets a thread wait for a value, without an event loop."""

    def value(self, key: str) -> memoryview:
        """Return what is stored under a key; that nothing is stored is an error."""
        ...


class Job:
    """One value that is wanted, over all attempts.

    Parameters
    ----------
    fetching : Fetching
        Who wants it.
    number : int
        Which of the values of the fetching it is.
    key : str
        Under which it is stored.
    """

    def __init__(self, fetching: Fetching, number: int, key: str) -> None:
        self.number = number
        self.key = key
        self.exchange = Exchange(fetching.call)
        self.attempts = 0
        self.value: memoryview | None = None
        self.error: BaseException | None = None
        self._fetching = fetching
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._mark: Mark | None = None

    def queue(self) -> None:
        """Note that the next attempt waits for a thread."""
        self._queued = self._fetching.call.now()
        self._hold = threading.Lock()  # a thread that has made an earlier attempt knows another one
        self.attempts += 1
        self.exchange.restart()
        self.value = self.error = None

    def run(self, get: Callable[[str], memoryview], slots: Slots) -> bool:
        """Make one attempt, and return whether the thread that has made it was left behind meanwhile."""
        call, hold = self._fetching.call, self._hold
        try:
            with hold:
                call.take(slots, hold)
                if not self._begin(slots):
                    return False
                value, error = self._attempt(get)
                if not self._end():
                    return True
                self.value, self.error = value, error
                if value is not None:
                    slots.end(self._mark, value.nbytes, call)
                elif isinstance(error, StoreError):
                    slots.fail(self._mark, error, call)
        except BaseException as stopped:  # the call has ended, or the engine is in trouble: whoever waits gets it
            self.error = stopped
        finally:
            call.give_back(hold)
        self._fetching.take(self)
        return False

    def _attempt(self, get: Callable[[str], memoryview]) -> tuple[memoryview | None, Exception | None]:
        try:
            return get(self.key), None
        except Exception as error:
            return None, self._fetching.meaning(self.key, error)

    def _begin(self, slots: Slots) -> bool:
        """Return whether the attempt is wanted; its thread can be left behind from now on."""
        call = self._fetching.call
        with self._lock:
            if self._fetching.is_over:
                return False
            self._mark, self._thread = slots.begin(call), threading.current_thread()
        self.exchange.queued(call.now() - self._queued)
        call.count(requests=1)
        return True

    def _end(self) -> bool:
        """Return whether the attempt is still wanted; its thread cannot be left behind any more."""
        with self._lock:
            is_wanted, self._thread = self._thread is not None, None
        return is_wanted

    def leave(self, slots: Slots, why: StoreError) -> threading.Thread | None:
        """Give up an attempt that is under way, and return its thread, which ends by itself; None if there is none."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            slots.fail(self._mark, why, self._fetching.call)
            self._fetching.call.give_back(self._hold)
        return thread


class Fetchers:
    """The threads of one client that wait for values: not more than there are slots.

    No thread that signals interrupt comes here: a handler that reads would wait for a lock that its own thread holds.

    Parameters
    ----------
    get : callable
        Waits for the value under a key.
    slots : Slots
        Each attempt holds one.
    """

    def __init__(self, get: Callable[[str], memoryview], slots: Slots) -> None:
        self.slots = slots
        self._get = get
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._is_closed = False

    def put(self, job: Job) -> None:
        """Let a thread make the next attempt of a job."""
        job.queue()
        self._queue.put(job)
        self.grow()

    def leave(self, jobs: Iterable[Job], why: StoreError) -> None:
        """Give up attempts that are under way; other threads do what is left."""
        for job in jobs:
            if (thread := job.leave(self.slots, why)) is not None:
                with self._lock:
                    self._threads.discard(thread)
        self.grow()

    def close(self) -> None:
        """Let all threads end; nobody waits any more for what is left to do."""
        self._is_closed = True
        for _ in range(len(self._threads)):
            self._queue.put(None)

    def grow(self) -> None:
        """Begin another thread, if there is something to do and a slot for it.

        Raises
        ------
        RuntimeError, MemoryError
            If the system gives no thread, and there is none yet.
        """
        if self._is_closed or self._queue.empty() or len(self._threads) >= self.slots.room:
            return
        with self._lock:
            if len(self._threads) >= self.slots.room:
                return
            thread = threading.Thread(target=self._work, name="pyvolume bucket", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                if not self._threads:
                    raise
            else:
                self._threads.add(thread)

    def _work(self) -> None:
        try:
            while self._serve():
                pass
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
            self.grow()  # something may have come before this thread was no longer counted

    def _serve(self) -> bool:
        """Do what comes next, and return whether this thread goes on."""
        try:
            job = self._queue.get(timeout=IDLE)
        except Empty:
            return False
        if job is None:
            return not self._is_closed
        self.grow()
        return not job.run(self._get, self.slots) and not self._is_too_many()

    def _is_too_many(self) -> bool:
        """Return whether this thread shall end: it would only wait for a slot, and be woken in vain."""
        if len(self._threads) <= self.slots.room:
            return False
        with self._lock:
            is_too_many = len(self._threads) > self.slots.room
            if is_too_many:
                self._threads.discard(threading.current_thread())
        return is_too_many


class Fetching:
    """Some values that one operation wants.

    Parameters
    ----------
    fetchers : Fetchers
        The threads that wait.
    call : Call
        Patience, deadline and counters.
    meaning : callable
        Turns an error of the engine under a key into one of ours.
    is_missing : callable
        Whether an error says that nothing is stored.
    check_open : callable
        Raises an error if the client is closed.
    """

    def __init__(
        self,
        fetchers: Fetchers,
        call: Call,
        *,
        meaning: Callable[[str, Exception], Exception],
        is_missing: Callable[[BaseException], bool],
        check_open: Callable[[], None],
    ) -> None:
        self.call = call
        self.meaning = meaning
        self.is_over = False
        self._fetchers = fetchers
        self._is_missing = is_missing
        self._check_open = check_open
        self._is_ended = False
        self._jobs: dict[Job, None] = {}
        self._paused: list[tuple[float, int, Job]] = []
        self._done: SimpleQueue[Job | None] = SimpleQueue()

    def run(self, keys: Iterable[str], receive: Callable[[int, memoryview | None], None], most: int) -> None:
        """Fetch values, and give each to `receive`, in the order in which they come.

        The main thread, which gets the signals, leaves this to another one.

        Parameters
        ----------
        keys : iterable of str
            Taken as they are needed.
        receive : callable
            Gets the number of the key and the value; None if nothing is stored.
        most : int
            How many values are asked for ahead.

        Raises
        ------
        ClosedError
            If the client is closed meanwhile.
        StoreError
            If a value cannot be fetched; no further one is asked for then.
        """
        unsignalled(functools.partial(self._run, enumerate(keys), receive, most), self._end)

    def _run(
        self, wanted: Iterator[tuple[int, str]], receive: Callable[[int, memoryview | None], None], most: int
    ) -> None:
        try:
            with self.call.cutting(self.stop):
                self._ask(itertools.islice(wanted, most))
                while self._jobs:
                    job = self._next()
                    if self._is_paused(job):
                        continue
                    del self._jobs[job]
                    self._ask(itertools.islice(wanted, 1))
                    receive(job.number, job.value)
        finally:
            self.is_over = True
            self._fetchers.leave(self._jobs, StoreError("the operation has ended"))
            self._jobs, self._done = {}, SimpleQueue()  # a traceback that somebody keeps holds no values

    def stop(self) -> None:
        """Let `run` look whether it shall end, from another thread."""
        self._done.put(None)

    def _end(self) -> None:
        """End `run`, from another thread."""
        self._is_ended = True
        self.stop()

    def take(self, job: Job) -> None:
        """Take a job whose attempt has ended."""
        error = job.error
        if not (error is None or self._is_missing(error) or (isinstance(error, StoreError) and error.retryable)):
            self.is_over = True  # no other attempt begins
        self._done.put(job)

    def _ask(self, wanted: Iterator[tuple[int, str]]) -> None:
        for number, key in wanted:
            job = Job(self, number, key)
            self._jobs[job] = None
            self._fetchers.put(job)

    def _next(self) -> Job:
        """Wait for the next attempt that has ended."""
        while True:
            self._check_open()
            self.call.remaining()
            if self._is_ended:
                raise StoreError("the operation has ended")
            now = time.monotonic()
            while self._paused and self._paused[0][0] <= now:
                self._fetchers.put(heapq.heappop(self._paused)[-1])
            try:
                until = self._paused[0][0] - now if self._paused else LONGEST_WAIT
                job = self._done.get(timeout=min(until, LONGEST_WAIT))
            except Empty:
                self._fetchers.grow()  # whatever has happened to the threads, the next ones go on
                continue
            if job is not None:
                return job

    def _is_paused(self, job: Job) -> bool:
        """Count what an attempt has brought, and return whether another one follows after a pause.

        Raises
        ------
        StoreError
            If it has failed for good.
        """
        error = job.error
        if error is None:
            assert job.value is not None
            job.exchange.received(job.value.nbytes)
        elif self._is_missing(error):
            self.call.touch()
        elif isinstance(error, StoreError) and error.retryable:
            pause = self.call.next_wait(error, job.attempts, job.exchange)
            heapq.heappush(self._paused, (time.monotonic() + pause, job.number, job))
            return True
        else:
            raise error
        return False
