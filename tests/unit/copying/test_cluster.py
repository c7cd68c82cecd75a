"""A cluster copies as threads do: what arrives, what the journal names, what an error says, how a copy is resumed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from conformance_stores import in_pieces, ramp
from interrupts import CtrlC
from on_cluster import result_of

import pyvolume
from mockserver import Fault, MockServer
from pyvolume import Box
from pyvolume.dvid import Identity
from pyvolume.errors import ForbiddenError, TransportError, UnsupportedError

SHAPE = (1, 64, 96, 64)
ARRAY = ramp(SHAPE, "uint16")
BLOCK_BYTES = 2 * 32**3
PIECES = 2 * 3 * 2
BOX = Box((0, 5, 0, 7), (1, 60, 90, 64))
RAW = r".*/raw/.*"


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer({"gray": ARRAY, "copy": np.zeros_like(ARRAY)}) as server:
        yield server


@pytest.fixture
def volumes(server: MockServer) -> Iterator[tuple[pyvolume.Volume, pyvolume.Volume]]:
    """Give the source and the destination; each block is a piece."""
    with both(server) as volumes:
        yield volumes


@contextlib.contextmanager
def both(server: MockServer, **options: Any) -> Iterator[tuple[pyvolume.Volume, pyvolume.Volume]]:
    policy = pyvolume.RetryPolicy(interval=0.005, max_interval=0.01, **options)
    with pyvolume.Connection(server.url, retry=policy) as connection:
        yield opened(connection, server, "gray"), opened(connection, server, "copy")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def opened(connection: pyvolume.Connection, server: MockServer, name: str) -> pyvolume.Volume:
    return in_pieces(pyvolume.dvid.VoxelsAccessor(connection, server.uuid, name), BLOCK_BYTES)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def posts(server: MockServer, since: int = 0) -> int:
    return sum(each.method == "POST" for each in server.requests[since:])


def finished(journal: Path) -> list[Box]:
    """Return the boxes that a journal names."""
    lines = [json.loads(line) for line in journal.read_bytes().splitlines()[1:]]
    return [Box(*each["box"]) for each in lines]


def test_every_voxel_arrives_and_each_piece_is_sent_once(
    server: MockServer, volumes: Any, journal: Path, cluster: Any
) -> None:
    seen: list[pyvolume.TransferStatus] = []
    assert pyvolume.copy(*volumes, client=cluster, resume=journal, progress=seen.append) == ARRAY.nbytes
    same(server.voxels("copy"), ARRAY)
    assert posts(server) == len(finished(journal)) == len(set(finished(journal))) == PIECES
    assert (len(seen), seen[-1].bytes_done, seen[-1].bytes_total) == (PIECES, ARRAY.nbytes, ARRAY.nbytes)


def test_an_unaligned_box_is_merged_and_verified(server: MockServer, volumes: Any, cluster: Any) -> None:
    with pyvolume.trace() as traced:
        pyvolume.copy(volumes[0], volumes[1], BOX, client=cluster, verify=True)
    expected = np.zeros_like(ARRAY)
    inside = BOX.slices_from((0,) * 4)
    expected[inside] = ARRAY[inside]
    same(server.voxels("copy"), expected)
    assert traced.bytes_used == 4 * 2 * BOX.size  # read twice from the source, written and read


def test_few_pieces_are_given_out_at_once(volumes: Any, cluster: Any) -> None:
    under_way = 0

    def count(_: object) -> None:
        nonlocal under_way
        under_way = max(under_way, len(cluster.futures))

    pyvolume.copy(*volumes, client=cluster, concurrency=3, progress=count)
    assert under_way == 3


def worker_of(cluster: Any, number: int) -> int:
    """Return the process that has the first of the tasks that are left."""
    left = {int(key.rpartition("-")[2]): at for at, keys in cluster.processing().items() for key in keys}
    pids: dict[str, int] = cluster.run(os.getpid)
    assert min(left) <= number
    return pids[left[min(left)]]


def test_a_worker_is_killed_in_the_middle(server: MockServer, volumes: Any, journal: Path, cluster: Any) -> None:
    killed: list[int] = []

    def kill(status: pyvolume.TransferStatus) -> None:
        if status.bytes_done >= 5 * BLOCK_BYTES and not killed:
            killed.append(worker_of(cluster, 1))
            os.kill(killed[0], signal.SIGKILL)

    server.faults.add(Fault("stall", method="POST", path=RAW))  # one of the first two
    pyvolume.copy(*volumes, client=cluster, resume=journal, progress=kill)
    assert len(killed) == 1
    same(server.voxels("copy"), ARRAY)
    assert len(finished(journal)) == len(set(finished(journal))) == PIECES
    assert posts(server) > PIECES
    cluster.wait_for_workers(2)


def test_a_piece_that_kills_its_workers_is_an_error(
    server: MockServer, volumes: Any, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.cluster.scheduler, "allowed_failures", 0)
    server.faults.add(Fault("stall", method="POST", path=RAW))

    def kill(status: pyvolume.TransferStatus) -> None:
        if status.bytes_done == 5 * BLOCK_BYTES:
            os.kill(worker_of(cluster, 1), signal.SIGKILL)

    with pytest.raises(TransportError, match=r"\(0:1, .*the worker that moved it died 1 times") as caught:
        pyvolume.copy(*volumes, client=cluster, progress=kill)
    assert caught.value.remaining
    cluster.wait_for_workers(2)


def test_a_client_that_is_closed_is_an_error(volumes: Any, cluster: Any) -> None:
    from distributed import Client

    client = Client(cluster.cluster, set_as_default=False)
    with pytest.raises(TransportError, match="the connection to it is lost") as caught:
        pyvolume.copy(*volumes, client=client, progress=lambda _: client.close())
    assert len(caught.value.remaining) < PIECES


def test_a_busy_server_is_asked_again_by_the_worker(server: MockServer, volumes: Any, cluster: Any) -> None:
    server.faults.add(Fault("busy", 5, path=RAW))
    seen: list[pyvolume.TransferStatus] = []
    with pyvolume.trace() as traced:
        pyvolume.copy(*volumes, client=cluster, progress=seen.append)
    same(server.voxels("copy"), ARRAY)
    assert traced.retries == seen[-1].retries == 5
    assert traced.requests == 2 * PIECES + 5


def break_off(server: MockServer, volumes: Any, journal: Path, cluster: Any, after: int) -> list[Box]:
    """Copy until the server refuses; return what remains."""
    server.faults.add(*[Fault("slow", method="POST", pause=0)] * after, Fault("error", None, "POST", status=403))
    with pytest.raises(ForbiddenError) as caught:
        pyvolume.copy(*volumes, client=cluster, resume=journal)
    server.faults.clear()
    return list(caught.value.remaining)


def test_an_error_names_what_remains_and_the_copy_continues_there(
    server: MockServer, volumes: Any, journal: Path, cluster: Any
) -> None:
    remaining = break_off(server, volumes, journal, cluster, after=5)
    assert set(remaining).isdisjoint(finished(journal))
    assert len(remaining) + len(finished(journal)) == PIECES
    before = len(server.requests)
    pyvolume.copy(*volumes, client=cluster, resume=journal)
    assert posts(server, before) == len(remaining)
    same(server.voxels("copy"), ARRAY)


def test_pieces_that_wait_are_not_begun_after_an_error(server: MockServer, volumes: Any, cluster: Any) -> None:
    server.faults.add(Fault("error", method="POST", status=403), Fault("slow", None, "GET", RAW, pause=0.02))
    with pytest.raises(ForbiddenError) as caught:
        pyvolume.copy(*volumes, client=cluster, concurrency=PIECES)
    assert 0 < PIECES - len(caught.value.remaining) < PIECES // 2


def test_threads_continue_what_a_cluster_began(server: MockServer, volumes: Any, journal: Path, cluster: Any) -> None:
    remaining = break_off(server, volumes, journal, cluster, after=5)
    before = len(server.requests)
    pyvolume.copy(*volumes, resume=journal)
    assert posts(server, before) == len(remaining)
    same(server.voxels("copy"), ARRAY)


def test_a_copy_that_is_finished_asks_nobody(server: MockServer, volumes: Any, journal: Path, cluster: Any) -> None:
    pyvolume.copy(*volumes, client=cluster, resume=journal)
    before = len(server.requests)
    assert pyvolume.copy(*volumes, client=cluster, resume=journal) == 0
    assert len(server.requests) == before


def test_what_changed_meanwhile_is_copied_again(server: MockServer, volumes: Any, journal: Path, cluster: Any) -> None:
    pyvolume.copy(*volumes, client=cluster, resume=journal)
    volumes[1][0, 50, 50, 50] = 1 - ARRAY[0, 50, 50, 50] % 2
    assert pyvolume.copy(*volumes, client=cluster, resume=journal, verify=True) == BLOCK_BYTES
    same(server.voxels("copy"), ARRAY)


CALLER = """
import sys
import distributed, pyvolume
sys.path[:0] = sys.argv[4:]
from conformance_stores import in_pieces

