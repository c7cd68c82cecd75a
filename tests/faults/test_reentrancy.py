"""A callback, a source or a signal handler that uses the volume that is being written: it reads, or gets an error."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from watched_store import WatchedStore

import pyvolume
from mockserver import Fault, MockServer
from pyvolume import RetryPolicy, Volume
from pyvolume.errors import UnsupportedError

PATIENCE = 20
"""Seconds after which a test that hangs fails."""

SIDE = 64


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """Fail where something hangs."""

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError("hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Tries:
    """Something that is called in the middle of a write, reads, and writes into the same block and into another one."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self.errors: list[Exception] = []
        self.seen: list[int] = []

    def __call__(self, *_: object) -> None:
        if self.seen:
            return
        self.seen.append(int(self._volume[0, 1, 1, 1]))
        self._volume[0, -1, -1, -1] = 9
        with pytest.raises(UnsupportedError) as caught:
            self._volume[0, 3, 3, 3] = 9
        self.errors.append(caught.value)


class Source:
    """An array of ones that does something else when it is sliced."""

    def __init__(self, shape: tuple[int, ...], then: Callable[[], None]) -> None:
        self.shape, self.dtype, self._then = shape, np.dtype("uint8"), then

    def __getitem__(self, key: tuple[slice, ...]) -> Any:
        self._then()
        return np.ones([each.stop - each.start for each in key], "uint8")


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer({"gray": np.zeros((1, 2 * SIDE, 2 * SIDE, 2 * SIDE), "uint8")}) as server:
        yield server


def opened(server: MockServer, concurrency: int = 1, on_wait: Callable[[object], None] | None = None) -> Volume:
    policy = RetryPolicy(interval=0.01, on_wait=on_wait)
    connection = pyvolume.Connection(server.url, retry=policy, concurrency=concurrency)
    return pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_callback_of_a_wait(server: MockServer, concurrency: int) -> None:
    called: list[Tries] = []
    volume = opened(server, concurrency, lambda _: called[0]())
    called.append(Tries(volume))
    server.faults.add(Fault("busy", method="POST", path=".*/raw/.*"))
    volume[:, :10, :10, :10] = 1
    assert called[0].seen == [0]
    assert "is being written by the operation that called" in str(called[0].errors[0])
    assert server.voxels("gray").sum() == 1000 + 9


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_source(server: MockServer, concurrency: int) -> None:
    volume = opened(server, concurrency)
    tries = Tries(volume)
    volume.write(((0, 0, 0, 0), (1, 10, 10, 10)), Source((1, 10, 10, 10), tries))
    assert tries.seen == [0]
    assert server.voxels("gray").sum() == 1000 + 9


def test_a_callback_of_progress(server: MockServer) -> None:
    volume = opened(server)
    tries = Tries(volume)
    volume.write(((0, 0, 0, 0), (1, 10, 10, 10)), np.ones((1, 10, 10, 10), "uint8"), progress=tries)
    assert tries.seen == [1]
    assert len(tries.errors) == 1


def test_a_signal_handler_in_the_middle_of_a_request(server: MockServer) -> None:
    volume = opened(server)
    tries = Tries(volume)
    before = signal.signal(signal.SIGUSR1, tries)
    main = threading.main_thread().ident
    assert main is not None
    server.faults.add(Fault("slow", method="POST", path=".*/raw/.*", pause=0.2))
    threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)).start()
    try:
        while not tries.seen:
            volume[:, :SIDE, :SIDE, :SIDE] = 1
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(tries.errors) == 1


def test_a_signal_handler_that_reads_at_any_moment(server: MockServer) -> None:
    volume = opened(server)
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(int(volume[0, 100, 100, 100])))
    main = threading.main_thread().ident
    assert main is not None
    stopped = threading.Event()

    def press() -> None:
        sent = 0
        while not stopped.wait(0.002):
            if len(seen) == sent:  # a handler in a handler in a handler has no end on a slow machine
                sent += 1
                signal.pthread_kill(main, signal.SIGUSR1)

    pressing = threading.Thread(target=press)
    pressing.start()
    try:
        while len(seen) < 100:
            volume[0, 1:4, 1:4, 1:4] = 1
    finally:
        stopped.set()
        pressing.join()
        signal.signal(signal.SIGUSR1, before)
    assert set(seen) == {0}


def test_the_lock_of_a_user_is_not_taken_twice_at_once() -> None:
    """A write inside of a write, into the same block but not into the same voxels."""
    locks: dict[str, threading.Lock] = {}
    errors: list[Exception] = []

    @contextlib.contextmanager
    def lock(name: str) -> Iterator[None]:
        with locks.setdefault(name, threading.Lock()):
            yield

    def write_again(method: str, _: pyvolume.Box) -> None:
        if method == "write" and not errors:
            with pytest.raises(UnsupportedError) as caught:
                volume[0, 7, 7, 7] = 2
            errors.append(caught.value)

    store = WatchedStore(np.zeros((1, 16, 16, 16), "uint8"), (2, 2, 2), chunks=(1, 8, 8, 8), before=write_again)
    volume = store.volume(lock=lock)
    volume[0, 0, 0, 0] = 1
    assert errors
    assert store.stored().sum() == 1
