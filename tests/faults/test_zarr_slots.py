"""How many requests of a client of zarr are under way at once: one bound for all its runs, which is learnt."""

from __future__ import annotations

import functools
import itertools
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from file_server import Asked, Behaviour, FileServer
from holds import held, locked, slot_of
from interrupts import CtrlC
from zarr.abc.store import RangeByteRequest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr_clients import (
    CHUNKS,
    READERS,
    VOXELS,
    Reader,
    address_of,
    array_of,
    new_call,
    opened,
    read_by_zarr,
    stored,
    write,
)

import pyvolume
from pyvolume.calls.holds import MOST, Lanes
from pyvolume.calls.pace import Pace
from pyvolume.calls.processes import OfProcess
from pyvolume.errors import ClosedError, ForbiddenError, StoreError, TransportError
from pyvolume.zarr import address
from pyvolume.zarr.accessor import open_volume
from pyvolume.zarr.client import Client
from pyvolume.zarr.opening import open_client
from pyvolume.zarr.requests.parts import ChangedError
from pyvolume.zarr.store import REMOTE_AT_ONCE

PATIENCE = 20.0
KINDS = ["http", "s3"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with FileServer(stored(tmp_path)) as server:
        yield server


@pytest.fixture
def client(server: FileServer) -> Client:
    return opened(server, "s3", mode="r+", lanes=Lanes(1))


@pytest.fixture
def array(client: Client) -> Any:
    return array_of(client, "r+")


@pytest.fixture(params=READERS, ids=["loop", "threads"])
def read(request: pytest.FixtureRequest) -> Reader:
    reader: Reader = request.param
    return reader


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def together(number: int) -> Callable[[Asked], None]:
    """Let the first requests for chunks pass only when that many are under way: fewer would never come through."""
    barrier, left = threading.Barrier(number, timeout=PATIENCE), iter(range(number))

    def wait(asked: Asked) -> None:
        if "/c/" in asked.path and next(left, None) is not None:
            barrier.wait()

    return wait


def waiting(client: Client) -> int:
    """Count the requests that wait for a slot."""
    return sum(len(holds._waiting) for lane in lanes(client) for holds in lane._holds.values())


def lanes(client: Client) -> tuple[Any, Any]:
    assert client.lanes is not None
    return client.lanes.reads, client.lanes.writes


def is_soon_free(client: Client) -> bool:
    end = time.monotonic() + PATIENCE
    while waiting(client) or any(held(lane) for lane in lanes(client)):
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def when_waiting(client: Client, act: Callable[[], object]) -> None:
    """Act in another thread, once requests wait for a slot."""

    def wait() -> None:
        end = time.monotonic() + PATIENCE
        while not waiting(client) and time.monotonic() < end:
            time.sleep(0.002)
        act()

    threading.Thread(target=wait).start()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("number", "threads"), [(1, 2), (4, 1), (16, 4), (32, 8)])
def test_all_runs_share_the_bound_of_their_client(
    server: FileServer, kind: str, number: int, threads: int, read: Reader
) -> None:
    client = opened(server, kind, lanes=Lanes(number))
    array = array_of(client)
    server.behaviour = together(number)
    with ThreadPoolExecutor(threads) as pool:
        for found in pool.map(lambda _: read(client, array), range(threads)):
            same(found, VOXELS)
    assert server.most_in_flight == number
    assert is_soon_free(client)


def test_no_more_than_64_are_under_way_however_many_threads_there_are(server: FileServer, read: Reader) -> None:
    client = opened(server, "http", lanes=Lanes(MOST))
    array = array_of(client)
    server.behaviour = together(MOST)
    with ThreadPoolExecutor(12) as pool:  # zarr begins ten requests or more in each
        list(pool.map(lambda _: read(client, array), range(12)))
    assert server.most_in_flight == MOST


@pytest.mark.parametrize("lanes", [Lanes(4), Lanes(20), Lanes(MOST)], ids=lambda lanes: str(lanes.reads.count))
def test_one_read_fills_all_slots(server: FileServer, lanes: Lanes) -> None:
    server.behaviour = together(lanes.reads.count)
    with open_volume(address.parse(address_of(server, "http")), place={"lanes": lanes}) as volume:
        same(volume[0], VOXELS)
    assert server.most_in_flight == lanes.reads.count