scheduler, url, journal = sys.argv[1:4]
with distributed.Client(scheduler) as client, pyvolume.Connection(url, timeout=(5, 0.3)) as connection:
    names = ("gray", "copy")
    gray, copy = (pyvolume.open(f"dvid://{url}/:master/{each}", "r+", connection=connection) for each in names)
    told = lambda _: print("piece", flush=True)
    pyvolume.copy(in_pieces(gray, 65536), in_pieces(copy, 65536), client=client, resume=journal, progress=told)
"""


def test_a_copy_continues_after_its_caller_was_killed(
    server: MockServer, volumes: Any, journal: Path, cluster: Any
) -> None:
    support = str(Path(__file__).parents[2] / "support")
    command = [sys.executable, "-c", CALLER, cluster.scheduler.address, server.url, str(journal), support]
    server.faults.add(*[Fault("slow", method="POST", pause=0)] * 4, Fault("stall", None, "POST"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert [caller.stdout.readline() for _ in range(4)] == ["piece\n"] * 4
        caller.kill()
    server.faults.clear()
    already = set(finished(journal))
    assert len(already) == 4
    pyvolume.copy(*volumes, client=cluster, resume=journal)
    same(server.voxels("copy"), ARRAY)
    assert len(finished(journal)) == len(set(finished(journal))) == PIECES


def test_ctrl_c_gives_out_no_further_piece(server: MockServer, volumes: Any, journal: Path, cluster: Any) -> None:
    press = CtrlC()
    with pytest.raises(KeyboardInterrupt):
        pyvolume.copy(*volumes, client=cluster, resume=journal, concurrency=1, progress=lambda _: press())
    assert len(finished(journal)) == 1
    assert posts(server) <= 2
    pyvolume.copy(*volumes, client=cluster, resume=journal)
    same(server.voxels("copy"), ARRAY)


def test_pieces_that_the_cluster_drops_are_an_error(server: MockServer, cluster: Any) -> None:
    from distributed import Future

    def drop(_: object) -> None:
        cluster.cancel([Future(key, cluster) for key in list(cluster.futures)])

    # what still runs in a worker when the server has closed is not to wait for it
    with both(server, patience=0.1) as volumes, pytest.raises(TransportError, match=r"cluster.*cancelled") as caught:
        pyvolume.copy(*volumes, client=cluster, progress=drop)
    assert caught.value.remaining


def test_the_deadline_is_that_of_the_whole_copy(server: MockServer, cluster: Any) -> None:
    server.faults.add(Fault("stall", None, "POST"))
    with both(server, deadline=0.3) as volumes, pytest.raises(TransportError, match=r"deadline of 0.3 s") as caught:
        pyvolume.copy(*volumes, client=cluster)
    assert len(caught.value.remaining) == PIECES


def test_a_destination_that_grows_is_known_to_be_larger(cluster: Any) -> None:
    with MockServer(admin_token="secret") as server:
        repo = pyvolume.dvid.Server(pyvolume.Connection(server.url, auth=Identity(admin_token="secret"))).create_repo(
            "a"
        )
        gray = repo.create_volume("gray", SHAPE[1:], "uint16")
        gray[...] = ARRAY
        copy = repo.create_volume("copy", (0, 0, 0), "uint16")
        requests = len(server.requests)
        pyvolume.copy(gray, copy, BOX, client=cluster)
        assert not any("metadata" in each.path for each in server.requests[requests:])
        assert copy.bounds == BOX
        same(copy.read(BOX), ARRAY[BOX.slices_from((0,) * 4)])


def test_a_destination_has_grown_by_pieces_that_ctrl_c_leaves_to_workers(cluster: Any) -> None:
    press = CtrlC()
    with MockServer({"gray": ARRAY}) as server, pyvolume.dvid.Server(server.url) as dvid:
        repo = dvid.repos[server.uuid]
        gray, copy = repo.root["gray"], repo.create_volume("copy", (0, 0, 0), "uint16", block_shape=(32, 32, 32))
        in_pieces(copy, BLOCK_BYTES)
        with pytest.raises(KeyboardInterrupt):
            pyvolume.copy(gray, copy, client=cluster, concurrency=2, progress=lambda _: press())
        assert copy.bounds.shape == (1, 64, 32, 32)
        server.faults.add(Fault("error", None, "POST", RAW, 403))
        with pytest.raises(ForbiddenError):
            pyvolume.copy(gray, copy, client=cluster)
        assert copy.bounds.shape == (1, 64, 32, 32)


def test_files_are_opened_by_the_workers(tmp_path: Path, cluster: Any) -> None:
    np.save(tmp_path / "voxels.npy", ARRAY)
    array = zarr.create_array(tmp_path / "copy.zarr", shape=SHAPE, dtype="uint16", chunks=(1, 32, 32, 32))
    with pyvolume.open(str(tmp_path / "voxels.npy")) as source:
        pyvolume.copy(source, array, client=cluster)
    same(np.asarray(array[...]), ARRAY)
    np.save(tmp_path / "back.npy", np.zeros_like(ARRAY))
    with pyvolume.open(str(tmp_path / "back.npy"), mode="r+") as back:
        pyvolume.copy(array, back, client=cluster)
        same(back[...], ARRAY)


def new_memmap(folder: Path) -> Any:
    return np.memmap(folder / "voxels", "uint16", "w+", shape=SHAPE)


def new_hdf5(folder: Path) -> Any:
    import h5py

    return h5py.File(folder / "voxels.h5", "w").create_dataset("voxels", SHAPE, "uint16")


OF_THIS_PROCESS: dict[str, Callable[[Path], Any]] = {
    "an array": lambda _: ARRAY.copy(),
    "a volume of an array": lambda _: pyvolume.from_array(ARRAY.copy()),
    "a memmap": new_memmap,
    "a dataset of HDF5": new_hdf5,
}


@pytest.mark.parametrize("kind", OF_THIS_PROCESS)
def test_what_the_workers_cannot_reach_is_refused(volumes: Any, tmp_path: Path, cluster: Any, kind: str) -> None:
    array = OF_THIS_PROCESS[kind](tmp_path)
    with pytest.raises(UnsupportedError, match="cannot reach the source, an array of this process; copy it without"):
        pyvolume.copy(array, volumes[1], client=cluster)
    with pytest.raises(UnsupportedError, match="cannot reach the destination"):
        pyvolume.copy(volumes[0], array, client=cluster)


def test_a_store_that_cannot_be_pickled_is_refused(volumes: Any, cluster: Any) -> None:
    volumes[0].store.lock = threading.Lock()
    with pytest.raises(UnsupportedError, match=r"the source .*gray cannot be sent to the workers: cannot pickle"):
        pyvolume.copy(*volumes, client=cluster)


@pytest.mark.parametrize("client", [1, "127.0.0.1:8786"])
def test_only_a_client_is_a_client(volumes: Any, client: Any) -> None:
    with pytest.raises(TypeError, match="copy: expected a Client and found"):
        pyvolume.copy(*volumes, client=client)


def test_a_throttled_volume_is_copied_one_piece_at_a_time(server: MockServer, cluster: Any) -> None:
    under_way: list[int] = []
    url = f"dvid://{server.url}/:master/"
    with pyvolume.open(url + "gray") as gray, pyvolume.open(url + "copy", mode="r+", throttle=True) as copy:
        in_pieces(copy, BLOCK_BYTES)
        pyvolume.copy(gray, copy, client=cluster, progress=lambda _: under_way.append(len(cluster.futures)))
    assert max(under_way) == 1
    same(server.voxels("copy"), ARRAY)


@pytest.fixture
def guarded() -> Iterator[MockServer]:
    with MockServer({"gray": ARRAY, "copy": np.zeros_like(ARRAY)}, auth="token") as server:
        yield server


def largest(volume: pyvolume.Volume) -> int:
    return int(volume[...].max())


@pytest.mark.parametrize("asked", [False, True])
def test_a_token_travels_only_if_asked(guarded: MockServer, cluster: Any, asked: bool) -> None:
    identity = Identity(token=guarded.token(), pickle_secrets=asked)
    expected = contextlib.nullcontext() if asked else pytest.raises(ForbiddenError, match="pickle_secrets=True")
    with pyvolume.Connection(guarded.url, auth=identity) as connection:
        gray, copy = (opened(connection, guarded, name) for name in ("gray", "copy"))
        with expected:
            assert cluster.submit(largest, gray, pure=False).result() == ARRAY.max()
        with expected:
            pyvolume.copy(gray, copy, client=cluster)
    assert (guarded.voxels("copy") == ARRAY).all() == asked


def test_a_maximum_is_computed_by_the_workers(volumes: Any, cluster: Any) -> None:
    lazy = volumes[0].to_dask((1, 32, 32, 32))
    with pyvolume.trace() as traced:
        assert result_of(cluster, lazy.max()) == ARRAY.max()
    assert traced.requests == 0
