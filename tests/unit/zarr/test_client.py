"""Clients of folders: zarr's requests are those of a call."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.errors import ClosedError, ForbiddenError, NotFoundError, TransportError
from pyvolume.zarr.client import Client
from pyvolume.zarr.opening import open_client

VOXELS = np.arange(16**3, dtype="uint16").reshape(16, 16, 16)
CHUNKS = 8


def written(folder: Path) -> Client:
    """Open a folder in which an array is stored in eight chunks."""
    zarr.create_array(folder, data=VOXELS, chunks=(8, 8, 8), compressors=None)
    return open_client(folder, mode="r+")


def new_call(**policy: Any) -> Call:
    return Call(pyvolume.RetryPolicy(**policy))


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return written(tmp_path / "x.zarr")


def test_reads_and_counts(client: Client) -> None:
    call = new_call()
    with pyvolume.trace() as trace, client.run(new_call(), "read x"):
        array = zarr.open_array(client.store, mode="r")
    with client.run(call, "read x"):
        np.testing.assert_array_equal(array[...], VOXELS, strict=True)
    assert (call.counted.requests, call.counted.bytes_fetched) == (CHUNKS, VOXELS.nbytes)
    assert trace.requests > 0


def test_writes_and_counts(client: Client) -> None:
    call = new_call()
    with client.run(call, "write x"):
        array = zarr.open_array(client.store, mode="r+")
        before = call.counted.requests
        array[...] = VOXELS[::-1]
    assert (call.counted.requests - before, call.counted.bytes_sent) == (CHUNKS, VOXELS.nbytes)
    np.testing.assert_array_equal(zarr.open_array(client.address, mode="r")[...], VOXELS[::-1], strict=True)


def test_a_missing_chunk_is_the_fill_value(client: Client) -> None:
    Path(client.address, "c", "0", "0", "0").unlink()
    with client.run(new_call(), "read x"):
        found = np.asarray(zarr.open_array(client.store, mode="r")[...])
    np.testing.assert_array_equal(found[:8, :8, :8], 0)
    np.testing.assert_array_equal(found[8:], VOXELS[8:], strict=True)


def test_a_cancelled_call_asks_nothing(client: Client) -> None:
    call = new_call()
    call.cancel()
    with pytest.raises(TransportError, match="cancelled"), client.run(call, "read x"):
        zarr.open_array(client.store, mode="r")
    assert call.counted.requests == 0


def test_a_closed_client_asks_nothing(client: Client) -> None:
    client.close()
    client.close()
    with pytest.raises(ClosedError, match=r"read x: .*x\.zarr is closed"), client.run(new_call(), "read x"):
        pass


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"there is no folder .*typo\.zarr"):
        open_client(tmp_path / "typo.zarr", mode="r+")
    assert list(tmp_path.iterdir()) == []


def test_work_is_done_in_a_thread_without_signals_and_its_outcome_comes_back(client: Client) -> None:
    seen: list[threading.Thread] = []

    def work() -> str:
        seen.append(threading.current_thread())
        return "done"

    assert client.do(new_call(), "work", work) == "done"
    assert seen[0] is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        client.do(new_call(), "work", lambda: 1 / 0)
    with pyvolume.trace() as trace:
        client.do(new_call(), "open x", lambda: zarr.open_array(client.store, mode="r"))
    assert trace.requests > 0


def test_outside_of_a_run_zarr_asks_nothing(client: Client) -> None:
    with pytest.raises(RuntimeError, match=r"outside of Client\.run"):
        zarr.open_array(client.store, mode="r")


def test_a_chunk_without_permission_is_no_fill_value(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    with client.run(new_call(), "read x"):
        array = zarr.open_array(client.store, mode="r")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with (
        pytest.raises(ForbiddenError, match=r"read x: no permission for .*x\.zarr/c/"),
        client.run(new_call(), "read x"),
    ):
        array[...]


def test_runs_of_two_threads_do_not_meet(client: Client) -> None:
    calls = [new_call() for _ in range(2)]

    def read(call: Call) -> None:
        with client.run(call, "read x"):
            np.testing.assert_array_equal(zarr.open_array(client.store, mode="r")[...], VOXELS)

    threads = [threading.Thread(target=read, args=(call,)) for call in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert calls[0].counted.requests == calls[1].counted.requests > CHUNKS
