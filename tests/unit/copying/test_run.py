"""How a copy is cut into pieces, and how many of them move at once."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated_store import GeneratedStore
from watched_store import WatchedStore

import pyvolume
from pyvolume import Box
from pyvolume.calls.holds import Lanes
from pyvolume.copying.run import HELD_BYTES, PIECE_BYTES
from pyvolume.errors import StoreError

MIB = 1 << 20
LONG = 20.0


class Meeting:
    """Lets requests wait until so many are there at once; each request of a method counts."""

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number, timeout=LONG)
        self._lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, method: str, box: Box) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self._barrier.wait()
        with self._lock:
            self.now -= 1


def store_of(
    shape: tuple[int, ...], concurrency: int | None, before: Callable[[str, Box], object] | None = None
) -> WatchedStore:
    traits: dict[str, Any] = {"piece_bytes": (64, 64), "preferred_concurrency": concurrency}
    return WatchedStore(np.zeros(shape, "uint8"), (4, 4, 4), before=before, **traits)


@pytest.mark.parametrize(("source", "destination", "expected"), [(4, 4, 8), (2, 3, 5), (None, 3, 3), (2, None, 2)])
def test_there_is_a_thread_for_each_request_of_both_sides(
    source: int | None, destination: int | None, expected: int
) -> None:
    meeting = Meeting(expected)
    given = store_of((1, 8, 8, 4 * expected), source, meeting)
    pyvolume.copy(given.volume(), store_of((1, 8, 8, 4 * expected), destination).volume())
    assert meeting.most == expected


@pytest.mark.parametrize(("source", "destination"), [(1, 4), (4, 1), (1, 1), (None, None)])
def test_a_store_that_wants_one_request_at_a_time_gets_one(source: int | None, destination: int | None) -> None:
    meeting = Meeting(1)
    given = store_of((1, 8, 8, 32), source, meeting)
    pyvolume.copy(given.volume(), store_of((1, 8, 8, 32), destination, meeting).volume())
    assert meeting.most == 1


def test_two_sides_of_one_connection_share_its_requests() -> None:
    lanes, meeting = Lanes(3), Meeting(3)
    given, taken = store_of((1, 8, 8, 36), 3, meeting), store_of((1, 8, 8, 36), 3)
    vars(given)["lanes"] = vars(taken)["lanes"] = lanes
    pyvolume.copy(given.volume(), taken.volume())
    assert meeting.most == 3


def test_one_request_at_a_time_on_one_connection_leaves_those_of_the_other() -> None:
    meeting = Meeting(4)
    given, taken = store_of((1, 8, 8, 48), 3, meeting), store_of((1, 8, 8, 48), 1)
    vars(given)["lanes"], vars(taken)["lanes"] = Lanes(3), Lanes(1)
    pyvolume.copy(given.volume(), taken.volume())
    assert meeting.most == 4


@pytest.mark.parametrize("verify", [False, True])
def test_a_copy_holds_little_memory_however_many_requests_its_sides_serve(verify: bool) -> None:
    source, box = GeneratedStore(64), Box((0,) * 4, (1, 512, 512, 256))
    destination = WatchedStore(np.zeros(box.shape, "uint8"), (64, 64, 64), preferred_concurrency=64)
    tracemalloc.start()
    try:
        pyvolume.copy(source.volume(), destination.volume(), box, verify=verify)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(written.size for written in destination.writes) == PIECE_BYTES[0]
    assert peak <= HELD_BYTES + 16 * MIB
    assert (destination.stored() == source.volume().read(box)).all()


@pytest.mark.parametrize(("given", "taken"), [((8, 8, 8), (4, 4, 4)), ((4, 4, 4), (8, 8, 8)), ((8, 2, 16), (4, 4, 4))])
def test_no_block_of_either_side_is_in_two_pieces(given: tuple[int, ...], taken: tuple[int, ...]) -> None:
    voxels = np.random.default_rng(0).integers(0, 200, (1, 32, 32, 32), "uint8")
    source = WatchedStore(voxels, given)
    destination = WatchedStore(np.zeros_like(voxels), taken, piece_bytes=(64, 64))
    pyvolume.copy(source.volume(), destination.volume())
    np.testing.assert_array_equal(destination.stored(), voxels)
    for blocks, boxes in ((taken, destination.writes), (given, source.reads)):
        if all(a % b == 0 for a, b in zip(given, taken, strict=True)) or blocks == taken:
            faces = [
                n % side
                for box in boxes
                for at in (box.start, box.stop)
                for n, side in zip(at[1:], blocks, strict=True)
            ]
            assert not any(faces)


def test_pieces_of_a_huge_copy_are_larger(tmp_path: Path) -> None:
    source = GeneratedStore(4, side=1 << 14)
    destination = WatchedStore(np.zeros((1, 64, 64, 64), "uint8"), (64, 64, 64), before=refused, growable=True)
    with pytest.raises(StoreError):
        pyvolume.copy(source.volume(), destination.volume(), concurrency=1, resume=tmp_path / "journal")
    assert PIECE_BYTES[0] < destination.writes[0].size <= PIECE_BYTES[1]


def refused(method: str, box: Box) -> None:
    if method == "write":
        raise StoreError("no")