@pytest.mark.parametrize("behaviour", [503, 429, "cut"])
def test_reads_of_a_busy_server_get_fewer(server: FileServer, behaviour: Any, read: Reader) -> None:
    client = opened(server, "s3", mode="r+")
    array = array_of(client, "r+")
    reads, writes = lanes(client)
    left, before = iter(range(8)), (reads.room, writes.room)
    server.behaviour = lambda asked: behaviour if "/c/" in asked.path and next(left, None) is not None else None
    same(read(client, array), VOXELS)
    assert reads.room < before[0]
    assert writes.room == before[1]


def test_missing_chunks_and_refusals_do_not_lower_it(server: FileServer, tmp_path: Path, read: Reader) -> None:
    client = opened(server, "s3")
    array = array_of(client)
    before = lanes(client)[0].room
    (tmp_path / "bucket" / "x.zarr" / "c" / "0" / "0" / "0").unlink()
    assert not read(client, array, (0, 0, slice(0, 4))).any()
    server.behaviour = lambda asked: 403 if "/c/" in asked.path else None
    with pytest.raises(StoreError):
        read(client, array)
    assert lanes(client)[0].room >= before


def test_requests_that_gain_by_it_are_sent_together(server: FileServer) -> None:
    server.behaviour = lambda asked: "slow" if "/c/" in asked.path else None
    with pyvolume.open(address_of(server, "http")) as volume, pyvolume.trace() as trace:
        boxes = [((x, y, z), (x + 4, y + 4, z + 4)) for x in (0, 4, 8, 12) for y in (0, 4, 8, 12) for z in (0, 4, 8)]
        list(volume.read_many([((0, *low), (1, *high)) for low, high in boxes * 4]))
    assert trace.at_once > 4


def test_the_plan_the_trace_and_the_progress_say_it(server: FileServer) -> None:
    seen: list[pyvolume.TransferStatus] = []
    with pyvolume.open(address_of(server, "http")) as volume:
        assert f"up to {REMOTE_AT_ONCE} at once" in repr(volume.plan(...))
        with pyvolume.trace() as trace, pyvolume.set_options(progress=seen.append):
            volume[...]
    assert 1 <= seen[-1].at_once <= trace.at_once <= MOST


def test_writes_of_large_cells_are_few_at_once(server: FileServer, tmp_path: Path) -> None:
    for name, shards in (("small.zarr", None), ("large.zarr", (1024, 1024, 1024))):
        place = tmp_path / "bucket" / name
        zarr.create_array(place, shape=(2048,) * 3, dtype="uint8", chunks=(256,) * 3, shards=shards)
    with (
        pyvolume.open(f"{server.url}/bucket/small.zarr") as small,
        pyvolume.open(f"{server.url}/bucket/large.zarr") as large,
    ):
        assert small.store.traits.concurrency == REMOTE_AT_ONCE
        assert large.store.traits.concurrency == 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learnt_stays_in_the_process(server: FileServer, kind: str) -> None:
    with pyvolume.open(address_of(server, kind), retry=pyvolume.RetryPolicy(interval=0.01)) as volume:
        client: Client = volume.store.client  # type: ignore[attr-defined]
        left = iter(range(4))
        server.behaviour = lambda asked: 503 if "/c/" in asked.path and next(left, None) is not None else None
        same(volume[0], VOXELS)
        with pickle.loads(pickle.dumps(volume)) as again:
            fresh = again.store.client
            assert (fresh.lanes.reads.room, fresh.lanes.is_learnt) == (Lanes("auto").reads.room, True)
            assert client.lanes is not None
            assert fresh.lanes.reads.room > client.lanes.reads.room
            same(again[0], VOXELS)


