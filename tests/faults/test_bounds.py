"""What a handle knows of the bounds after writes that fail, hang or are answered late."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conformance_stores import in_pieces, ramp
from interrupts import CtrlC
from watched_store import WatchedStore

import pyvolume
from mockserver import Fault, MockServer
from pyvolume import Box
from pyvolume.errors import StoreError

BLOCK = 16
LENGTH = 6 * BLOCK
ARRAY = ramp((1, BLOCK, BLOCK, LENGTH), "uint16")


@pytest.fixture
def volume(connection: pyvolume.Connection) -> pyvolume.dvid.VoxelsAccessor:
    """Give a volume of one block, whose pieces are single blocks."""
    repo = pyvolume.dvid.Server(connection).create_repo("bounds")
    volume = repo.create_volume("grows", None, "uint16", block_shape=(BLOCK,) * 3)
    volume[:, :BLOCK, :BLOCK, :BLOCK] = 1
    return in_pieces(volume, BLOCK**3 * 2, 1)


def present(volume: pyvolume.dvid.VoxelsAccessor) -> Box:
    """Return what the server says."""
    return volume.version.volume(volume.name).bounds


def holds_what_is_stored(volume: pyvolume.dvid.VoxelsAccessor) -> bool:
    """Whether the bounds hold what the server has, when the writes have ended that `write_many` has begun.

    It cancels them after the error of another one, and nobody knows whether they are stored.
    """
    end = time.monotonic() + 10
    while not (held := volume.bounds.contains(present(volume))) and time.monotonic() < end:
        time.sleep(0.02)
    return held


WRITES: dict[str, Callable[[pyvolume.Volume], Any]] = {
    "an assignment": lambda volume: volume.__setitem__(np.s_[:, :BLOCK, :BLOCK, :LENGTH], ARRAY),
    "write": lambda volume: volume.write(Box((0, 0, 0, 0), ARRAY.shape), ARRAY),
    "write_many": lambda volume: volume.write_many(
        (Box((0, 0, 0, z), (1, BLOCK, BLOCK, z + BLOCK)), ARRAY[..., z : z + BLOCK]) for z in range(0, LENGTH, BLOCK)
    ),
    "copy": lambda volume: pyvolume.copy(ARRAY, volume, concurrency=1),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_is_refused_on_its_way(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor, write: Callable[[pyvolume.Volume], Any]
) -> None:
    path = f".*/grows/raw/0_1_2/.*/0_0_{3 * BLOCK}"
    server.faults.add(Fault("error", None, "POST", path, status=400, text="no room (/api)."))
    with pytest.raises(StoreError, match="no room"):
        write(volume)
    assert holds_what_is_stored(volume)
    assert volume.bounds == present(volume) or write is WRITES["write_many"]
    server.faults.clear()
    write(volume)
    np.testing.assert_array_equal(np.asarray(volume), ARRAY, strict=True)
    assert volume.bounds == present(volume)


def test_a_write_whose_answer_is_lost(server: MockServer, volume: pyvolume.dvid.VoxelsAccessor) -> None:
    server.faults.add(Fault("lost", None, "POST", f".*/grows/raw/0_1_2/.*/0_0_{3 * BLOCK}"))
    with pytest.raises(StoreError):
        volume.write(Box((0, 0, 0, 0), ARRAY.shape), ARRAY)
    assert volume.bounds == present(volume) == Box((0, 0, 0, 0), (1, BLOCK, BLOCK, 4 * BLOCK))


def test_ctrl_c_leaves_the_bounds_of_what_was_stored() -> None:
    press = CtrlC()

    def before(method: str, box: Box) -> None:
        if method == "write" and box.start[1] == 3 * BLOCK:
            press()

    store = WatchedStore(np.zeros((1, BLOCK), "uint8"), (BLOCK,), growable=True, max_write_bytes=BLOCK, before=before)
    volume = store.volume()
    with pytest.raises(KeyboardInterrupt):
        volume[:, :LENGTH] = 1
    written = store.stored().shape[1]
    assert volume.shape[1] >= written
    assert (volume[:, :written] == 1).all()


def test_threads_leave_the_union_while_answers_are_late(
    server: MockServer, volume: pyvolume.dvid.VoxelsAccessor
) -> None:
    server.faults.add(Fault("slow", None, "GET", ".*/grows/metadata", pause=0.01))

    def write(number: int) -> None:
        at = number * BLOCK
        volume[:, :BLOCK, :BLOCK, at : at + BLOCK] = number
        volume.refresh()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(1, 13)))
    assert volume.bounds == present(volume) == Box((0, 0, 0, 0), (1, BLOCK, BLOCK, 13 * BLOCK))
