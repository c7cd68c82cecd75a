"""How many requests to the object store are under way at once: one bound for all reads, and one for all writes."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

from conformance_stores import ramp
from mikro_by_hand import same

import pyvolume
from mockserver import Fault, MikroServer
from pyvolume.calls.holds import MOST
from pyvolume.mikro import Mikro
from pyvolume.zarr.store import REMOTE_AT_ONCE

ARRAY = ramp((16, 64, 64), "uint16")


def test_the_plan_and_the_trace_say_it(own: Mikro) -> None:
    image = own.from_xarray(ARRAY, "ours", dims="zyx", chunks=(8, 8, 8))
    assert f"up to {REMOTE_AT_ONCE} at once" in repr(image.plan(...))
    with pyvolume.trace() as trace:
        same(image[0, ..., 0], ARRAY.transpose(2, 1, 0))
    assert 1 <= trace.at_once <= MOST


def test_a_busy_object_store_gets_fewer_reads(own: Mikro, mock: MikroServer) -> None:
    image = own.from_xarray(ARRAY, "ours", dims="zyx", chunks=(8, 8, 8))
    lanes = image.store.lanes
    assert lanes is not None
    before = lanes.reads.room
    mock.faults.add(Fault("busy", path=r".*/c/.*", times=6))
    same(image[0, ..., 0], ARRAY.transpose(2, 1, 0))
    assert lanes.reads.room < before


def test_threads_that_read_one_image_share_the_bound(own: Mikro) -> None:
    image = own.from_xarray(ARRAY, "ours", dims="zyx", chunks=(8, 8, 8))
    seen, lock = list[int](), threading.Lock()

    def read(_: int) -> None:
        with pyvolume.trace() as trace:
            same(image[0, ..., 0], ARRAY.transpose(2, 1, 0))
        with lock:
            seen.append(trace.at_once)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))
    assert image.store.lanes is not None
    assert max(seen) <= MOST


def test_what_is_learnt_stays_in_the_process(own: Mikro, mock: MikroServer) -> None:
    image = own.from_xarray(ARRAY, "ours", dims="zyx", chunks=(8, 8, 8))
    mock.faults.add(Fault("busy", path=r".*/c/.*", times=6))
    same(image[0, ..., 0], ARRAY.transpose(2, 1, 0))
    again = pickle.loads(pickle.dumps(image.store))
    assert image.store.lanes is not None
    assert again.lanes.reads.room > image.store.lanes.reads.room