def test_levels_of_an_image_share_the_bound(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    volume = pyvolume.create(tmp_path / "bucket" / "x.zarr", (1, 32, 32, 32), "uint8", levels=2)
    pyvolume.build_pyramid(volume)
    with FileServer(tmp_path) as server, pyvolume.open(address_of(server, "http")) as finest:
        assert finest.scale(1).store.lanes is finest.store.lanes  # type: ignore[attr-defined]
        assert finest.store.lanes is not None  # type: ignore[attr-defined]


def test_a_folder_has_no_bound_of_this_kind(tmp_path: Path) -> None:
    client = open_client(stored(tmp_path) / "bucket" / "x.zarr")
    assert client.lanes is None
    same(read_by_zarr(client, array_of(client)), VOXELS)


@pytest.mark.parametrize("write_too", [False, True])
def test_the_deadline_ends_the_wait_for_a_slot(client: Client, array: Any, write_too: bool, read: Reader) -> None:
    call = new_call(deadline=0.3)
    with slot_of(lanes(client)[0], new_call()), pytest.raises(TransportError, match="deadline"):
        write(client, array, 1, call=call) if write_too else read(client, array, call=call)
    assert call.counted.requests == 0
    assert is_soon_free(client)
    same(read(client, array), VOXELS)


def test_a_cancelled_call_waits_no_longer_for_a_slot(client: Client, array: Any, read: Reader) -> None:
    call = new_call()
    when_waiting(client, call.cancel)
    with slot_of(lanes(client)[0], new_call()), pytest.raises(TransportError, match="cancelled"):
        read(client, array, call=call)
    assert is_soon_free(client)
    same(read(client, array), VOXELS)


def test_ctrl_c_ends_the_wait_for_a_slot(client: Client, array: Any, read: Reader) -> None:
    when_waiting(client, CtrlC())
    with slot_of(lanes(client)[0], new_call()), pytest.raises(KeyboardInterrupt):
        read(client, array)
    assert is_soon_free(client)
    same(read(client, array), VOXELS)


def test_a_client_that_is_closed_waits_no_longer_for_a_slot(client: Client, array: Any, read: Reader) -> None:
    when_waiting(client, client.close)
    with slot_of(lanes(client)[0], new_call()), pytest.raises((TransportError, ClosedError), match=r"ended|closed"):
        read(client, array)
    assert is_soon_free(client)
    with pytest.raises(ClosedError):
        read(client, array)


def test_who_waits_no_longer_does_not_keep_the_others_waiting(client: Client, array: Any, read: Reader) -> None:
    hold = locked()
    new_call().take(lanes(client)[0], hold)
    call = new_call()

    def leave() -> None:
        call.cancel()
        hold.release()
        lanes(client)[0].give_back(hold)

    with ThreadPoolExecutor(2) as pool:
        given_up, kept = (pool.submit(read, client, array, call=each) for each in (call, new_call()))
        when_waiting(client, leave)
        with pytest.raises(TransportError, match="cancelled"):
            given_up.result(PATIENCE)
        same(kept.result(PATIENCE), VOXELS)
    assert is_soon_free(client)


def test_a_read_in_a_callback_of_a_read_does_not_wait_for_it(
    server: FileServer, client: Client, array: Any, read: Reader
) -> None:
    found: list[Any] = []
    left = iter([503])
    server.behaviour = lambda asked: next(left, None) if "/c/" in asked.path else None
    same(read(client, array, call=new_call(on_wait=lambda _: found.append(read(client, array)))), VOXELS)
    same(found[0], VOXELS)


def test_a_read_in_a_signal_handler_does_not_wait_for_the_one_that_it_interrupts(
    server: FileServer, client: Client, array: Any, read: Reader
) -> None:
    found: list[Any] = []
    main = threading.main_thread().ident
    assert main is not None
    left = iter(range(1))

    def interrupt(asked: Asked) -> Behaviour:
        if "/c/" not in asked.path or next(left, None) is None:
            return None
        signal.pthread_kill(main, signal.SIGUSR1)
        return "slow"

    before = signal.signal(signal.SIGUSR1, lambda *_: found.append(read(client, array)))
    try:
        server.behaviour = interrupt
        same(read(client, array), VOXELS)
    finally:
        signal.signal(signal.SIGUSR1, before)
    same(found[0], VOXELS)


def test_an_attempt_that_is_repeated_holds_no_slot_while_it_waits(
    server: FileServer, client: Client, array: Any, read: Reader
) -> None:
    held_then: list[int] = []
    left = iter([503])
    server.behaviour = lambda asked: next(left, None) if "/c/0/0/0" in asked.path else None
    call = new_call(on_wait=lambda _: held_then.append(held(lanes(client)[0])))
    same(read(client, array, (0, 0, slice(0, 4)), call=call), VOXELS[0, 0, :4])
    assert held_then == [0]
    assert call.counted.requests == 2


def test_each_request_counts_once(server: FileServer, client: Client, array: Any, read: Reader) -> None:
    call = new_call()
    same(read(client, array, call=call), VOXELS)
    assert (call.counted.requests, call.counted.at_once) == (CHUNKS, 1)


def chunks_asked(server: FileServer, method: str = "GET") -> int:
    return sum("/c/" in asked.path and asked.method == method for asked in server.asked)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 4])
