"""Traces: what the operations of a block cost, whatever threads they use."""

from __future__ import annotations

import contextlib
import contextvars
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from watched_store import WatchedStore

import pyvolume
from pyvolume import RetryPolicy, Trace
from pyvolume.calls.call import Call, Exchange
from pyvolume.calls.trace import COUNTED
from pyvolume.errors import BusyError

ARRAY = np.arange(1 * 8 * 8 * 8, dtype="uint16").reshape(1, 8, 8, 8)


class NoClock:
    """A clock that stands still and waits for nothing."""

    def now(self) -> float:
        return 0.0

    def wait(self, seconds: float, cancelled: threading.Event) -> None:
        """Waits are counted, not waited for."""


def exchange(failures: int = 0, sent: int = 0, received: int = 0) -> None:
    """Do one exchange that is busy so many times, waits 2 s each time, and moves its bytes at every attempt."""
    call = Call(RetryPolicy(), clock=NoClock())
    left = iter(range(failures))

    def once(progress: Exchange) -> None:
        progress.sent(sent)
        progress.received(received)
        if next(left, None) is not None:
            raise BusyError("come again", status=503, retry_after=2)

    call.attempt(once, retry_answers=True)


def numbers(trace: Trace) -> dict[str, Any]:
    return {name: getattr(trace, name) for name in COUNTED if getattr(trace, name)}


def test_a_trace_begins_at_nothing() -> None:
    with pyvolume.trace() as t:
        pass
    assert t == Trace()


def test_attempts_bytes_and_waits_are_counted() -> None:
    with pyvolume.trace() as t:
        exchange(failures=3, sent=10, received=100)
    assert numbers(t) == {
        "requests": 4,
        "bytes_sent": 40,
        "bytes_fetched": 400,
        "retries": 3,
        "seconds_waited": 6.0,
    }


def test_what_is_outside_the_block_is_not_counted() -> None:
    exchange()
    with pyvolume.trace() as t:
        exchange()
    exchange()
    assert t.requests == 1


def test_nested_traces_count_both() -> None:
    with pyvolume.trace() as outer:
        exchange(received=1)
        with pyvolume.trace() as inner:
            exchange(received=2)
        exchange(received=4)
    assert (inner.requests, inner.bytes_fetched, outer.requests, outer.bytes_fetched) == (1, 2, 3, 7)


def test_a_block_that_fails_is_counted_and_ends_its_trace() -> None:
    with contextlib.suppress(KeyError), pyvolume.trace() as t:
        exchange()
        raise KeyError
    exchange()
    assert t.requests == 1


def test_the_numbers_can_be_read_inside_the_block() -> None:
    with pyvolume.trace() as t:
        seen = [t.requests]
        exchange()
        seen.append(t.requests)
    assert seen == [0, 1]


def test_an_operation_belongs_to_the_block_in_which_it_began() -> None:
    with pyvolume.trace() as t:
        call = Call(RetryPolicy())
    call.attempt(lambda progress: progress.received(5), retry_answers=True)
    assert t.bytes_fetched == 5


def test_pieces_in_many_threads_are_counted_once() -> None:
    store = WatchedStore(ARRAY, max_read_bytes=2 * 64, preferred_concurrency=8)
    with pyvolume.trace() as t:
        store.volume()[...]
    assert (len(store.reads), t.bytes_used) == (8, ARRAY.nbytes)


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize(
    ("key", "voxels"), [(np.s_[...], 512), (np.s_[0, ::4, ::4, ::4], 8), (np.s_[0, [1, 1, 5], 3, [2, 2, 7]], 3)]
)
@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
def test_used_are_the_voxels_that_were_asked_for(key: Any, voxels: int, write: bool, concurrency: int) -> None:
    store = WatchedStore(ARRAY, (4, 4, 4), max_read_bytes=256, max_write_bytes=256, preferred_concurrency=concurrency)
    with pyvolume.trace() as t:
        if write:
            store.volume()[key] = 1
        else:
            store.volume()[key]
    assert t.bytes_used == voxels * 2


def test_threads_of_the_user_take_part_if_they_bring_their_context() -> None:
    volume = pyvolume.from_array(ARRAY)
    with pyvolume.trace() as t, ThreadPoolExecutor(4) as pool:
        contexts = [contextvars.copy_context() for _ in range(4)]
        for done in [pool.submit(context.run, volume.__getitem__, ...) for context in contexts]:
            done.result()
        pool.submit(volume.__getitem__, ...).result()
    assert t.bytes_used == 4 * ARRAY.nbytes


def test_counting_from_many_threads_loses_nothing() -> None:
    trace, together = Trace(), threading.Barrier(8, timeout=20)

    def count(_: int) -> None:
        together.wait()
        for _ in range(1000):
            trace.add(requests=1, seconds_waited=0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert (trace.requests, trace.seconds_waited) == (8000, 4000.0)


def test_a_trace_reads_as_a_sentence() -> None:
    with pyvolume.trace() as t:
        exchange(failures=1, received=1000)
    assert str(t) == ("requests 2, bytes fetched 2000, bytes sent 0, bytes used 0, retries 1, seconds waited 2")


def test_numbers_of_a_cache_are_shown_where_one_was_used() -> None:
    trace = Trace()
    trace.add(requests=1, cache_misses=3)
    assert str(trace).endswith("seconds waited 0, cache hits 0, cache misses 3")


def test_a_notebook_shows_a_trace_as_a_table_with_readable_bytes() -> None:
    with pyvolume.trace() as t:
        exchange(failures=1, received=1 << 20)
    rows = re.findall("<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", t._repr_html_())
    assert dict(rows) == {
        "requests": "2",
        "bytes fetched": "2 MiB",
        "bytes sent": "0 B",
        "bytes used": "0 B",
        "retries": "1",
        "seconds waited": "2",
    }


def test_the_log_tells_what_a_call_has_cost(caplog: pytest.LogCaptureFixture) -> None:
    volume = pyvolume.from_array(ARRAY)
    with caplog.at_level("DEBUG", "pyvolume"):
        volume[0, 1]
    assert [message for message in caplog.messages if message.startswith("read memory://")] == [
        f"read {volume.store.address}: requests 0, bytes fetched 0, bytes sent 0, bytes used 128, retries 0, "
        "seconds waited 0"
    ]
