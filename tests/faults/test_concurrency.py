"""How many requests are under way at once: one bound for each connection, whoever uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from box_server import BoxServer, BoxStore
from conformance_stores import ramp

import pyvolume
from mockserver import Fault, MockServer

PATIENCE = 20
PIECES = 12
ARRAY = ramp((1, 10, 8, PIECES), "uint16")
PLANE = ARRAY.nbytes // PIECES


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def in_threads(number: int, work: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(work, range(number)))


def together(concurrency: int) -> Callable[[object], object]:
    """Let requests pass only in groups of that many: fewer at once would never come through."""
    barrier = threading.Barrier(concurrency, timeout=PATIENCE)
    return lambda _: barrier.wait()


@pytest.fixture(params=[1, 3, 4, 6])
def concurrency(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_reads_of_many_threads_share_the_bound_of_their_connection(concurrency: int) -> None:
    with (
        BoxServer(ARRAY, together(concurrency)) as server,
        pyvolume.Connection(server.url, concurrency=concurrency) as connection,
    ):
        volume = BoxStore(connection, ARRAY, PLANE).volume()
        for result in in_threads(8, lambda _: volume[...]):
            same(result, ARRAY)
        assert len(server.asked) == 8 * PIECES
        assert server.most_at_once == concurrency


def test_volumes_share_the_bound_of_their_connection(concurrency: int) -> None:
    with (
        BoxServer(ARRAY, together(concurrency)) as server,
        pyvolume.Connection(server.url, concurrency=concurrency) as connection,
    ):
        for result in in_threads(8, lambda _: BoxStore(connection, ARRAY, PLANE).volume()[...]):
            same(result, ARRAY)
        assert server.most_at_once == concurrency


def test_writes_of_many_threads_share_the_bound_of_their_connection(concurrency: int) -> None:
    array = np.zeros((8, 5, PIECES), "uint8")
    with (
        BoxServer(array, together(concurrency)) as server,
        pyvolume.Connection(server.url, concurrency=concurrency) as connection,
    ):
        volume = BoxStore(connection, array, 5).volume()
        in_threads(8, lambda n: volume.__setitem__(n, n + 1))
        same(server.array, np.broadcast_to(np.arange(1, 9, dtype="uint8")[:, None, None], array.shape))
        assert (len(server.asked), server.most_at_once) == (8 * PIECES, concurrency)


def test_a_store_that_prefers_less_gets_less() -> None:
    with BoxServer(ARRAY, together(2)) as server, pyvolume.Connection(server.url, concurrency=8) as connection:
        same(BoxStore(connection, ARRAY, PLANE, preferred_concurrency=2).volume()[...], ARRAY)
        assert server.most_at_once == 2


def test_another_connection_has_a_bound_of_its_own() -> None:
    with (
        BoxServer(ARRAY, together(4)) as server,
        pyvolume.Connection(server.url, concurrency=2) as first,
        pyvolume.Connection(server.url, concurrency=2) as second,
    ):
        volumes = [BoxStore(connection, ARRAY, PLANE).volume() for connection in (first, second)]
        for result in in_threads(2, lambda n: volumes[n][...]):
            same(result, ARRAY)
        assert server.most_at_once == 4


def test_who_waits_for_a_busy_server_lets_others_pass() -> None:
    def read_elsewhere(_: pyvolume.RetryWait) -> None:
        same(other[...], ARRAY)

    policy = pyvolume.RetryPolicy(interval=0, on_wait=read_elsewhere)
    with (
        MockServer({"gray": ARRAY, "other": ARRAY}, faults=[Fault("busy", path=".*/gray/raw/.*")]) as server,
        pyvolume.Connection(server.url, concurrency=1, retry=policy) as connection,
    ):
        gray, other = (pyvolume.dvid.VoxelsAccessor(connection, server.uuid, name) for name in ("gray", "other"))
        same(gray[...], ARRAY)


def test_one_at_a_time_is_the_rule_where_a_server_throttles() -> None:
    with MockServer({"gray": ARRAY}) as server, pyvolume.Connection(server.url, concurrency=8) as connection:
        free, throttled = (
            pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray", throttle=throttle)
            for throttle in (False, True)
        )
        assert (free.plan(...).concurrency, throttled.plan(...).concurrency) == (8, 1)


def test_up_to_64_at_once_are_learnt_and_10_over_a_session() -> None:
    assert pyvolume.Connection("localhost").concurrency == 64
    assert pyvolume.Connection("localhost", concurrency="auto").concurrency == 64
    assert pyvolume.Connection("localhost", session=requests.Session()).concurrency == 10


def test_a_busy_server_gets_fewer_requests() -> None:
    array = np.ones((1, 64, 64, 256), "uint8")
    faults = [Fault("busy", path=".*/raw/.*", times=8)]
    policy = pyvolume.RetryPolicy(interval=0.005, max_interval=0.01)
    with (
        MockServer({"gray": array}, faults=faults) as server,
        pyvolume.Connection(server.url, retry=policy, concurrency="auto") as connection,
    ):
        volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
        before = connection.lanes.reads.room
        same(volume[...], array)
        assert connection.lanes.reads.room < before
        assert connection.lanes.writes.room == before


def test_reads_that_gain_by_it_are_sent_together() -> None:
    array = np.ones((1, 64, 64, 256), "uint8")
    boxes = [((0, 0, 0, z), (1, 64, 64, z + 4)) for z in range(0, 256, 4)] * 4
    with MockServer({"gray": array}, faults=[Fault("slow", path=".*/raw/.*", times=None)]) as server:
        with pyvolume.Connection(server.url, concurrency="auto") as connection, pyvolume.trace() as trace:
            volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
            assert all(voxels.all() for _, voxels in volume.read_many(boxes))
        assert trace.at_once > 4


@pytest.mark.parametrize("number", [0, -1])
def test_no_requests_at_once_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="concurrency"):
        pyvolume.Connection("localhost", concurrency=number)


def test_as_many_sockets_are_kept_open_as_are_used_at_once() -> None:
    array = ramp((1, 8, 48))
    with BoxServer(array, together(24)) as server, pyvolume.Connection(server.url, concurrency=24) as connection:
        volume = BoxStore(connection, array, 8).volume()
        for _ in range(3):
            same(volume[...], array)
        assert server.sockets == 24