def test_nothing_begins_after_a_request_has_failed_for_good(
    server: FileServer, kind: str, number: int, read: Reader
) -> None:
    client = opened(server, kind, lanes=Lanes(number))
    array = array_of(client)
    meet = together(number)

    def refuse(asked: Asked) -> int | None:
        meet(asked)
        return 403 if "/c/" in asked.path else None

    server.behaviour = refuse
    with pytest.raises(ForbiddenError):
        read(client, array)
    assert is_soon_free(client)
    assert chunks_asked(server) == number


def test_no_write_begins_after_one_has_failed_for_good(server: FileServer, client: Client, array: Any) -> None:
    server.behaviour = lambda asked: 403 if asked.method == "PUT" else None
    with pytest.raises(ForbiddenError):
        write(client, array, VOXELS)
    assert is_soon_free(client)
    assert chunks_asked(server, "PUT") == 1


def test_a_missing_chunk_ends_nothing(client: Client, array: Any, tmp_path: Path, read: Reader) -> None:
    (tmp_path / "bucket" / "x.zarr" / "c" / "0" / "0" / "0").unlink()
    found = read(client, array)
    assert not found[:4, :4, :4].any()
    same(found[4:], VOXELS[4:])


def test_a_block_that_handles_an_error_goes_on(server: FileServer, client: Client, array: Any) -> None:
    left = iter([403])
    server.behaviour = lambda asked: next(left, None) if "/c/" in asked.path else None
    with client.run(new_call(), "read x"):
        with pytest.raises(ForbiddenError):
            array[0, 0, :4]
        same(array[0, 0, :4], VOXELS[0, 0, :4])


def test_a_value_that_was_replaced_ends_nothing(server: FileServer, client: Client) -> None:
    async def ask() -> bytes:
        get = functools.partial(client.store.get, prototype=default_buffer_prototype())
        await get("c/0/0/0", byte_range=RangeByteRequest(0, 4))
        server.behaviour = lambda asked: 416 if asked.path.endswith("/c/0/0/0") else None
        with pytest.raises(ChangedError):
            await get("c/0/0/0", byte_range=RangeByteRequest(4, 8))
        found = await get("c/0/0/1")
        assert found is not None
        return found.to_bytes()

    assert client.do(new_call(), "read x", lambda: sync(ask())) == VOXELS[:4, :4, 4:8].tobytes()


@pytest.mark.parametrize("write_too", [False, True])
def test_boxes_of_one_chunk_fill_all_slots(server: FileServer, write_too: bool) -> None:
    hasty = pyvolume.RetryPolicy(patience=0)
    with pyvolume.open(address_of(server, "s3"), mode="r+", retry=hasty) as volume:
        for lane in lanes(volume.store.client):  # type: ignore[attr-defined]
            lane._paces = OfProcess(functools.partial(Pace, MOST, first=MOST))
        corners = list(itertools.product((0,), range(0, 16, 4), range(0, 16, 4), range(0, 16, 4)))
        boxes = [pyvolume.Box(low, (1, *(each + 4 for each in low[1:]))) for low in corners]
        server.behaviour = together(MOST)
        if write_too:
            volume.write_many((box, np.full(box.shape, 7, "uint16")) for box in boxes)
        else:
            assert len(list(volume.read_many(boxes))) == CHUNKS
        assert server.most_in_flight == MOST
