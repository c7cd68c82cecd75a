"""Zarr over a network that fails: each request follows the rules of its call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_server import Asked, Behaviour, FileServer
from interrupts import CtrlC
from zarr_clients import (
    CHUNKS,
    VOXELS,
    Reader,
    array_of,
    new_call,
    opened,
    read_by_threads,
    read_by_zarr,
    stored,
    write,
)

import pyvolume
from pyvolume.errors import (
    BusyTimeoutError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    StoreError,
    TransportError,
    UnsupportedError,
)
from pyvolume.zarr.client import POOL, Client
from pyvolume.zarr.opening import open_client

PATIENCE = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer(stored(tmp_path)) as server:
        yield server


WAYS = {"http, threads": ("http", read_by_threads), "s3, loop": ("s3", read_by_zarr)}
"""Each kind of store with one of the two ways to read: neither depends on the other."""


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> tuple[str, Reader]:
    found: tuple[str, Reader] = request.param
    return found


@pytest.fixture
def kind(way: tuple[str, Reader]) -> str:
    return way[0]


@pytest.fixture
def client(server: FileServer, kind: str) -> Client:
    return opened(server, kind)


@pytest.fixture
def array(client: Client) -> Any:
    return array_of(client)


@pytest.fixture
def read(way: tuple[str, Reader]) -> Reader:
    return way[1]


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def for_chunks(behaviour: Behaviour, times: float = float("inf"), part: str = "/c/") -> Callable[[Asked], Behaviour]:
    """Misbehave for some requests for chunks, then no more."""
    left, lock = [times], threading.Lock()

    def decide(asked: Asked) -> Behaviour:
        if part not in asked.path:
            return None
        with lock:
            left[0] -= 1
            return behaviour if left[0] >= 0 else None

    return decide


def test_reads_and_counts(client: Client, array: Any, read: Reader) -> None:
    call = new_call()
    same(read(client, array, call=call), VOXELS)
    assert (call.counted.requests, call.counted.bytes_fetched) == (CHUNKS, VOXELS.nbytes)


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_requests_are_under_way_than_threads_times_pool(
    server: FileServer, client: Client, array: Any, threads: int
) -> None:
    server.behaviour = for_chunks("slow")
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(lambda _: read_by_zarr(client, array), range(threads)):
            same(found, VOXELS)
    assert POOL // 2 < server.most_in_flight <= threads * POOL


def test_no_more_writes_are_under_way_than_the_pool(server: FileServer, read: Reader) -> None:
    client = opened(server, "s3", mode="r+")
    array = array_of(client, "r+")
    server.behaviour = for_chunks("slow")
    call = new_call()
    write(client, array, VOXELS[::-1], call=call)
    assert POOL // 2 < server.most_in_flight <= POOL
    assert (call.counted.requests, call.counted.bytes_sent) == (CHUNKS, VOXELS.nbytes)
    server.behaviour = lambda _: None
    same(read(client, array), VOXELS[::-1])


@pytest.mark.parametrize(
    "behaviour",
    [
        429,
        503,
        (503, "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"),
        (500, "<Error><Code>InternalError</Code><Message>Please try again.</Message></Error>"),
        "cut",
    ],
    ids=str,
)
def test_recovers_from_what_passes(
    server: FileServer, client: Client, array: Any, behaviour: Behaviour, read: Reader
) -> None:
    server.behaviour = for_chunks(behaviour, times=9)
    waits: list[pyvolume.RetryWait] = []
    call = new_call(on_wait=waits.append)
    same(read(client, array, call=call), VOXELS)
    assert (call.counted.requests, call.counted.retries, len(waits)) == (CHUNKS + 9, 9, 9)


def test_recovers_from_busy_writes(server: FileServer, read: Reader) -> None:
    client = opened(server, "s3", mode="r+")
    array = array_of(client, "r+")
    server.behaviour = for_chunks(503, times=9)
    write(client, array, VOXELS[::-1])
    same(read(client, array), VOXELS[::-1])


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_busy_is_a_timeout(
    server: FileServer, client: Client, array: Any, status: int, read: Reader
) -> None:
    server.behaviour = for_chunks(status)
    with pytest.raises(BusyTimeoutError, match=rf"read x: the server answered {status} for .*/x.zarr/c/.*gave up"):
        read(client, array, call=new_call(patience=0.3))
    assert_quiet(server)


def test_a_body_that_is_always_cut_is_an_error(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    server.behaviour = for_chunks("cut")
    with pytest.raises(TransportError, match=r"read x: no usable answer arrived for .*/x.zarr/c/"):
        read(client, array, call=new_call(patience=0.1))


def test_404_is_the_fill_value(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    server.behaviour = for_chunks(404, part="/c/0/0/0")
    found = read(client, array)
    same(found[:4, :4, :4], np.zeros((4, 4, 4), "uint16"))
    same(found[4:], VOXELS[4:])


def test_403_is_an_error_that_names_the_way_out(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    server.behaviour = for_chunks(403)
    with pytest.raises(ForbiddenError, match=r"/x\.zarr/c/\d/\d/\d.*missing=\(404, 403\)") as caught:
        read(client, array)
    assert (caught.value.status, caught.value.action) == (403, "read x")


def test_403_is_the_fill_value_where_the_user_says_it(server: FileServer, kind: str, read: Reader) -> None:
    client = opened(server, kind, missing=(404, 403))
    array = array_of(client)
    server.behaviour = for_chunks(403, part="/c/0/0/0")
    found = read(client, array)
    same(found[:4, :4, :4], np.zeros((4, 4, 4), "uint16"))
    same(found[4:], VOXELS[4:])


def test_403_of_a_write_is_an_error_whatever_is_missing(server: FileServer) -> None:
    client = opened(server, "s3", mode="r+", missing=(404, 403))
    array = array_of(client, "r+")
    server.behaviour = for_chunks(403)
    with pytest.raises(ForbiddenError, match=r"write x: the server answered 403"):
        write(client, array, VOXELS)


def test_500_is_an_error_that_names_url_and_key(
    server: FileServer, client: Client, array: Any, kind: str, read: Reader
) -> None:
    server.behaviour = for_chunks(500, part="/c/1/2/3")
    with pytest.raises(RefusedError, match=r"read x: the server answered 500") as caught:
        read(client, array)
    prefix = "" if kind == "http" else "s3+"
    assert caught.value.url == f"{prefix}{server.url}/bucket/x.zarr/c/1/2/3"


def test_a_bucket_that_is_not_there_is_no_fill_value(server: FileServer, read: Reader) -> None:
    client = opened(server, "s3")
    array = array_of(client)
    server.behaviour = for_chunks((404, "<Error><Code>NoSuchBucket</Code><Message>Gone</Message></Error>"))
    with pytest.raises(NotFoundError, match="NoSuchBucket: Gone"):
        read(client, array)


def test_a_server_that_ignores_ranges_is_an_error(server: FileServer, kind: str, tmp_path: Path) -> None:
    server.folder = stored(tmp_path / "sharded", shards=(8, 8, 8))
    client = opened(server, kind)
    array = array_of(client)
    same(read_by_zarr(client, array), VOXELS)
    same(read_by_zarr(client, array, (0, 0)), VOXELS[0, 0])
    server.ranges = False
    with pytest.raises(UnsupportedError, match="does not send parts of a file"):
        read_by_zarr(client, array, (0, 0))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x.zarr", "s3+http://127.0.0.1:1/bucket/x.zarr"])
def test_a_port_where_nothing_listens(url: str) -> None:
    client = open_client(url)
    call = new_call()
    with pytest.raises(TransportError, match=r"open x: cannot connect to the server of .*127\.0\.0\.1:1/"):
        array_of(client, call=call)
    assert call.counted.retries == 0


def when_stalled(server: FileServer, act: Callable[[], None]) -> None:
    """Act in another thread, once a request is stalled and others can be."""

    def wait() -> None:
        if server.stalled.wait(PATIENCE):
            time.sleep(0.1)
            act()

    threading.Thread(target=wait).start()


def assert_quiet(server: FileServer) -> None:
    """Check that no request comes any more, but for those that were on their way."""
    time.sleep(0.15)
    server.release()
    before = len(server.asked)
    time.sleep(0.1)
    assert len(server.asked) == before


def test_the_deadline_ends_a_silent_read(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    server.behaviour = for_chunks("stall")
    began = time.monotonic()
    with pytest.raises(TransportError, match=r"deadline of 0\.3 s has passed"):
        read(client, array, call=new_call(deadline=0.3))
    assert time.monotonic() - began < PATIENCE / 2
    assert_quiet(server)


def test_the_deadline_ends_a_silent_write(server: FileServer) -> None:
    client = opened(server, "s3", mode="r+")
    array = array_of(client, "r+")
    server.behaviour = for_chunks("stall")
    with pytest.raises(TransportError, match=r"deadline of 0\.3 s has passed"):
        write(client, array, VOXELS, call=new_call(deadline=0.3))
    assert_quiet(server)


def test_the_deadline_ends_the_wait_for_a_busy_server(
    server: FileServer, client: Client, array: Any, read: Reader
) -> None:
    server.behaviour = for_chunks(503)
    with pytest.raises(StoreError):
        read(client, array, call=new_call(deadline=0.3, interval=100, max_interval=100))
    assert_quiet(server)


def test_a_cancelled_call_ends_everything(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    server.behaviour = for_chunks("stall")
    call = new_call()
    when_stalled(server, call.cancel)
    with pytest.raises(TransportError, match="call: cancelled"):
        read(client, array, call=call)
    assert_quiet(server)
    server.behaviour = lambda _: None
    same(read(client, array), VOXELS)


def test_ctrl_c_ends_everything(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    server.behaviour = for_chunks("stall")
    when_stalled(server, CtrlC())
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        read(client, array)
    assert time.monotonic() - began < PATIENCE / 2
    assert_quiet(server)
    server.behaviour = lambda _: None
    same(read(client, array), VOXELS)


def test_ctrl_c_ends_a_wait_for_a_busy_server(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    server.behaviour = for_chunks(503)
    press = CtrlC()
    with pytest.raises(KeyboardInterrupt):
        read(client, array, call=new_call(interval=100, max_interval=100, on_wait=lambda _: press()))
    assert_quiet(server)


def test_after_an_error_of_one_chunk_nothing_goes_on(
    server: FileServer, client: Client, array: Any, read: Reader
) -> None:
    stall, refuse = for_chunks("stall"), for_chunks(500, part="/c/0/0/0")
    server.behaviour = lambda asked: refuse(asked) or stall(asked)
    with pytest.raises(RefusedError, match="500"):
        read(client, array)
    assert_quiet(server)


def test_after_an_error_nothing_is_written_into_the_array_of_the_user(server: FileServer, client: Client) -> None:
    from zarr.core.buffer import default_buffer_prototype

    array = array_of(client)
    slow, refuse = for_chunks("slow"), for_chunks(500, part="/c/3/3/3")
    server.behaviour = lambda asked: refuse(asked) or slow(asked)
    out = np.zeros(VOXELS.shape, VOXELS.dtype)
    with pytest.raises(RefusedError, match="500"), client.run(new_call(), "read x"):
        array.get_basic_selection(..., out=default_buffer_prototype().nd_buffer.from_numpy_array(out))
    before = out.copy()
    time.sleep(0.2)
    same(out, before)
