"""Copies that break off: what is finished is known, what is not comes the next time, and nothing is sent in vain."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import pytest
import zarr
from conformance_stores import DvidBackend, ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.dvid.roi.region import create_new
from pyvolume.errors import AnswerError, BusyError, ForbiddenError, MetadataError
from pyvolume.stores.base import identity_of

SHAPE = (1, 64, 96, 64)
BLOCK_BYTES = 2 * 32**3
PIECES = 2 * 3 * 2
BOX = pyvolume.Box((0, 5, 0, 7), (1, 60, 90, 64))

Copying: TypeAlias = "tuple[pyvolume.Volume, pyvolume.Volume]"


@pytest.fixture
def server(array: NDArray[Any]) -> Iterator[MockServer]:
    with MockServer({"gray": array, "copy": np.zeros(SHAPE, "uint16")}) as server:
        yield server


@pytest.fixture
def volumes(server: MockServer, connection: pyvolume.Connection) -> Copying:
    """Give the source and the destination; each block is a piece."""
    return open_volume(connection, server.uuid, "gray"), open_volume(connection, server.uuid, "copy")


def open_volume(connection: pyvolume.Connection, uuid: str, name: str) -> pyvolume.Volume:
    volume = pyvolume.dvid.VoxelsAccessor(connection, uuid, name)
    store: Any = volume.store
    store.traits = dataclasses.replace(store.traits, max_read_bytes=BLOCK_BYTES, max_write_bytes=BLOCK_BYTES)
    return volume


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def posted(server: MockServer, since: int = 0) -> list[str]:
    """Return size and offset of each box that was posted; not of attempts that broke off."""
    found = (
        re.search(r"/copy/raw/0_1_2/([^?]+)", each.path)
        for each in server.requests[since:]
        if (each.method, each.status) == ("POST", 200)
    )
    return [each[1] for each in found if each]


def finished(journal: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal, without its header."""
    lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    return [json.loads(line) for line in lines[1:] if line.endswith(b"}\n")]


def sent_as(line: dict[str, Any]) -> str:
    """Name the box of a line as the path of its request does."""
    start, stop = line["box"]
    sizes = (b - a for a, b in zip(start[1:], stop[1:], strict=True))
    return "_".join(map(str, sizes)) + "/" + "_".join(map(str, start[1:]))


def break_off(volumes: Copying, server: MockServer, journal: Path, after: int) -> Collection[pyvolume.Box]:
    """Copy until the server refuses a piece; return what remains."""
    server.faults.add(*[Fault("slow", method="POST", pause=0)] * after, Fault("error", None, "POST", status=403))
    with pytest.raises(ForbiddenError) as caught:
        pyvolume.copy(*volumes, resume=journal, concurrency=1)
    server.faults.clear()
    return caught.value.remaining


@pytest.mark.parametrize("kind", ["busy", "reset", "close", "garbage", "stall", "truncate"])
def test_a_copy_recovers(server: MockServer, volumes: Copying, array: NDArray[Any], kind: str) -> None:
    server.faults.add(Fault(kind, 2, "GET", r".*/raw/.*"), Fault(kind, 2, "POST", r".*/raw/.*"))
    pyvolume.copy(*volumes, verify=True)
    same(server.voxels("copy"), array)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_failure_names_the_boxes_that_remain(
    server: MockServer, volumes: Copying, journal: Path, concurrency: int
) -> None:
    server.faults.add(*[Fault("slow", method="POST", pause=0)] * 5, Fault("error", None, "POST", status=403))
    with pytest.raises(ForbiddenError) as caught:
        pyvolume.copy(*volumes, resume=journal, concurrency=concurrency)
    boxes = {pyvolume.Box(tuple(start), tuple(stop)) for start, stop in (line["box"] for line in finished(journal))}
    assert len(boxes) == 5
    assert boxes.isdisjoint(caught.value.remaining)
    assert len(caught.value.remaining) == PIECES - 5


