"""Client: a zarr store in a folder, a bucket or behind a web server, whose requests follow the rules of a call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

from zarr.abc.store import Store
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.sync import sync

from pyvolume.calls.call import Call
from pyvolume.calls.holds import MOST, Lanes, Slots
from pyvolume.calls.processes import OfProcess
from pyvolume.errors import (
    ClosedError,
    ForbiddenError,
    PyVolumeError,
    RefusedError,
    StoreError,
    TransportError,
    UnsupportedError,
)
from pyvolume.stores.whole import check_absent, store_whole
from pyvolume.zarr.refusals import meaning_of_file, meaning_of_object, says_missing
from pyvolume.zarr.requests import engines
from pyvolume.zarr.requests.fetching import Blocking, Fetchers, Fetching
from pyvolume.zarr.requests.folders import Folder
from pyvolume.zarr.requests.metered import MeteredStore
from pyvolume.zarr.requests.parts import ChangedError, Parts, says_beyond
from pyvolume.zarr.requests.runs import Run, run_of
from pyvolume.zarr.requests.signals import unsignalled

T = TypeVar("T")

Meaning: TypeAlias = Callable[[Exception, str, str], Exception | None]
"""Tells what an error of a library means, with the action and the place; None if it means nothing special."""

POOL = 10
"""How many requests one `run` has under way at once in a folder; elsewhere the slots decide."""

MISSING = (404,)
"""The statuses of a chunk that is not stored."""


class Client:
    """A zarr store whose requests follow the rules of a call.

    Parameters
    ----------
    raw : zarr.abc.store.Store
        The store of the engine.
    address : str
        The root, for messages and for locks: a url without secrets, or the path of a folder.
    engine : str
        The library below, see `pyvolume.zarr.requests.engines`; empty for folders.
    pool : int, optional
        How many requests one `run` has under way at once. By default `POOL`, and with `lanes` as many as fill them.
    lanes : Lanes, optional
        The slots of the requests of all runs together; without them only `pool` is a limit.
    missing : collection of int
        The statuses that mean that nothing is stored under a key; 404 is always one of them.
    reopening : callable, optional
        Returns a function and its arguments, which make this client in another process. Without it the client cannot be
        pickled.
    meaning : callable, optional
        Tells what an error of the engine means. By default those of file systems and of obstore are known.
    advice : str
        Added to the message of a `ForbiddenError`.

    Attributes
    ----------
    store : zarr.abc.store.Store
        For zarr's own functions, inside of `run`.
    """

    def __init__(
        self,
        raw: Store,
        address: str,
        *,
        engine: str = "",
        pool: int | None = None,
        lanes: Lanes | None = None,
        missing: Collection[int] = MISSING,
        reopening: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]] | None = None,
        meaning: Meaning | None = None,
        advice: str = "",
    ) -> None:
        self.address = address.rstrip("/") or "/"
        self.lanes = lanes
        self.engine = engine
        self.missing = frozenset({*missing, *MISSING})
        self._raw = raw
        self._pool = pool or (POOL if lanes is None else MOST)
        self._reopening = reopening
        self._meaning = meaning or (meaning_of_object if engine else meaning_of_file)
        self._advice = advice
        self._is_closed = False
        self._runs: dict[Run | Fetching, None] = {}
        self._fetchers = OfProcess(self._new_fetchers)
        self._has_answered = False
        self.store: Store = MeteredStore(self, raw)

    def __repr__(self) -> str:
        return f"<zarr client {self.address}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self._reopening is None:
            raise UnsupportedError(f"pickle: {self.address} cannot be opened in another process")
        return self._reopening()

    @contextlib.contextmanager
    def run(self, call: Call, action: str) -> Iterator[None]:
        """Let everything that zarr asks of `store` inside the block belong to a call.

        After an error, or Ctrl-C, nothing of the block goes on in the background.

        Parameters
        ----------
        call : Call
            Patience, deadline and counters.
        action : str
            What the user wanted, as errors say it.

        Raises
        ------
        ClosedError
            If the client is closed.
        UnsupportedError
            In a process made by fork, if the engine does not work there.
        StoreError
            From the block: if the store does not serve a request.
        """
        with self._new_run(call, action, whole=True, goes_on=True) as run, run.active():
            yield

    def do(self, call: Call, action: str, work: Callable[[], T]) -> T:
        """Return what `work` returns, done inside of `run`; Ctrl-C ends it at any moment.

        The main thread, which gets the signals, leaves the work to another one: Ctrl-C inside of zarr's own wait can
        leave zarr hanging for the rest of the process. In the main thread `run` has this weakness.

        After a request has failed for good, no further one begins. In `run` the code may handle the error and go on.

        A shard that is replaced while `work` reads parts of it is read as a whole: `work` is then done again.

        Parameters
        ----------
        call, action
            As for `run`.
        work : callable
            Uses zarr's own functions.

        Raises
        ------
        ClosedError, UnsupportedError, StoreError
            As for `run`.
        """
        try:
            with self._new_run(call, action) as run:
                return _done(run, work)
        except ChangedError:
            with self._new_run(call, action, whole=True) as run:
                return _done(run, work)

    @property
    def folder(self) -> str:
        """The path of the folder; empty if the store is none."""
        return self.address if isinstance(self._raw, Folder) else ""

    @contextlib.contextmanager
    def reading(self, key: str, call: Call, action: str) -> Iterator[BinaryIO | None]:
        """Give an open file of the folder, None if there is none; no other thread takes part.

        Parameters
        ----------
        key : str
            The path below the folder.
        call, action
            As for `run`.

        Raises
        ------
        ClosedError
            If the client is closed.
        AnswerError
            If there is a folder, or a link to a file that is not there.
        ForbiddenError, OSError
            If the file cannot be read, also from the block.
        """
        self.check_open(action)
        call.remaining()
        try:
            with contextlib.ExitStack() as stack:
                try:
                    file = stack.enter_context(open(f"{self.folder}/{key}", "rb"))  # noqa: PTH123 - one for each chunk
                except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                    check_absent(f"{self.folder}/{key}")
                    file = None
                    call.count(requests=1)
                yield file
        except OSError as error:
            raise self._meaning(error, action, f"{self.folder}/{key}") or error from error

    def store_file(self, key: str, parts: Sequence[bytes | memoryview], call: Call, action: str) -> None:
        """Replace a file of the folder as a whole; without parts it is deleted. No other thread takes part.

        Parameters
        ----------
        key : str
            The path below the folder.
        parts : sequence of bytes or memoryview
            The content.
        call, action
            As for `run`.

        Raises
        ------
        ClosedError
            If the client is closed.
        ForbiddenError, OSError
            If it cannot be written; what was there stays.
        """
        self.check_open(action)
        call.remaining()
        path = f"{self.folder}/{key}"
        try:
            if parts:
                store_whole(path, parts)
            else:
                Path(path).unlink(missing_ok=True)
        except OSError as error:
            raise self._meaning(error, action, path) or error from error
        call.count(requests=1, bytes_sent=sum(map(len, parts)))
        call.touch()

    def check_open(self, action: str) -> None:
        """Refuse to go on with a client that is closed.

        Raises
        ------
        ClosedError
        """
        if self._is_closed:
            raise ClosedError(f"{action}: {self.address} is closed")

    def fetch(
        self,
        keys: Iterable[str],
        receive: Callable[[int, Any], None],
        call: Call,
        action: str,
        *,
        most: int,
    ) -> None:
        """Fetch values, many at once, and give each to `receive` in the order in which they come.

        Parameters
        ----------
        keys : iterable of str
            Taken as they are needed.
        receive : callable
            Gets the number of the key and the bytes of the value; None if nothing is stored.
        call, action
            As for `run`.
        most : int
            How many values are asked for ahead.

        Raises
        ------
        ClosedError, UnsupportedError, StoreError
            As for `run`.
        """
        if not isinstance(self._raw, Blocking):
            self._fetch_by_zarr(keys, receive, call, action, most)
            return
        self._enter(action)
        fetching = Fetching(
            self._fetchers[os.getpid()],
            call,
            meaning=lambda key, error: self._translated(action, key, error) or error,
            is_missing=lambda error: says_missing(error, self.missing),
            check_open=lambda: self.check_open(action),
        )
        with self._known(fetching):
            fetching.run(keys, receive, most)

    def _fetch_by_zarr(
        self, keys: Iterable[str], receive: Callable[[int, Any], None], call: Call, action: str, most: int
    ) -> None:
        waiting, number = iter(keys), itertools.count()
        while some := list(itertools.islice(waiting, most)):
            found = self.do(call, action, functools.partial(_values, self.store, some))
            for at, value in enumerate(found):
                self.check_open(action)
                call.remaining()
                found[at] = None  # it is not kept until the last one is decoded
                receive(next(number), None if value is None else value.as_numpy_array().data)

    def _new_fetchers(self) -> Fetchers:
        assert isinstance(self._raw, Blocking)
        assert self.lanes is not None
        return Fetchers(self._raw.value, self.lanes.reads)

    def _enter(self, action: str) -> None:
        self.check_open(action)
        engines.enter(self.engine, self.address)

    @contextlib.contextmanager
    def _new_run(self, call: Call, action: str, *, whole: bool = False, goes_on: bool = False) -> Iterator[Run]:
        self._enter(action)
        run = Run(self, call, action, self._pool, Parts(whole=whole), goes_on=goes_on)
        with self._known(run):
            yield run

    @contextlib.contextmanager
    def _known(self, run: Run | Fetching) -> Iterator[None]:
        """Let `close` end what goes on in the block.

        A set of weak references would do, but for Ctrl-C while it forgets one of them: that is lost.
        """
        self._runs[run] = None
        try:
            yield
        finally:
            self._runs.pop(run, None)

    def close(self) -> None:
        """Refuse every further request, and end those of other threads; a client can be closed twice."""
        self._is_closed = True
        for run in list(self._runs):
            run.stop()
        fetchers = self._fetchers.get(os.getpid())
        if fetchers is not None:
            fetchers.close()
        if not self.engine or engines.is_usable(self.engine):
            self._raw.close()

    async def read(
        self, key: str, once: Callable[[], Awaitable[T]], missing: T, size: Callable[[T], int] | None = None
    ) -> T:
        """Await an answer, or `missing` where the status says that there is nothing; `size` tells its bytes."""
        run = self._present_run()
        try:
            found = await run.attempts(
                once,
                functools.partial(self._translated, run.action, key),
                lasting=False,
                slots=self._slots(False),
                size=size,
            )
        except StoreError as error:
            if says_missing(error, self.missing):
                return missing
            if not says_beyond(error):  # the parts of a value decide whether it was replaced
                run.fail(error)
            raise
        self._has_answered = True
        if size is not None:
            run.call.count(bytes_fetched=size(found))
        run.call.touch()
        return found

    async def change(self, key: str, once: Callable[[], Awaitable[None]], size: int = 0) -> None:
        """Await a change, which sends so many bytes; one of a file is not left before it is done."""
        run = self._present_run()
        meaning, slots = functools.partial(self._translated, run.action, key), self._slots(True)
        try:
            await run.attempts(once, meaning, lasting=not self.engine, slots=slots, size=lambda _: size)
        except StoreError as error:
            run.fail(error)
            raise
        self._has_answered = True
        run.call.count(bytes_sent=size)
        run.call.touch()

    def _slots(self, write: bool) -> Slots | None:
        return None if self.lanes is None else self.lanes.of(write=write)

    def parts(self) -> Parts:
        """Return the parts of values that the present run has read."""
        return self._present_run().parts

    def read_only_error(self) -> UnsupportedError:
        """Return why nothing is written."""
        return UnsupportedError(f"{self._present_run().action}: {self.address} is opened with mode='r'")

    def _present_run(self) -> Run:
        run = run_of(self)
        if run is None:
            raise RuntimeError(f"{self.address}: zarr asks outside of Client.run")
        return run

    def _translated(self, action: str, key: str, error: Exception) -> Exception | None:
        if isinstance(error, PyVolumeError):
            return None
        found = self._meaning(error, action, f"{self.address.rstrip('/')}/{key}" if key else self.address)
        if self._advice and isinstance(found, ForbiddenError):
            found.args = (f"{found}; {self._advice}",)
        if isinstance(found, TransportError) and found.unreached and not self._has_answered:
            return found.with_facts(retryable=False)  # one that has answered before may be starting again
        self._has_answered = self._has_answered or isinstance(found, RefusedError)
        return found


def _values(store: Store, keys: Sequence[str]) -> list[Buffer | None]:
    prototype = default_buffer_prototype()

    async def gathered() -> list[Buffer | None]:
        return await asyncio.gather(*(store.get(key, prototype) for key in keys))

    return sync(gathered())


def _done(run: Run, work: Callable[[], T]) -> T:
    def inside() -> T:
        with run.active():
            return work()

    return unsignalled(inside, run.end)
