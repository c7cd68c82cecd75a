"""Zarr in folders: what goes on, and what does not, after an error, Ctrl-C, or a full disk."""

from __future__ import annotations

import asyncio
import errno
import gc
import random
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from interrupts import CtrlC, interrupted_at
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore
from zarr_clients import CHUNKS, VOXELS, array_of, new_call, read_by_zarr, stored, write

from pyvolume.errors import ForbiddenError, TransportError
from pyvolume.zarr.client import POOL, Client
from pyvolume.zarr.opening import open_client

PATIENCE = 20.0
PLACES = 40
"""Places at which Ctrl-C is pressed."""


class WatchedFolder(LocalStore):
    """A folder that counts the requests under way, and does something with each."""

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        self.act: Callable[[str], None] = lambda _: None
        self.most_in_flight = 0
        self.writes = 0
        self._in_flight = 0

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        found: Buffer | None = await self._counted(
            key, lambda: super(WatchedFolder, self).get(key, prototype, byte_range)
        )
        return found

    async def set(self, key: str, value: Buffer) -> None:
        self.writes += 1
        await self._counted(key, lambda: super(WatchedFolder, self).set(key, value))

    async def _counted(self, key: str, once: Callable[[], Any]) -> Any:
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.to_thread(self.act, key)
            return await once()
        finally:
            self._in_flight -= 1


@pytest.fixture
def folder(tmp_path: Path) -> WatchedFolder:
    return WatchedFolder(stored(tmp_path) / "bucket" / "x.zarr")


@pytest.fixture
def client(folder: WatchedFolder) -> Client:
    return Client(folder, folder.root.as_posix())


def slow(_: str) -> None:
    time.sleep(0.005)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("pool", [2, POOL])
def test_no_more_requests_are_under_way_than_threads_times_pool(folder: WatchedFolder, threads: int, pool: int) -> None:
    client = Client(folder, folder.root.as_posix(), pool=pool)
    array = array_of(client, "r+")
    folder.act = slow
    with ThreadPoolExecutor(threads) as workers:
        list(workers.map(lambda _: read_by_zarr(client, array), range(threads)))
        assert pool // 2 < folder.most_in_flight <= threads * pool
        list(workers.map(lambda number: write(client, array, number), range(threads)))
    assert folder.most_in_flight <= threads * pool


@pytest.mark.parametrize("wakes", [True, False])
def test_after_ctrl_c_a_removed_folder_stays_removed(folder: WatchedFolder, client: Client, wakes: bool) -> None:
    array = array_of(client, "r+")
    press = CtrlC(wakes=wakes)

    def act(key: str) -> None:
        if folder.writes > POOL // 2:
            press()
            time.sleep(0.2)

    folder.act = act
    with pytest.raises(KeyboardInterrupt):
        write(client, array, VOXELS[::-1])
    shutil.rmtree(folder.root)
    time.sleep(0.3)
    assert not folder.root.exists()


def test_after_an_error_of_one_chunk_a_removed_folder_stays_removed(folder: WatchedFolder, client: Client) -> None:
    array = array_of(client, "r+")

    def fail(key: str) -> None:
        if key == "c/0/0/3":
            raise OSError(errno.ENOSPC, "No space left on device")
        time.sleep(0.2)

    folder.act = fail
    place = folder.root.as_posix()
    with pytest.raises(OSError, match="write x: No space left on device") as caught:
        write(client, array, VOXELS[::-1])
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, f"{place}/c/0/0/3")
    shutil.rmtree(folder.root)
    time.sleep(0.3)
    assert not folder.root.exists()


def test_a_cancelled_write_has_ended_when_it_raises(folder: WatchedFolder, client: Client) -> None:
    array = array_of(client, "r+")
    call = new_call()
    folder.act = lambda _: call.cancel() if folder.writes > POOL // 2 else None
    with pytest.raises(TransportError, match="call: cancelled"):
        write(client, array, VOXELS[::-1], call=call)
    before = folder.writes
    assert before < CHUNKS
    time.sleep(0.2)
    assert folder.writes == before
    assert not list(folder.root.rglob("*.partial"))


def test_a_silent_disk_does_not_outlast_the_deadline_of_a_read(folder: WatchedFolder, client: Client) -> None:
    array = array_of(client, "r+")
    released = threading.Event()

    def wait(_: str) -> None:
        released.wait(PATIENCE)

    folder.act = wait
    began = time.monotonic()
    try:
        with pytest.raises(TransportError, match="deadline"):
            read_by_zarr(client, array, call=new_call(deadline=0.3))
        assert time.monotonic() - began < PATIENCE / 2
    finally:
        released.set()


def test_no_permission_names_the_file(folder: WatchedFolder, client: Client) -> None:
    array = array_of(client, "r+")

    def refuse(key: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", key)

    folder.act = refuse
    with pytest.raises(ForbiddenError, match=rf"read x: no permission for {folder.root.as_posix()}/c/\d/\d/\d"):
        read_by_zarr(client, array)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # zarr's coroutines may not begin
def test_the_client_works_after_ctrl_c_at_any_moment(tmp_path: Path) -> None:
    client = open_client(stored(tmp_path) / "bucket" / "x.zarr", mode="r+")
    array = array_of(client, "r+")
    with interrupted_at(0) as passed:
        write(client, array, 1)
    interrupted = 0
    places = random.Random(1).sample(range(1, passed[0]), min(PLACES, passed[0] - 1))
    for place in places:
        try:
            with interrupted_at(place):
                write(client, array, 1)
        except KeyboardInterrupt:
            interrupted += 1
        write(client, array, VOXELS)
        np.testing.assert_array_equal(read_by_zarr(client, array), VOXELS, strict=True)
    assert interrupted > len(places) // 2
    gc.collect()


def test_zarr_alone_reads_what_was_written(folder: WatchedFolder, client: Client) -> None:
    write(client, array_of(client, "r+"), VOXELS[::-1])
    np.testing.assert_array_equal(zarr.open_array(folder.root, mode="r")[...], VOXELS[::-1], strict=True)