def test_a_copy_continues_with_what_remains(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path
) -> None:
    remaining = break_off(volumes, server, journal, after=5)
    before = len(server.requests)
    pyvolume.copy(*volumes, resume=journal, concurrency=3)
    assert len(posted(server, before)) == len(remaining) == PIECES - 5
    same(server.voxels("copy"), array)


def test_a_finished_copy_does_nothing(
    server: MockServer, volumes: Copying, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert pyvolume.copy(*volumes, resume=journal) == PIECES * BLOCK_BYTES
    before = len(server.requests)
    with caplog.at_level("INFO", "pyvolume"):
        assert pyvolume.copy(*volumes, resume=journal) == 0
    assert "nothing" in caplog.text
    assert len(server.requests) == before
    assert len(finished(journal)) == PIECES


def test_an_unaligned_box_continues_too(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path
) -> None:
    server.faults.add(*[Fault("slow", method="POST", pause=0)] * 4, Fault("error", 1, "POST", status=403))
    with pytest.raises(ForbiddenError):
        pyvolume.copy(*volumes, BOX, resume=journal, concurrency=1)
    before = len(server.requests)
    pyvolume.copy(*volumes, BOX, resume=journal)
    assert len(posted(server, before)) == PIECES - 4
    inside = BOX.slices_from((0,) * 4)
    expected = np.zeros_like(array)
    expected[inside] = array[inside]
    same(server.voxels("copy"), expected)


def test_resumed_pieces_count_as_done_at_once(server: MockServer, volumes: Copying, journal: Path) -> None:
    break_off(volumes, server, journal, after=5)
    seen: list[pyvolume.TransferStatus] = []
    pyvolume.copy(*volumes, resume=journal, progress=seen.append)
    assert [status.bytes_done for status in seen] == [n * BLOCK_BYTES for n in range(5, PIECES + 1)]
    assert {status.bytes_total for status in seen} == {PIECES * BLOCK_BYTES}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_interrupt_leaves_the_journal_good(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path, concurrency: int
) -> None:
    def interrupt(status: pyvolume.TransferStatus) -> None:
        if status.bytes_done == 4 * BLOCK_BYTES:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pyvolume.copy(*volumes, resume=journal, concurrency=concurrency, progress=interrupt)
    known = Counter(map(sent_as, finished(journal)))
    assert 4 <= known.total() < 4 + concurrency
    before = len(server.requests)
    pyvolume.copy(*volumes, resume=journal)
    assert not known & Counter(posted(server, before))
    same(server.voxels("copy"), array)


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_line_is_copied_again(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path, cut: int
) -> None:
    break_off(volumes, server, journal, after=5)
    torn = journal.read_bytes()[:-cut]
    journal.write_bytes(torn)
    before = len(server.requests)
    pyvolume.copy(*volumes, resume=journal)
    # without its line feed only, a line is still whole
    assert len(posted(server, before)) == PIECES - 5 + (cut > 1)
    assert journal.read_bytes().startswith(torn)
    before = len(server.requests)
    pyvolume.copy(*volumes, resume=journal)
    assert posted(server, before) == []
    same(server.voxels("copy"), array)


@pytest.mark.parametrize("length", [0, 1, 30, -1])
def test_a_torn_header_begins_anew(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path, length: int
) -> None:
    break_off(volumes, server, journal, after=0)
    journal.write_bytes(journal.read_bytes()[:length])
    pyvolume.copy(*volumes, resume=journal)
    before = len(server.requests)
    pyvolume.copy(*volumes, resume=journal)
    assert posted(server, before) == []
    same(server.voxels("copy"), array)


def test_the_journal_of_another_copy_is_refused(server: MockServer, volumes: Copying, journal: Path) -> None:
    source, destination = volumes
    pyvolume.copy(source, destination, BOX, resume=journal)
    found, before = journal.read_bytes(), len(server.requests)
    others: list[tuple[Any, Any, Any, str]] = [
        (source, destination, None, "box"),
        (ramp(SHAPE, "uint16"), destination, BOX, "source"),
        (source, source, BOX, "destination"),
        (source, np.zeros(SHAPE, "uint16"), BOX, "destination"),
    ]
    for src, dst, box, name in others:
        with pytest.raises(MetadataError, match=f"the journal of another copy: expected {name} .* and found") as caught:
            pyvolume.copy(src, dst, box, resume=journal)
        assert caught.value.path == f"$.{name}"
    assert journal.read_bytes() == found
    assert len(server.requests) == before


def test_the_journal_of_another_plan_is_refused(volumes: Copying, journal: Path) -> None:
    source, destination = volumes
    pyvolume.copy(source, destination, resume=journal)
    store: Any = destination.store
    store.traits = dataclasses.replace(store.traits, max_write_bytes=2 * BLOCK_BYTES)
    with pytest.raises(
        MetadataError, match=r"expected plan pieces of 65536 voxels .* and found pieces of 32768 voxels"
    ):
        pyvolume.copy(source, destination, resume=journal)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"{}\n", b"[" * 100_000, b'{"piece": 1}'], ids=len)
