"""A process made by fork at any moment: its reads and writes work, and so do those of its parent."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np
import pytest
import requests

import pyvolume
from mockserver import MockServer
from pyvolume.dvid import VoxelsAccessor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")

TRIES = 15
PATIENCE = 20.0
"""Seconds after which a process that hangs is ended."""

ARRAY = (np.arange(64**3) % 251).astype("uint8").reshape(1, 64, 64, 64)


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer({"gray": ARRAY.copy(), "written": np.zeros_like(ARRAY)}) as server:
        yield server


def forked(work: Callable[[], object]) -> str:
    """Work in a process made by fork, and say how that ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads in a process that is forked
        process = os.fork()
    if process == 0:
        status = 1
        try:
            signal.alarm(int(PATIENCE))  # its default ends the process
            work()
            status = 0
        finally:
            os._exit(status)
    return "" if (status := os.waitpid(process, 0)[1]) == 0 else f"status {status}"


class Busy:
    """Threads that read and write until the end of the block."""

    def __init__(self, gray: VoxelsAccessor, written: VoxelsAccessor) -> None:
        self._gray, self._written = gray, written
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(4)]
        self.is_right = True

    def _work(self, number: int) -> None:
        while not self._stopped.is_set():
            if number % 2:
                self._written[0, 1:9, 1:9, 1:9] = 1
            elif not (self._gray[0, 3:9, 3:9, :] == ARRAY[0, 3:9, 3:9, :]).all():
                self.is_right = False

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE)


def test_a_fork_at_random_moments_while_threads_read_and_write(server: MockServer) -> None:
    draw, ends = random.Random(5), set[str]()
    with pyvolume.Connection(server.url, concurrency=2) as connection, pyvolume.trace():
        gray, written = (VoxelsAccessor(connection, server.uuid, name) for name in ("gray", "written"))

        def work() -> None:
            np.testing.assert_array_equal(gray[0, 2:30, 3:9, :], ARRAY[0, 2:30, 3:9, :])
            written[0, 2:5, 2:5, 2:5] = 2
            ((_, voxels),) = gray.read_many([gray.bounds])
            np.testing.assert_array_equal(voxels, ARRAY)

        with Busy(gray, written) as busy:
            for _ in range(TRIES):
                time.sleep(draw.random() * 0.02)
                ends.add(forked(work))
    assert ends == {""}
    assert busy.is_right


def test_the_locks_of_other_threads_are_not_inherited(server: MockServer) -> None:
    """Each lock that a statement can hold is held by another thread at the moment of the fork."""
    with pyvolume.Connection(server.url, concurrency=1) as connection, pyvolume.trace() as trace:
        gray = VoxelsAccessor(connection, server.uuid, "gray")
        memory = pyvolume.from_array(ARRAY.copy(), growable=True)
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with (
                connection._locks[os.getpid()],
                gray._transfer.known._locks[os.getpid()],
                memory.store._locks[os.getpid()],  # type: ignore[attr-defined]
                memory._transfer.known._locks[os.getpid()],
                pyvolume.calls.trace._LOCKS[os.getpid()],
            ):
                held.set()
                release.wait(PATIENCE)

        def work() -> None:
            memory[:, 60:70, :4, :4] = 1
            gray[:, 1:3, 1:3, 1:3] = 1
            assert int(gray[0, 1, 1, 1]) == 1
            assert trace.requests > 0

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(PATIENCE)
        try:
            assert forked(work) == ""
        finally:
            release.set()
            thread.join()


def test_the_sockets_of_a_given_session_are_not_shared(server: MockServer) -> None:
    with requests.Session() as session, pyvolume.Connection(server.url, session=session) as connection:
        gray = VoxelsAccessor(connection, server.uuid, "gray")
        manager = session.get_adapter(server.url).poolmanager  # type: ignore[attr-defined]

        def work() -> None:
            assert int(gray[0, 0, 0, 7]) == 7
            assert session.get_adapter(server.url).poolmanager is not manager  # type: ignore[attr-defined]

        assert forked(work) == ""
        assert int(gray[0, 0, 0, 8]) == 8
        assert session.get_adapter(server.url).poolmanager is manager  # type: ignore[attr-defined]
