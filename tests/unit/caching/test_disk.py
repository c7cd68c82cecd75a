"""Blocks on disk: damage is a miss, bounds hold, several processes share a folder, a full disk is no error."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interrupts import interrupted_at
from numpy.typing import NDArray

from pyvolume.caching.disk import CLUSTER, DiskBlocks
from pyvolume.caching.memory import BlockKey

SHAPE = (1, 16, 16, 16)
DTYPE = np.dtype("uint16")
KEPT_BYTES = 12288
"""What noise of this shape takes on disk, in whole clusters."""


def key(number: int) -> BlockKey:
    return "voxels", (0, number)


def noise(seed: int, dtype: Any = DTYPE) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    return np.asfortranarray(
        rng.integers(0, 256, np.prod(SHAPE) * np.dtype(dtype).itemsize, "uint8").view(dtype)
    ).reshape(SHAPE, order="F")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint64", "int32", "float32", "bool"])
def test_a_block_is_found_again(tmp_path: Path, dtype: str) -> None:
    block = noise(1, "uint8").astype(dtype)
    DiskBlocks(tmp_path, 1 << 20).put(key(1), block)
    found = DiskBlocks(tmp_path, 1 << 20).get(key(1), SHAPE, np.dtype(dtype))
    assert found is not None
    np.testing.assert_array_equal(found, block, strict=True)


def test_what_repeats_is_compressed(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), np.full((1, 64, 64, 64), 7, "uint64"))
    assert files(tmp_path)[0].stat().st_size < 10_000


def test_another_key_is_a_miss(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), noise(1))
    assert blocks.get(key(2), SHAPE, DTYPE) is None


def _cut(content: bytes) -> bytes:
    return content[:-1]


def _emptied(content: bytes) -> bytes:
    return b""


def _longer(content: bytes) -> bytes:
    return content + b"\0"


def _flipped(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def _headless(content: bytes) -> bytes:
    return bytes([content[3] ^ 1]) + content[1:]


def _zeroed(content: bytes) -> bytes:
    return bytes(len(content))


@pytest.mark.parametrize("block", [noise(1), np.full(SHAPE, 7, DTYPE, order="F")], ids=["raw", "lz4"])
@pytest.mark.parametrize("damage", [_cut, _emptied, _longer, _flipped, _zeroed, _headless])
def test_a_damaged_file_is_a_miss_and_goes(
    tmp_path: Path, block: NDArray[Any], damage: Callable[[bytes], bytes]
) -> None:
    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), block)
    file = files(tmp_path)[0]
    file.write_bytes(damage(file.read_bytes()))
    assert blocks.get(key(1), SHAPE, DTYPE) is None
    assert files(tmp_path) == []


def test_the_file_of_another_block_is_a_miss(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), noise(1))
    blocks.put(key(2), noise(2))
    blocks._path(key(1)).replace(blocks._path(key(2)))
    assert blocks.get(key(2), SHAPE, DTYPE) is None


def test_a_block_of_another_length_is_a_miss(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), noise(1))
    assert blocks.get(key(1), (1, 16, 16, 15), DTYPE) is None


def test_the_folder_stays_below_its_limit(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 10 * KEPT_BYTES)
    largest = 0
    for number in range(40):
        blocks.put(key(number), noise(number))
        largest = max(largest, blocks.nbytes)
    assert 8 * KEPT_BYTES <= largest <= 10 * KEPT_BYTES


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 3 * KEPT_BYTES)
    for number in range(3):
        blocks.put(key(number), noise(number))
        os.utime(blocks._path(key(number)), ns=(number, number))
    blocks.get(key(0), SHAPE, DTYPE)
    blocks.put(key(3), noise(3))
    assert [number for number in range(4) if blocks._path(key(number)).exists()] == [0, 3]


def test_a_process_that_begins_counts_what_is_there(tmp_path: Path) -> None:
    first = DiskBlocks(tmp_path, 1 << 30)
    for number in range(10):
        first.put(key(number), noise(number))
    second = DiskBlocks(tmp_path, 5 * KEPT_BYTES)
    second.put(key(10), noise(10))
    assert second.nbytes <= 5 * KEPT_BYTES


def test_a_process_notices_the_blocks_of_others(tmp_path: Path) -> None:
    most = 32 * KEPT_BYTES
    own, other = DiskBlocks(tmp_path, most), DiskBlocks(tmp_path, 1 << 30)
    own.put(key(0), noise(0))
    for number in range(1, 60):
        other.put(key(number), noise(number))
    for number in range(60, 64):
        own.put(key(number), noise(number))
    assert own.nbytes <= most


def test_files_of_others_are_not_counted_and_stay(tmp_path: Path) -> None:
    foreign = [tmp_path / "thesis.block", tmp_path / "ab" / "notes.txt", tmp_path / "data" / "x.block"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100_000))
    blocks = DiskBlocks(tmp_path, 2 * KEPT_BYTES)
    for number in range(5):
        blocks.put(key(number), noise(number))
    blocks.clear()
    assert (files(tmp_path), blocks.nbytes) == (sorted(foreign), 0)


def test_a_full_disk_is_no_error_and_warns_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), noise(1))
    blocks.put(key(2), noise(2))
    assert caplog.messages == [f"blocks are not kept in {tmp_path}: No space left on device"]
    assert files(tmp_path) == []


def test_a_folder_that_is_removed_is_made_again(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path / "blocks", 1 << 20)
    (tmp_path / "blocks").rmdir()
    blocks.put(key(1), noise(1))
    assert blocks.get(key(1), SHAPE, DTYPE) is not None


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "blocks").write_text("")
    with pytest.raises(FileExistsError):
        DiskBlocks(tmp_path / "blocks", 1 << 20)


def test_a_read_only_folder_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), noise(1))
    monkeypatch.setattr(os, "utime", refuse)
    assert blocks.get(key(1), SHAPE, DTYPE) is not None


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # an interrupted file is left to Python
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_moment_leaves_no_half_block_and_no_lock(tmp_path: Path) -> None:
    moment, was_interrupted = 0, True
    while was_interrupted:
        moment += 3
        blocks = DiskBlocks(tmp_path / str(moment), 2 * KEPT_BYTES)
        for number in range(2):
            blocks.put(key(number), noise(number))
        try:
            with interrupted_at(moment):
                blocks.put(key(2), noise(2))
            was_interrupted = False
        except KeyboardInterrupt:
            pass
        other = threading.Thread(target=blocks.put, args=(key(3), noise(3)), daemon=True)
        other.start()
        other.join(20)
        assert not other.is_alive(), f"locked after an interrupt at place {moment}"
        assert blocks.nbytes <= 2 * KEPT_BYTES
        for number in range(4):
            found = blocks.get(key(number), SHAPE, DTYPE)
            assert found is None or (found == noise(number)).all()
    assert moment > 10


def test_unfinished_files_of_a_killed_process_go_after_an_hour(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 1 << 20)
    old, new = (tmp_path / "ab" / f"{name}.0.part" for name in ("old", "new"))
    old.parent.mkdir()
    for path in (old, new):
        path.write_bytes(bytes(10))
    os.utime(old, (0, 0))
    blocks.put(key(1), noise(1))
    assert (old.exists(), new.exists()) == (False, True)


WRITER = """
import sys
import numpy as np
from pathlib import Path
from pyvolume.caching.disk import DiskBlocks
blocks = DiskBlocks(Path(sys.argv[1]), 1 << 23)
number = 0
while True:
    block = np.full((1, 64, 64, 64), number, "uint32") ^ np.arange(64**3, dtype="uint32").reshape(1, 64, 64, 64)
    blocks.put(("voxels", (number % 50,)), np.asfortranarray(block))
    if number == 5:
        print("busy", flush=True)
    number += 1
"""


def test_processes_that_are_killed_leave_whole_blocks_only(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    ramp = np.arange(64**3, dtype="uint32").reshape(1, 64, 64, 64)
    blocks, seen = DiskBlocks(tmp_path, 1 << 23), 0
    for place in range(50):
        found = blocks.get(("voxels", (place,)), (1, 64, 64, 64), np.dtype("uint32"))
        if found is not None:
            seen += 1
            numbers = np.unique(found ^ ramp)
            assert numbers.size == 1
            assert numbers[0] % 50 == place
    assert seen


def test_a_cluster_is_the_least_that_a_file_counts(tmp_path: Path) -> None:
    blocks = DiskBlocks(tmp_path, 1 << 20)
    blocks.put(key(1), np.zeros(SHAPE, DTYPE))
    assert blocks.nbytes == CLUSTER