def test_a_file_that_is_no_journal_is_refused_and_left_alone(volumes: Copying, journal: Path, content: bytes) -> None:
    journal.write_bytes(content)
    with pytest.raises(MetadataError, match="not the journal of a copy"):
        pyvolume.copy(*volumes, resume=journal)
    assert journal.read_bytes() == content


def test_a_large_file_that_is_no_journal_takes_no_memory(volumes: Copying, journal: Path) -> None:
    journal.touch()
    os.truncate(journal, 1 << 30)
    tracemalloc.start()
    with pytest.raises(MetadataError, match="not the journal of a copy"):
        pyvolume.copy(*volumes, resume=journal)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("room", [0, 600])
def test_a_full_disk_names_the_journal(
    volumes: Copying, journal: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python would keep the first part of a compiled module
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(OSError, match=f"write the journal {journal}: "):
            pyvolume.copy(*volumes, resume=journal)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    pyvolume.copy(*volumes, resume=journal)
    same(volumes[1][...], volumes[0][...])


def test_what_is_no_file_is_no_journal(volumes: Copying, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(MetadataError, match="not the journal of a copy"):
            pyvolume.copy(*volumes, resume=path)


def test_a_piece_that_changed_is_copied_again_if_verified(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path
) -> None:
    pyvolume.copy(*volumes, resume=journal)
    volumes[1][0, 40, 40, 40] ^= 1
    before = len(server.requests)
    seen: list[pyvolume.TransferStatus] = []
    assert pyvolume.copy(*volumes, resume=journal, verify=True, progress=seen.append) == BLOCK_BYTES
    assert posted(server, before) == ["32_32_32/32_32_32"]
    assert seen[-1].bytes_done == array.nbytes
    same(server.voxels("copy"), array)


def test_a_source_that_changed_is_copied_again_if_verified(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path
) -> None:
    pyvolume.copy(*volumes, resume=journal)
    volumes[0][0, 40, 40, 40] = array[0, 40, 40, 40] ^ 1
    before = len(server.requests)
    assert pyvolume.copy(*volumes, resume=journal, verify=True) == BLOCK_BYTES
    assert posted(server, before) == ["32_32_32/32_32_32"]
    same(volumes[1][...], volumes[0][...])
    assert pyvolume.copy(*volumes, resume=journal, verify=True) == 0


class Misread:
    """An array-like that gives a wrong voxel the first time that it is read."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.reads = 0

    def __getitem__(self, key: Any) -> Any:
        self.reads += 1
        voxels = self.array[key].copy()
        voxels[0, 0, 0, 0] ^= self.reads == 1
        return voxels


def test_what_was_misread_from_the_source_is_found(array: NDArray[Any]) -> None:
    out = np.zeros(SHAPE, "uint16")
    pyvolume.copy(Misread(array), out)
    assert (out != array).sum() == 1
    with pytest.raises(AnswerError, match="verify"):
        pyvolume.copy(Misread(array), out, verify=True)


class Spoiling:
    """An array-like that keeps another value of one voxel than it was given, the first times."""

    def __init__(self, times: int) -> None:
        self.array = np.zeros(SHAPE, "uint16")
        self.shape = self.array.shape
        self.dtype = self.array.dtype
        self.chunks = (1, 32, 32, 32)
        self.times = times

    def __getitem__(self, key: Any) -> Any:
        return self.array[key]

    def __setitem__(self, key: tuple[slice, ...], values: NDArray[Any]) -> None:
        self.array[key] = values
        if key[1].start <= 40 < key[1].stop and self.times:
            self.times -= 1
            self.array[0, 40, key[2].start, key[3].start] ^= 1


def test_a_piece_that_is_not_read_back_as_written_is_an_error(
    volumes: Copying, array: NDArray[Any], journal: Path
) -> None:
    out = Spoiling(1)
    with pytest.raises(AnswerError, match=r"verify copy of \(0:1, 0:64, 0:96, 0:64\)"):
        pyvolume.copy(volumes[0], out, resume=journal, verify=True)
    assert finished(journal) == []
    pyvolume.copy(volumes[0], out, resume=journal, verify=True)
    same(out.array, array)


def test_an_array_in_memory_is_not_taken_for_that_of_the_process_before(
    volumes: Copying, array: NDArray[Any], journal: Path
) -> None:
    for _ in range(2):
        out = np.zeros(SHAPE, "uint16")
        pyvolume.copy(volumes[0], out, resume=journal)
        same(out, array)
    fresh = pyvolume.from_array(np.zeros(SHAPE, "uint16"))
    for _ in range(2):
        fresh = pyvolume.from_array(np.zeros(SHAPE, "uint16"))
        pyvolume.copy(volumes[0], fresh, resume=journal.with_name("other"))
        same(fresh[...], array)


# a process that has imported everything already: each line that it reads makes a copy in a child of its own
COPIES = """
import dataclasses, os, sys
import pyvolume, pyvolume.copying, pyvolume.dvid.voxels, pyvolume.transport.connection

url, uuid, journal, most, concurrency = sys.argv[1:]

def opened(connection, name):
    volume = pyvolume.dvid.VoxelsAccessor(connection, uuid, name)
    traits = dataclasses.replace(volume.store.traits, max_read_bytes=int(most), max_write_bytes=int(most))
    volume.store.traits = traits
    return volume

for line in sys.stdin:
    child = os.fork()
    if not child:
        with pyvolume.Connection(url) as connection:
            source, destination = opened(connection, "gray"), opened(connection, "copy")
            pyvolume.copy(source, destination, resume=journal, concurrency=int(concurrency))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Copies:
    """Copies in processes that can be killed."""

    def __init__(self, process: subprocess.Popen[str], server: MockServer) -> None:
        self._process = process
        self._server = server

    def run(self, killed_after: int | None = None, by: signal.Signals | None = None) -> int:
        """Copy, and kill it after so many requests; return how the process ended."""
        assert self._process.stdin is not None
        begun = len(self._server.requests)
        self._process.stdin.write("copy\n")
        self._process.stdin.flush()
        child = self._read()
        if killed_after is not None:
            while len(self._server.requests) - begun < killed_after:
                os.sched_yield()
            os.kill(child, by or signal.SIGKILL)
        return self._read()

    def _read(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextlib.contextmanager
def copies(*arguments: object, server: MockServer) -> Iterator[Copies]:
    command = [sys.executable, "-c", COPIES, server.url, server.uuid, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Copies(process, server)
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_copy_that_is_killed_again_and_again_is_complete_in_the_end(journal: Path) -> None:
    kills, concurrency, moments = 20, 4, random.Random(4)
    array = ramp((1, 256, 256, 128), "uint8")
    pieces = 8 * 8 * 4
    with (
        MockServer({"gray": array, "copy": np.zeros_like(array)}) as server,
        copies(journal, 32**3, concurrency, server=server) as running,
    ):
        done: list[tuple[int, set[str]]] = []
        for _ in range(kills):
            assert running.run(killed_after=moments.randrange(30)) == -signal.SIGKILL
            done.append((len(server.requests), set(map(sent_as, finished(journal)))))
        assert 0 < len(done[-1][1]) < pieces
        assert running.run() == 0
        same(server.voxels("copy"), array)
        counts = Counter(posted(server))
        assert len(counts) == pieces == len(finished(journal))
        assert counts.total() <= pieces + kills * concurrency
        for since, known in done:
            assert known.isdisjoint(posted(server, since))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_ctrl_c_ends_a_copy_that_hangs_and_leaves_the_journal_good(
    server: MockServer, array: NDArray[Any], journal: Path
) -> None:
    answered = 5
    server.faults.add(*[Fault("slow", method="POST", pause=0)] * answered, Fault("stall", None, "POST"))
    asked_before_it_hangs = 2 + 2 * (answered + 3)
    with copies(journal, BLOCK_BYTES, 3, server=server) as running:
        assert running.run(asked_before_it_hangs, by=signal.SIGINT) != 0
        server.faults.clear()
        known, before = set(map(sent_as, finished(journal))), len(server.requests)
        assert len(known) == answered
        assert running.run() == 0
    assert known.isdisjoint(posted(server, before))
    same(server.voxels("copy"), array)


class Ends:
    """The two ends of a copy under names that can be given to other voxels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.first, self.other = (ramp(SMALL, "uint16", seed=seed) for seed in (1, 2))
        self.count = 0

    def file(self, kind: str, name: str, array: NDArray[Any]) -> Any:
        """Make a file anew, with mode w where the format has one, and give its array."""
        path = self.folder / f"{name}.{kind}"
        if kind == "npy":
            made: Any = np.lib.format.open_memmap(path, "w+", array.dtype, array.shape)
        elif kind == "zarr":
            made = zarr.create_array(str(path), shape=array.shape, dtype=array.dtype, chunks=CHUNKS, overwrite=True)
        else:
            made = h5py.File(path, "w").create_dataset("voxels", array.shape, array.dtype, chunks=CHUNKS)
        made[...] = array
        if kind == "h5":
            made.file.close()
        else:
            getattr(made, "flush", lambda: None)()
        self.count += 1  # some clocks of files are coarse
        for each in (path, path / "zarr.json"):
            if each.exists():
                os.utime(each, ns=(each.stat().st_atime_ns, each.stat().st_mtime_ns + self.count * 10**9))
        return path

    def opened(self, place: Any, mode: Any = "r") -> pyvolume.Volume:
        return place if isinstance(place, pyvolume.Volume) else pyvolume.open(place, mode)

    def copy(self, source: Any, destination: Any, **options: Any) -> int:
        with self.opened(source) as src, self.opened(destination, "r+") as dst:
            return in_small_pieces(src, dst, resume=self.journal, **options)


SMALL = (1, 32, 32, 64)
CHUNKS = (1, 32, 32, 16)


def in_small_pieces(src: pyvolume.Volume, dst: pyvolume.Volume, **options: Any) -> int:
    for volume in (src, dst):
        store: Any = volume.store
        store.traits = dataclasses.replace(store.traits, max_write_bytes=1 << 15, max_read_bytes=1 << 15)
    return pyvolume.copy(src, dst, concurrency=1, **options)


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


@pytest.mark.parametrize("kind", ["npy", "h5", "zarr"])
class TestFilesOfACopy:
    """Each end is the file that the journal describes, or the journal is refused."""

    def test_a_destination_that_was_made_anew_is_refused(self, ends: Ends, kind: str) -> None:
        source, zeros = ends.file("npy", "source", ends.first), np.zeros(SMALL, "uint16")
        ends.copy(source, ends.file(kind, "copy", zeros))
        before = ends.journal.read_bytes()
        made = ends.file(kind, "copy", zeros)
        with pytest.raises(MetadataError, match=r"copy\..* was made anew or changed since"):
            ends.copy(source, made)
        assert ends.journal.read_bytes() == before
        assert ends.copy(source, made, verify=True) == ends.first.nbytes
        with pyvolume.open(made) as volume:
            same(volume[...], ends.first)
        assert ends.copy(source, made) == 0

    def test_another_source_under_the_same_name_is_refused(self, ends: Ends, kind: str) -> None:
        copy = ends.file("npy", "copy", np.zeros(SMALL, "uint16"))
        ends.copy(ends.file(kind, "source", ends.first), copy)
        source = ends.file(kind, "source", ends.other)
        with pytest.raises(MetadataError, match=r"source\..* was made anew or changed since"):
            ends.copy(source, copy)
        assert ends.copy(source, copy, verify=True) == ends.first.nbytes
        assert ends.copy(source, copy) == 0
        same(np.load(copy), ends.other)

    def test_a_file_as_the_journal_left_it_is_continued(self, ends: Ends, kind: str) -> None:
        source, copy = ends.file("npy", "source", ends.first), ends.file(kind, "copy", np.zeros(SMALL, "uint16"))

        def stop(status: pyvolume.TransferStatus) -> None:
            if status.bytes_done * 2 >= status.bytes_total:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ends.copy(source, copy, progress=stop)
        assert ends.copy(source, copy) == ends.first.nbytes // 2
        with pyvolume.open(copy) as volume:
            same(volume[...], ends.first)


def test_a_check_that_was_killed_leaves_nothing_unchecked(ends: Ends) -> None:
    source, zeros = ends.file("npy", "source", ends.first), np.zeros(SMALL, "uint16")
    ends.copy(source, ends.file("npy", "copy", zeros))
    made = ends.file("npy", "copy", zeros)

    def stop(status: pyvolume.TransferStatus) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ends.copy(source, made, verify=True, progress=stop)
    ends.copy(source, made)
    same(np.load(made), ends.first)


def damaged(journal: bytes, moments: random.Random) -> bytes:
    """Cut, change, remove or add some bytes."""
    at = moments.randrange(len(journal))
    kept = at + moments.choice([1, 40, len(journal)])
    return journal[:at] + moments.randbytes(moments.choice([0, 1, 30])) + journal[kept:]


def test_no_damage_of_a_journal_leaves_voxels_out(ends: Ends) -> None:
    def stop(status: pyvolume.TransferStatus) -> None:
        if status.bytes_done * 2 >= status.bytes_total:
            raise KeyboardInterrupt

    source, copy = ends.file("npy", "source", ends.first), ends.file("npy", "copy", np.zeros(SMALL, "uint16"))
    with pytest.raises(KeyboardInterrupt):
        ends.copy(source, copy, progress=stop)
    journal, half, times = ends.journal.read_bytes(), copy.read_bytes(), copy.stat()
    outcomes, moments = Counter[str](), random.Random(7)
    for _ in range(100):
        with copy.open("r+b") as file:
            file.write(half)
        os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
        ends.journal.write_bytes(damaged(journal, moments))
        with contextlib.suppress(MetadataError):
            ends.copy(source, copy)
            same(np.load(copy), ends.first)
            outcomes["copied"] += 1
    assert 20 < outcomes["copied"] < 100


class TestInstancesOfACopy:
    """Each end is the instance that the journal describes."""

    ROOT = "a" * 32

    def served(self, volumes: dict[str, NDArray[Any]], port: int = 0) -> MockServer:
        return MockServer(volumes, root=self.ROOT, port=port)

    def test_a_destination_that_was_made_anew_is_refused(self, ends: Ends) -> None:
        source, volumes = ends.file("npy", "source", ends.first), {"copy": np.zeros(SMALL, "uint16")}
        with self.served(volumes) as server:
            url = f"dvid://{server.url}/{self.ROOT}/copy"
            ends.copy(source, url)
            port = int(server.url.rpartition(":")[2])
        with self.served(volumes, port) as server:
            with pytest.raises(MetadataError, match="copy was made anew or changed since"):
                ends.copy(source, url)
            assert ends.copy(source, url, verify=True) == ends.first.nbytes
            same(server.voxels("copy"), ends.first)
            assert ends.copy(source, url) == 0

    def test_a_source_that_was_made_anew_is_refused(self, ends: Ends) -> None:
        copy = ends.file("npy", "copy", np.zeros(SMALL, "uint16"))
        with self.served({"source": ends.first}) as server:
            url = f"dvid://{server.url}/{self.ROOT}/source"
            ends.copy(url, copy)
            port = int(server.url.rpartition(":")[2])
        with self.served({"source": ends.other}, port):
            with pytest.raises(MetadataError, match="source was made anew or changed since"):
                ends.copy(url, copy)
            ends.copy(url, copy, verify=True)
            same(np.load(copy), ends.other)

    def test_a_branch_that_moved_is_another_source(self, ends: Ends) -> None:
        copy = ends.file("npy", "copy", np.zeros(SMALL, "uint16"))
        with self.served({"source": ends.first}) as mock, pyvolume.dvid.Server(mock.url) as server:
            url = f"dvid://{mock.url}/:master/source"
            ends.copy(url, copy)
            version = server.repos[self.ROOT].version(":master")
            version.commit("done")
            version.new_version()
            with pytest.raises(MetadataError, match="the journal of another copy: expected source"):
                ends.copy(url, copy)

    def test_a_server_names_each_instance_and_version(self, dvid: DvidBackend) -> None:
        first, second = (dvid.new(np.zeros(SMALL, "uint16")) for _ in range(2))
        again = pyvolume.dvid.VoxelsAccessor(dvid.connection, dvid.uuid, first.name)
        assert identity_of(first.store) == identity_of(again.store) != identity_of(second.store)


def test_a_region_is_named_by_its_spans(server: MockServer, connection: pyvolume.Connection) -> None:
    create_new(connection, server.uuid, "region", block_shape=(32, 32, 32))
    region = pyvolume.dvid.Roi(connection, server.uuid, "region")
    seen = []
    for spans in ([[0, 0, 0, 1]], [[0, 0, 0, 1]], [[0, 0, 0, 2]]):
        region.set_spans(spans)
        seen.append(identity_of(region.mask_volume().store))
    assert seen[0] == seen[1] != seen[2]


def test_a_journal_belongs_to_one_copy_at_a_time(
    server: MockServer, volumes: Copying, array: NDArray[Any], journal: Path
) -> None:
    refused: list[str] = []

    def copy_again(status: pyvolume.TransferStatus) -> None:
        with pytest.raises(BusyError, match="another copy uses the journal") as caught:
            pyvolume.copy(*volumes, resume=journal)
        refused.append(str(caught.value))

    pyvolume.copy(*volumes, resume=journal, progress=copy_again, concurrency=1)
    assert len(refused) == PIECES
    assert pyvolume.copy(*volumes, resume=journal) == 0
    same(server.voxels("copy"), array)


@pytest.mark.parametrize(("kind", "warned"), [("h5", True), ("npy", False), ("zarr", False)])
def test_a_copy_into_hdf5_says_that_a_kill_can_break_it(
    ends: Ends, caplog: pytest.LogCaptureFixture, kind: str, warned: bool
) -> None:
    ends.copy(ends.file("npy", "source", ends.first), ends.file(kind, "copy", np.zeros(SMALL, "uint16")))
    assert ("unreadable if the process is killed" in caplog.text) == warned
