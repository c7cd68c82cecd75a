"""What a trace counts is what the server has seen, whatever the pieces, the threads and the faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray
from ways import Way

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.errors import RefusedError


def seen_by(server: MockServer, already: int = 0) -> list[Any]:
    return server.requests[already:]


@pytest.mark.parametrize("faults", [0, 1, 5])
@pytest.mark.parametrize("kind", ["busy", "reset", "truncate"])
def test_requests_and_retries_are_those_that_the_server_saw(
    server: MockServer, patient_volume: pyvolume.dvid.VoxelsAccessor, way: Way, kind: str, faults: int
) -> None:
    already = len(server.requests)
    server.faults.add(Fault(kind, times=faults, method="GET", path=".*/raw/.*"))
    with pyvolume.trace() as t:
        patient_volume[...]
    assert (t.requests, t.retries) == (len(seen_by(server, already)), faults)
    assert t.requests == way.pieces + faults


def test_a_read_fetches_what_it_uses(volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any]) -> None:
    with pyvolume.trace() as t:
        volume[...]
    assert (t.bytes_fetched, t.bytes_used, t.bytes_sent) == (array.nbytes, array.nbytes, 0)


def test_a_write_sends_what_it_uses(volume: pyvolume.dvid.VoxelsAccessor, values: NDArray[Any]) -> None:
    with pyvolume.trace() as t:
        volume[...] = values
    assert (t.bytes_sent, t.bytes_used, t.bytes_fetched) == (values.nbytes, values.nbytes, 0)


@pytest.mark.parametrize("key", [np.s_[0, ::2, ::-3, 5:60:7], np.s_[0, [60, 3, 3], 7, [9, 50, 1]]], ids=str)
def test_a_stepped_read_fetches_more_than_it_uses(
    volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any], key: Any
) -> None:
    plan = volume.plan(key)
    with pyvolume.trace() as t:
        volume[key]
    assert (t.requests, t.bytes_fetched, t.bytes_used) == (len(plan), plan.nbytes, array[key].nbytes)


def test_a_merged_write_fetches_and_sends_blocks(volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any]) -> None:
    plan = volume.plan(np.s_[:, 5:60, 7:90, ::9], write=True)
    with pyvolume.trace() as t:
        volume[:, 5:60, 7:90, ::9] = 1
    assert (t.requests, t.bytes_fetched, t.bytes_sent) == (len(plan), plan.merged_bytes, array.nbytes)
    assert t.bytes_used == 55 * 83 * 8 * 2


def test_a_body_that_broke_off_is_fetched_again_and_used_once() -> None:
    array = ramp((1, 128, 128, 256))  # bytes are counted by the MiB
    with MockServer({"gray": array}) as server, pyvolume.Connection(server.url) as connection:
        volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
        server.faults.add(Fault("truncate", method="GET", path=".*/raw/.*"))
        with pyvolume.trace() as t:
            volume[...]
    assert t.bytes_used == array.nbytes < t.bytes_fetched < 2 * array.nbytes


def test_what_fails_is_counted_but_not_used(server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, way: Way) -> None:
    server.faults.add(Fault("error", times=None, status=500, method="GET", path=".*/raw/.*"))
    with pyvolume.trace() as t, pytest.raises(RefusedError):
        volume[...]
    assert t.requests in way.counts(1)
    assert t.bytes_used == 0


def test_documents_are_counted_too(server: MockServer, connection: pyvolume.Connection) -> None:
    already = len(server.requests)
    with pyvolume.trace() as t:
        pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray").refresh()
    assert t.requests == len(seen_by(server, already)) == 2


def test_seconds_waited_are_those_that_on_wait_is_told(server: MockServer) -> None:
    waits: list[pyvolume.RetryWait] = []
    policy = pyvolume.RetryPolicy(interval=0.01, max_interval=0.01, on_wait=waits.append)
    with pyvolume.Connection(server.url, retry=policy, concurrency=8) as connection:
        volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
        server.faults.add(Fault("busy", times=5, method="GET", path=".*/raw/.*"))
        with pyvolume.trace() as t:
            volume[...]
    assert t.retries == len(waits) == 5
    assert t.seconds_waited == pytest.approx(sum(wait.seconds for wait in waits))


def test_progress_tells_of_retries(
    server: MockServer, patient_volume: pyvolume.dvid.VoxelsAccessor, array: NDArray[Any]
) -> None:
    seen: list[pyvolume.TransferStatus] = []
    server.faults.add(Fault("busy", times=3, method="GET", path=".*/raw/.*"))
    patient_volume.get_ndarray((0, 0, 0, 0), array.shape, progress=seen.append)
    assert seen[-1] == pyvolume.TransferStatus(array.nbytes, array.nbytes, 3)
