"""Copies that break off: what is finished is known, what is not comes the next time, and nothing is sent in vain."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.errors import AnswerError, ForbiddenError, MetadataError

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
    """Return size and offset of each box that was posted."""
    found = (
        re.search(r"/copy/raw/0_1_2/([^?]+)", each.path) for each in server.requests[since:] if each.method == "POST"
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


def break_off(volumes: Copying, server: MockServer, journal: Path, after: int) -> tuple[pyvolume.Box, ...]:
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
    with pytest.raises(MetadataError, match=r"expected plan 6 pieces \w+ and found 12 pieces"):
        pyvolume.copy(source, destination, resume=journal)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"{}\n", b"[1]\n", b'{"piece": 1}'])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(volumes: Copying, journal: Path, content: bytes) -> None:
    journal.write_bytes(content)
    with pytest.raises(MetadataError, match="not the journal of a copy"):
        pyvolume.copy(*volumes, resume=journal)
    assert journal.read_bytes() == content


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
    asked_before_it_hangs = 6 + 2 * (answered + 3)
    with copies(journal, BLOCK_BYTES, 3, server=server) as running:
        assert running.run(asked_before_it_hangs, by=signal.SIGINT) != 0
        server.faults.clear()
        known, before = set(map(sent_as, finished(journal))), len(server.requests)
        assert len(known) == answered
        assert running.run() == 0
    assert known.isdisjoint(posted(server, before))
    same(server.voxels("copy"), array)
