"""asyncio: reads and writes that are awaited, cancelled and bounded; nothing of them runs in the loop's thread."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

import numpy as np
import pytest
from box_server import BoxServer, BoxStore
from conformance_stores import in_pieces, ramp
from holds import held
from watched_store import WatchedStore

import pyvolume
from mockserver import Fault, MockServer
from pyvolume import Box, aio
from pyvolume.aio.threads import Threads
from pyvolume.errors import ClosedError, NotFoundError, SelectionError, VoxelsMismatchError
from pyvolume.stores.locks import process_locks

T = TypeVar("T")

PATIENCE = 60
SHAPE = (1, 64, 32, 32)
ARRAY = ramp(SHAPE)
BOXES = [Box((0, x, 0, 0), (1, x + 4, 32, 32)) for x in range(0, 64, 4)]
UNHURRIED = pyvolume.RetryPolicy(patience=1000, interval=500, max_interval=500)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; a test that hangs fails."""

    async def within() -> T:
        async with asyncio.timeout(PATIENCE):
            return await work

    return asyncio.run(within())


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it is over."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def in_loop(event: asyncio.Event) -> Callable[..., None]:
    """Return a function that sets an event of the running loop from another thread."""
    loop = asyncio.get_running_loop()

    def tell(*_: object) -> None:
        loop.call_soon_threadsafe(event.set)

    return tell


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    while not condition():
        await asyncio.sleep(0.001)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture(scope="module", autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Let the threads end that wait for more work: other tests count threads."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name == "pyvolume asyncio"]
    for thread in left:
        thread.join(PATIENCE)
    assert [thread for thread in left if thread.is_alive()] == []


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer({"gray": ARRAY}) as server:
        yield server


@pytest.fixture
def connection(server: MockServer) -> Iterator[pyvolume.Connection]:
    """Give a connection that bears a very long silence."""
    with pyvolume.Connection(server.url, timeout=(5, 1000), retry=UNHURRIED, concurrency=2) as connection:
        yield connection


@pytest.fixture
def volume(server: MockServer, connection: pyvolume.Connection) -> pyvolume.Volume:
    return pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")


def url_of(server: MockServer) -> str:
    return f"dvid://{server.url}/{server.uuid}/gray"


class TestOperations:
    def test_keys_boxes_and_corners_are_read(self, server: MockServer) -> None:
        async def main() -> None:
            async with aio.open(url_of(server)) as vol:
                same(await vol[0, 10:20, ::-2, 5], ARRAY[0, 10:20, ::-2, 5])
                same(await vol.read(BOXES[1]), ARRAY[:, 4:8])
                same(await vol.get_ndarray((0, 1, 2, 3), (1, 9, 9, 9)), ARRAY[:, 1:9, 2:9, 3:9])
                out = np.empty((1, 4, 32, 32), "uint8", order="F")
                assert await vol.read(BOXES[2], out=out) is out
                same(out, ARRAY[:, 8:12])

        run(main())

    def test_keys_boxes_and_corners_are_written(self, server: MockServer) -> None:
        async def main() -> None:
            async with aio.open(url_of(server), "r+") as vol:
                await vol.setitem(np.s_[:, 10:20], 7)
                await vol.write(BOXES[0], expected[:, 4:8])
                await vol.post_ndarray((0, 30, 0, 0), (1, 31, 32, 32), expected[:, 1:2])

        expected = ARRAY.copy()
        run(main())
        expected[:, 10:20] = 7
        expected[:, 0:4] = ARRAY[:, 4:8]
        expected[:, 30:31] = ARRAY[:, 1:2]
        same(server.voxels("gray"), expected)

    def test_facts_are_those_of_the_volume_and_cost_no_request(
        self, server: MockServer, volume: pyvolume.Volume
    ) -> None:
        asked = len(server.requests)
        vol = aio.AsyncVolume(volume)
        for name in (
            "store", "name", "mode", "metadata", "bounds", "shape", "dtype", "ndim", "size", "nbytes", "dims", "chunks",
            "resolution", "units",
        ):  # fmt: skip
            assert getattr(vol, name) == getattr(volume, name), name
        assert vol.describe() == volume.describe()
        assert list(vol.plan(np.s_[:, 1:5])) == list(volume.plan(np.s_[:, 1:5]))
        assert list(vol.blocks(shape=(1, 32, 32, 32))) == list(volume.blocks(shape=(1, 32, 32, 32)))
        assert repr(vol) == f"<AsyncVolume of {volume!r}>"
        assert len(server.requests) == asked

    def test_an_error_is_that_of_the_volume(self, server: MockServer) -> None:
        async def main() -> None:
            async with aio.open(url_of(server), "r+") as vol:
                with pytest.raises(SelectionError, match="axis 1"):
                    await vol[0, 64]
                with pytest.raises(VoxelsMismatchError):
                    await vol.write(BOXES[0], ARRAY)
            with pytest.raises(NotFoundError):
                async with aio.open(url_of(server) + "2"):
                    raise AssertionError
            with pytest.raises(TypeError, match="casting"):
                async with aio.open(url_of(server), castign="safe"):
                    raise AssertionError

        run(main())

    def test_bounds_are_refreshed_and_levels_opened(self, server: MockServer) -> None:
        async def main() -> None:
            async with aio.open(url_of(server)) as vol:
                assert len(await vol.scales()) == 1
                assert await vol.scale(0) is vol
                with pyvolume.open(url_of(server), "r+") as writer:
                    writer[:, 64:128] = 1
                await vol.refresh()
                assert vol.shape == (1, 128, 32, 32)

        run(main())

    def test_a_volume_is_no_iterator(self) -> None:
        vol: Any = aio.AsyncVolume(pyvolume.from_array(ARRAY))
        with pytest.raises(TypeError, match="not iterable"):
            iter(vol)

    def test_other_functions_run_in_a_thread(self, volume: pyvolume.Volume) -> None:
        copied = pyvolume.from_array(np.zeros_like(ARRAY))
        assert run(aio.to_thread(pyvolume.copy, volume, copied, progress=False)) == ARRAY.nbytes
        same(copied[...], ARRAY)

    def test_the_synchronous_volume_works_inside_a_running_loop(self, server: MockServer) -> None:
        async def main() -> None:
            with pyvolume.open(url_of(server), "r+") as volume:
                volume[:, 1] = volume[:, 2]
                for box, voxels in volume.read_many(BOXES[1:]):
                    same(voxels, ARRAY[box.slices_from((0, 0, 0, 0))])

        run(main())


class TestThreads:
    def test_the_thread_of_the_loop_does_no_work_with_sockets_and_arrays(self, server: MockServer) -> None:
        seen: set[str] = set()

        def note(frame: FrameType, event: str, arg: Any) -> None:
            if event == "call":
                seen.add(frame.f_globals.get("__name__", ""))
            elif event == "c_call":
                seen.add(str(getattr(arg, "__module__", None)))

        async def main() -> None:
            async with aio.open(url_of(server), "r+") as vol:
                sys.setprofile(note)  # of this thread only
                try:
                    await vol[0, ::2, [3, 5]]
                    await vol.setitem((0, 3), ARRAY[0, 1])
                    async for _ in vol.read_many(BOXES):
                        pass
                    await vol.refresh()
                finally:
                    sys.setprofile(None)

        run(main())
        ours = ("pyvolume.aio", "pyvolume.calls.cancellation")
        assert {name for name in seen if name.startswith("pyvolume") and not name.startswith(ours)} == set()
        unwanted = ("numpy", "requests", "urllib3", "http", "socket", "ssl", "mockserver")
        assert {name for name in seen if name.startswith(unwanted)} == set()
        assert "asyncio.tasks" in seen

    def test_a_hundred_reads_share_the_bound_of_their_connection(self) -> None:
        async def main() -> None:
            for i, plane in enumerate(await asyncio.gather(*(vol[0, i % 64] for i in range(100)))):
                same(plane, ARRAY[0, i % 64])

        together = threading.Barrier(4, timeout=PATIENCE)
        with (
            BoxServer(ARRAY, lambda _: together.wait()) as boxes,
            pyvolume.Connection(boxes.url, concurrency=4) as connection,
        ):
            vol = aio.AsyncVolume(BoxStore(connection, ARRAY, ARRAY.nbytes).volume())
            run(main())
            assert (len(boxes.asked), boxes.most_at_once) == (100, 4)

    def test_no_more_run_at_once_than_there_are(self) -> None:
        together, lock = threading.Barrier(3, timeout=PATIENCE), threading.Lock()
        at_once, most = 0, 0

        def work() -> None:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            together.wait()
            with lock:
                at_once -= 1

        async def main() -> None:
            threads = Threads(3, "the test")
            await asyncio.gather(*(threads.run(work) for _ in range(30)))

        run(main())
        assert most == 3

    def test_those_of_a_volume_are_twice_the_requests_at_once(self) -> None:
        async def main() -> None:
            await asyncio.gather(*(vol[0, i] for i in range(60)))

        together = threading.Barrier(6, timeout=PATIENCE)
        vol = aio.AsyncVolume(WatchedStore(ARRAY, preferred_concurrency=3, before=lambda *_: together.wait()).volume())
        run(main())

    def test_one_that_hangs_lets_its_task_go_and_keeps_its_thread(self) -> None:
        async def main() -> None:
            threads = Threads(1, "the test")
            task = asyncio.create_task(threads.run(lambda: may_end.wait(PATIENCE), discard=discarded.append))
            await asyncio.sleep(0)
            await cancelled(task)
            waiting = asyncio.create_task(threads.run(lambda: len(discarded)))
            done, _ = await asyncio.wait([waiting], timeout=0.01)
            assert not done
            may_end.set()
            assert await waiting == 1

        may_end, discarded = threading.Event(), list[object]()
        run(main())


class TestContext:
    def test_a_trace_counts_the_work_of_its_task(self, volume: pyvolume.Volume) -> None:
        async def read(times: int) -> tuple[int, int]:
            with pyvolume.trace() as counted:
                for _ in range(times):
                    await vol[0, 0]
                async for _ in vol.read_many(BOXES[:times]):
                    pass
            return counted.requests, counted.bytes_used

        async def main() -> list[tuple[int, int]]:
            return list(await asyncio.gather(read(1), read(5)))

        vol = aio.AsyncVolume(volume)
        plane = ARRAY[0, 0].nbytes
        assert run(main()) == [(2, 5 * plane), (10, 25 * plane)]

    def test_options_of_a_task_apply_to_its_operations(self, volume: pyvolume.Volume) -> None:
        async def read(seen: list[pyvolume.TransferStatus]) -> None:
            with pyvolume.set_options(progress=seen.append):
                await vol[0, :32]
                await vol.read(BOXES[0], progress=False)

        async def main() -> None:
            await asyncio.gather(read(first), read(second), vol.read(BOXES[0]))

        vol, first, second = aio.AsyncVolume(volume), list[Any](), list[Any]()
        run(main())
        assert first == second == [pyvolume.TransferStatus(ARRAY[:, :32].nbytes, ARRAY[:, :32].nbytes, 0)]


class TestCancellation:
    """What is cancelled sends no further request, holds nothing, and leaves a volume that works."""

    def check(self, server: MockServer, volume: pyvolume.Volume, begin: Callable[..., Awaitable[object]]) -> None:
        """Cancel an operation whose requests are stalled."""

        async def main() -> None:
            vol = aio.AsyncVolume(volume)
            task = asyncio.ensure_future(begin(vol))
            await until(lambda: not server.faults.unfired)
            assert isinstance(task, asyncio.Task)
            await cancelled(task)
            asked = len(server.requests)
            assert held(volume.store.connection.lanes.reads) == 0  # type: ignore[attr-defined]
            assert held(process_locks()) == 0
            with pyvolume.trace() as later:
                same(await vol[:, 60:], server.voxels("gray")[:, 60:])
                await vol.setitem(np.s_[:, 32:], 9)
            assert len(server.requests) == asked + later.requests

        run(main())

    @pytest.mark.parametrize("pieces", [1, 8])
    def test_of_a_read(self, server: MockServer, volume: pyvolume.Volume, pieces: int) -> None:
        server.faults.add(*[Fault("stall", method="GET", path=".*/raw/.*")] * min(pieces, 2))
        self.check(server, in_pieces(volume, volume.nbytes // pieces), lambda vol: vol[...])

    @pytest.mark.parametrize("pieces", [1, 2])
    def test_of_a_write(self, server: MockServer, volume: pyvolume.Volume, pieces: int) -> None:
        server.faults.add(*[Fault("stall", method="POST", path=".*/raw/.*")] * pieces)
        whole = in_pieces(volume, volume.nbytes // pieces)
        self.check(server, whole, lambda vol: vol.write(vol.bounds, ARRAY))

    def test_of_a_write_that_reads_blocks_to_complete_them(self, server: MockServer, volume: pyvolume.Volume) -> None:
        server.faults.add(Fault("stall", method="GET", path=".*/raw/.*"))
        self.check(server, volume, lambda vol: vol.setitem(np.s_[:, 3:5], 1))

    def test_of_many_reads(self, server: MockServer, volume: pyvolume.Volume) -> None:
        async def begin(vol: aio.AsyncVolume) -> None:
            async for box, voxels in vol.read_many(BOXES):
                same(voxels, ARRAY[box.slices_from((0, 0, 0, 0))])

        server.faults.add(*[Fault("stall", path=".*/raw/0_1_2/4_.*/(8|12)_0_0.*")] * 2)
        self.check(server, volume, begin)

    def test_of_a_copy(self, server: MockServer, volume: pyvolume.Volume) -> None:
        server.faults.add(Fault("stall", method="GET", path=".*/raw/.*"))
        target = pyvolume.from_array(np.zeros_like(ARRAY))
        self.check(server, volume, lambda _: aio.to_thread(pyvolume.copy, volume, target))

    def test_of_a_reduction(self, server: MockServer, volume: pyvolume.Volume) -> None:
        server.faults.add(Fault("stall", method="GET", path=".*/raw/.*"))
        self.check(server, volume, lambda vol: aio.to_thread(vol.volume.max))

    def test_by_ctrl_c(self, server: MockServer, volume: pyvolume.Volume) -> None:
        async def main() -> None:
            read = asyncio.create_task(aio.AsyncVolume(volume).read(volume.bounds))
            await until(lambda: not server.faults.unfired)
            signal.raise_signal(signal.SIGINT)
            await read

        server.faults.add(Fault("stall", path=".*/raw/.*"))
        with pytest.raises(KeyboardInterrupt):
            run(main())
        same(volume[...], ARRAY)

    def test_during_the_wait_before_a_retry(self, server: MockServer, connection: pyvolume.Connection) -> None:
        async def main() -> None:
            waits = asyncio.Event()
            policy = pyvolume.RetryPolicy(patience=1000, interval=500, max_interval=500, on_wait=in_loop(waits))
            with pyvolume.Connection(server.url, retry=policy) as connection:
                volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
                server.faults.add(Fault("busy", retry_after=900, path=".*/raw/.*"))
                asked = len(server.requests)
                task = asyncio.create_task(aio.AsyncVolume(volume).read(BOXES[0]))
                await waits.wait()
                await cancelled(task)
                assert len(server.requests) == asked + 1
                same(volume[:, :4], ARRAY[:, :4])

        run(main())

    def test_while_another_writes_the_same_blocks(self) -> None:
        async def main() -> None:
            first = asyncio.create_task(vol.setitem(np.s_[0, 0], 5))
            await until(lambda: len(store.writes) == 1)
            second = asyncio.create_task(vol.setitem(np.s_[0, 0], 6))
            await asyncio.sleep(0.01)
            await cancelled(second)
            may_end.set()
            await first

        may_end = threading.Event()
        store = WatchedStore(ARRAY, before=lambda *_: may_end.wait(PATIENCE))
        vol = aio.AsyncVolume(store.volume())
        run(main())
        same(store.stored()[0, 0], np.full((32, 32), 5, "uint8"))

    def test_of_what_has_not_begun_yet(self) -> None:
        async def main() -> None:
            running = [asyncio.create_task(vol[0, i]) for i in range(2)]
            await until(lambda: len(store.reads) == 2)
            waiting = asyncio.create_task(vol[0, 2])
            await asyncio.sleep(0)
            waiting.cancel()
            for _ in range(10):  # it does not wait for a thread
                await asyncio.sleep(0)
            assert waiting.cancelled()
            may_end.set()
            await asyncio.gather(*running)

        may_end = threading.Event()
        store = WatchedStore(ARRAY, before=lambda *_: may_end.wait(PATIENCE))
        vol = aio.AsyncVolume(store.volume())
        run(main())
        assert len(store.asked) == 2

    def test_stops_a_store_without_requests_at_the_next_piece(self) -> None:
        async def main() -> None:
            task = asyncio.create_task(vol[...])
            await until(lambda: len(store.reads) == 1)
            task.cancel()
            await asyncio.sleep(0)
            may_end.set()
            await cancelled(task)

        may_end = threading.Event()
        store = WatchedStore(ARRAY, before=lambda *_: may_end.wait(PATIENCE), max_read_bytes=1 << 10)
        vol = aio.AsyncVolume(store.volume())
        run(main())
        assert len(store.reads) == 1

    def test_by_a_timeout(self, server: MockServer, volume: pyvolume.Volume) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await vol[...]
            same(await vol[...], ARRAY)

        server.faults.add(Fault("stall", path=".*/raw/.*"))
        vol = aio.AsyncVolume(volume)
        run(main())

    def test_by_the_failure_of_another_task_of_the_group(self, server: MockServer, volume: pyvolume.Volume) -> None:
        async def together() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(vol[...])
                await until(lambda: not server.faults.unfired)
                group.create_task(vol[5, 5])

        async def main() -> None:
            with pytest.raises(ExceptionGroup) as found:
                await together()
            assert [type(error) for error in found.value.exceptions] == [SelectionError]
            same(await vol[...], ARRAY)

        server.faults.add(Fault("stall", path=".*/raw/.*"))
        vol = aio.AsyncVolume(volume)
        run(main())


class TestReadMany:
    def test_boxes_come_in_order_with_their_voxels(self, volume: pyvolume.Volume) -> None:
        async def main() -> None:
            found = [pair async for pair in vol.read_many(vol.blocks(shape=(1, 32, 32, 32)), ahead=4)]
            assert [box for box, _ in found] == list(vol.blocks(shape=(1, 32, 32, 32)))
            for box, voxels in found:
                same(voxels, ARRAY[box.slices_from((0, 0, 0, 0))])

        vol = aio.AsyncVolume(volume)
        run(main())

    def test_so_many_are_read_ahead_as_the_caller_says(self) -> None:
        async def main() -> None:
            given = 0
            async for _ in vol.read_many(BOXES, ahead=3):
                given += 1
                await until(lambda: len(store.reads) >= min(given + 3, len(BOXES)))  # noqa: B023
                assert len(store.reads) <= given + 3

        store = WatchedStore(ARRAY, preferred_concurrency=4)
        vol = aio.AsyncVolume(store.volume())
        run(main())
        assert len(store.reads) == len(BOXES)

    def test_leaving_the_loop_stops_what_is_read_ahead(self, server: MockServer, volume: pyvolume.Volume) -> None:
        async def main() -> None:
            async for box, _ in vol.read_many(BOXES):
                assert box == BOXES[0]
                await until(lambda: not server.faults.unfired)
                break
            await until(lambda: held(volume.store.connection.lanes.reads) == 0)  # type: ignore[attr-defined]
            asked = len(server.requests)
            same(await vol[0, 1], ARRAY[0, 1])
            assert len(server.requests) == asked + 1

        server.faults.add(*[Fault("stall", path=".*/raw/0_1_2/4_.*/(4|8)_0_0.*")] * 2)
        vol = aio.AsyncVolume(volume)
        run(main())

    def test_an_error_comes_when_its_box_would(self) -> None:
        async def main() -> None:
            reads = vol.read_many([BOXES[0], Box((0, 0, 0, 0), (1, 99, 1, 1)), BOXES[1]])
            assert (await anext(reads))[0] == BOXES[0]
            with pytest.raises(SelectionError):
                await anext(reads)

        vol = aio.AsyncVolume(pyvolume.from_array(ARRAY))
        run(main())


class TestClose:
    def test_the_end_of_the_block_waits_for_what_has_begun(self, server: MockServer) -> None:
        async def main() -> None:
            async with aio.open(url_of(server), "r+") as vol:
                writes = [asyncio.create_task(vol.write(box, np.full(box.shape, 3, "uint8"))) for box in BOXES]
                await asyncio.sleep(0)
            await asyncio.gather(*writes)
            with pytest.raises(ClosedError, match="gray is closed"):
                await vol[...]

        run(main())
        same(server.voxels("gray"), np.full(SHAPE, 3, "uint8"))

    def test_a_cancelled_wait_ends_what_has_begun(self, server: MockServer, volume: pyvolume.Volume) -> None:
        async def main() -> None:
            vol = aio.AsyncVolume(volume)
            read = asyncio.create_task(vol[...])
            await until(lambda: not server.faults.unfired)
            closing = asyncio.create_task(vol.close())
            await asyncio.sleep(0)
            await cancelled(closing)
            assert read.done()
            with pytest.raises(ClosedError, match="was closed before the end of an operation"):
                await read

        server.faults.add(Fault("stall", path=".*/raw/.*"))
        run(main())

    def test_the_volume_is_closed(self) -> None:
        closed = []

        class Store(WatchedStore):
            def close(self) -> None:
                closed.append(threading.current_thread())

        async def main() -> None:
            async with aio.AsyncVolume(Store(ARRAY).volume()):
                pass

        run(main())
        assert [thread is not threading.current_thread() for thread in closed] == [True]


class TestOpen:
    def test_a_cancelled_one_sends_no_further_request(self, server: MockServer) -> None:
        async def opened() -> None:
            async with aio.open(url_of(server), timeout=1000.0):
                raise AssertionError

        async def main() -> None:
            task = asyncio.create_task(opened())
            await until(lambda: not server.faults.unfired)
            await cancelled(task)
            assert len(server.requests) == 1

        server.faults.add(Fault("stall"))
        run(main())
