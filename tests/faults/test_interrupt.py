"""Ctrl-C while pieces hang: it returns at once, and the connection goes on working."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from box_server import BoxServer, BoxStore
from conformance_stores import in_pieces, ramp
from interrupts import CtrlC
from numpy.typing import NDArray
from watched_store import WatchedStore

import pyvolume
from mockserver import Fault, MockServer
from pyvolume import Box
from pyvolume.calls.call import Call
from pyvolume.errors import TransportError

PATIENCE = 10
PIECES = 12
ARRAY = ramp((1, 10, 8, PIECES), "uint16")
PLANE = ARRAY.nbytes // PIECES


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


class Hanging:
    """A gate that is shut for the planes from some z on; once `number` hang there, somebody presses Ctrl-C.

    With `wakes=False` the signal does not wake the main thread, see `CtrlC`.
    """

    def __init__(self, number: int, first: int = 0, *, wakes: bool = True) -> None:
        self._first = first
        self._together = threading.Barrier(number, action=CtrlC(wakes=wakes), timeout=PATIENCE)
        self.opened = threading.Event()

    def __call__(self, box: Box) -> None:
        if box.start[3] >= self._first and not self.opened.is_set():
            self._together.wait()
            self.opened.wait(PATIENCE)


@pytest.fixture(params=[1, 4], ids=["one at a time", "four at once"])
def concurrency(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def server() -> Iterator[BoxServer]:
    with BoxServer(ARRAY) as server:
        yield server


@pytest.fixture
def connection(server: BoxServer, concurrency: int) -> Iterator[pyvolume.Connection]:
    """Give a connection that would bear a very long silence."""
    with pyvolume.Connection(server.url, concurrency=concurrency, timeout=(5, 1000)) as connection:
        yield connection


def interrupted(work: Callable[[], object]) -> float:
    """Return after how many seconds Ctrl-C has ended the work."""
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work()
    return time.monotonic() - began


def works(volume: pyvolume.Volume, array: NDArray[Any] = ARRAY) -> bool:
    """Whether a read in another thread comes to an end, as it should at once."""
    pool = ThreadPoolExecutor(1)
    try:
        same(pool.submit(lambda: volume[..., :1]).result(PATIENCE / 2), array[..., :1])
    except TimeoutError:
        return False
    finally:
        pool.shutdown(wait=False)
    return True


@pytest.mark.parametrize("wakes", [True, False], ids=["it wakes", "it wakes nobody"])
def test_a_read_returns_while_every_piece_hangs(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int, wakes: bool
) -> None:
    server.gate = hanging = Hanging(concurrency, wakes=wakes)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    assert interrupted(lambda: volume[...]) < 5
    hanging.opened.set()


def test_a_read_returns_while_one_piece_hangs(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(1, first=PIECES - 1)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    assert interrupted(lambda: volume[...]) < 5
    assert works(volume)
    hanging.opened.set()


@pytest.mark.parametrize("concurrency", [4], indirect=True, ids=[""])
def test_the_connection_works_while_pieces_of_before_still_hang(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(concurrency, first=1)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    interrupted(lambda: volume[...])
    try:
        assert works(volume)
    finally:
        hanging.opened.set()


@pytest.mark.parametrize("wakes", [True, False], ids=["it wakes", "it wakes nobody"])
def test_a_write_returns_while_every_piece_hangs(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int, wakes: bool
) -> None:
    server.gate = hanging = Hanging(concurrency, first=1, wakes=wakes)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    assert interrupted(lambda: volume.__setitem__(..., 7)) < 5
    hanging.opened.set()


PLANES = [Box((0, 0, 0, z), (1, 10, 8, z + 1)) for z in range(PIECES)]


def test_reading_many_boxes_returns_while_they_hang(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(concurrency, first=1)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    assert interrupted(lambda: list(volume.read_many(PLANES))) < 5
    hanging.opened.set()


def test_writing_many_boxes_returns_while_they_hang(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(concurrency, first=1)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    pieces = [(box, ARRAY[box.slices_from((0, 0, 0, 0))]) for box in PLANES]
    assert interrupted(lambda: volume.write_many(pieces)) < 5
    hanging.opened.set()


@pytest.mark.parametrize("concurrency", [4], indirect=True, ids=[""])
def test_a_signal_that_wakes_nobody_ends_a_read(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(concurrency, wakes=False)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    assert interrupted(lambda: volume[...]) < 5
    hanging.opened.set()


@pytest.mark.parametrize("ordered", [True, False], ids=["in order", "in any order"])
def test_a_signal_that_wakes_nobody_ends_reading_many_boxes(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int, ordered: bool
) -> None:
    server.gate = hanging = Hanging(concurrency, first=1, wakes=False)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    assert interrupted(lambda: list(volume.read_many(PLANES, ordered=ordered))) < 5
    hanging.opened.set()


def test_a_signal_that_wakes_nobody_ends_writing_many_boxes(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(concurrency, first=1, wakes=False)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    pieces = [(box, ARRAY[box.slices_from((0, 0, 0, 0))]) for box in PLANES]
    assert interrupted(lambda: volume.write_many(pieces)) < 5
    hanging.opened.set()


def test_the_connection_works_while_boxes_of_before_still_hang(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(concurrency, first=1)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    interrupted(lambda: list(volume.read_many(PLANES)))
    try:
        assert works(volume)
    finally:
        hanging.opened.set()


def test_no_box_is_asked_for_after_ctrl_c(server: BoxServer, connection: pyvolume.Connection, concurrency: int) -> None:
    server.gate = hanging = Hanging(concurrency)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    interrupted(lambda: list(volume.read_many(PLANES)))
    hanging.opened.set()
    for thread in threading.enumerate():
        if thread.name == "pyvolume":
            thread.join(PATIENCE)
    assert len(server.asked) == concurrency


def test_nothing_is_asked_for_after_ctrl_c(
    server: BoxServer, connection: pyvolume.Connection, concurrency: int
) -> None:
    server.gate = hanging = Hanging(concurrency)
    volume = BoxStore(connection, ARRAY, PLANE).volume()
    interrupted(lambda: volume[...])
    hanging.opened.set()
    for thread in threading.enumerate():
        if thread.name == "pyvolume":
            thread.join(PATIENCE)
    assert len(server.asked) == concurrency


def test_a_stalled_mock_server_is_left(concurrency: int) -> None:
    press = CtrlC()

    def press_at_the_second_piece(status: pyvolume.TransferStatus) -> None:
        if status.bytes_done > status.bytes_total / 6:
            press()

    array = ramp((1, 64, 96, 64), "uint16")
    with (
        MockServer({"gray": array}) as server,
        pyvolume.Connection(server.url, concurrency=concurrency, timeout=(5, 1000)) as connection,
    ):
        volume = in_pieces(
            pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray"), array.nbytes // 6, concurrency
        )
        server.faults.add(Fault("stall", times=1, path=".*/raw/.*_[345][0-9]"))
        with pytest.raises(KeyboardInterrupt):
            volume.get_ndarray((0, 0, 0, 0), array.shape, progress=press_at_the_second_piece)
        server.faults.clear()
        assert works(volume, array)


class NotedLock(contextlib.AbstractContextManager[None]):
    """A lock of a user that notes its release."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def __exit__(self, *exc: object) -> None:
        self._events.append("released")


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_completed_blocks_stay_locked_while_the_server_may_carry_out_what_was_interrupted(is_cancelled: bool) -> None:
    """A server that has received a whole request carries it out, also if its client has gone."""
    events: list[str] = []
    store = WatchedStore(np.zeros((1, 8, 8, 8), "uint8"), (8, 8, 8), chunks=(1, 8, 8, 8))
    volume = store.volume(lock=lambda _: NotedLock(events))

    def receive(_: Box, __: NDArray[Any], call: Call) -> None:
        threading.Timer(0.02, events.append, ["carried out"]).start()
        if is_cancelled:
            call.cancel()
            call.remaining()
        raise KeyboardInterrupt

    store.write_box = receive  # type: ignore[assignment, method-assign]
    with pytest.raises((KeyboardInterrupt, TransportError)):
        volume[0, 1, 1, 1] = 1
    assert events == ["carried out", "released"]


def test_ctrl_c_ends_a_wait_for_a_busy_server() -> None:
    policy = pyvolume.RetryPolicy(patience=2000, on_wait=lambda _: press())
    press = CtrlC()
    with (
        MockServer({"gray": ARRAY}, faults=[Fault("busy", path=".*/raw/.*", retry_after=1000)]) as server,
        pyvolume.Connection(server.url, retry=policy) as connection,
    ):
        volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
        with pytest.raises(KeyboardInterrupt):
            volume[...]
        same(volume[...], ARRAY)
