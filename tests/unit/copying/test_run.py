"""How a copy is cut into pieces, and how many of them move at once."""

from __future__ import annotations

import functools
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
from pyvolume.calls.holds import AUTO, MOST, Lanes
from pyvolume.calls.pace import Pace
from pyvolume.calls.processes import OfProcess
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


def slots_at(number: int, rate: float) -> Lanes:
    """Return slots of a line that is known: how many requests it serves, and what each brings in a second."""
    lanes = Lanes(AUTO)
    for slots in (lanes.reads, lanes.writes):
        slots._paces = OfProcess(functools.partial(Pace, MOST, first=number))
        assert slots.pace is not None
        slots.pace.rate = rate
    return lanes


@pytest.mark.parametrize(
    ("lanes", "concurrency", "parts"),
    [
        (Lanes(64), None, 4),
        (Lanes(10), None, 1),
        (Lanes(64), 2, 1),
        (slots_at(64, 8e6), None, 4),
        (slots_at(64, 50e6), None, 2),
        (slots_at(64, 400e6), None, 1),
        (slots_at(8, 8e6), None, 1),
    ],
    ids=["64", "10", "64, the user says 2", "far", "near", "fast", "few"],
)
def test_few_pieces_fill_the_slots_by_several_requests_each(lanes: Lanes, concurrency: int | None, parts: int) -> None:
    given, taken = two_pieces(lanes)
    pyvolume.copy(given.volume(), taken.volume(), concurrency=concurrency)
    np.testing.assert_array_equal(taken.stored(), given.stored())
    assert len(given.reads) == len(taken.writes) == 2 * parts
    assert not any(n % 64 for each in taken.writes for n in (*each.start[1:], *each.stop[1:]))


def test_the_edge_of_a_box_is_completed_in_each_part() -> None:
    given, taken = two_pieces(Lanes(64))
    box = Box((0, 3, 5, 7), (1, 128, 120, 509))
    pyvolume.copy(given.volume(), taken.volume(), box)
    wanted = box.slices_from((0,) * 4)
    np.testing.assert_array_equal(taken.stored()[wanted], given.stored()[wanted])
    assert np.count_nonzero(taken.stored()) == box.size


def two_pieces(lanes: Lanes) -> tuple[WatchedStore, WatchedStore]:
    """Return a source of two pieces, and a destination that has zeros."""
    voxels = np.arange(1, 1 + (8 << 20), dtype="uint32").astype("uint8").reshape(1, 128, 128, 512) | 1
    stores = [WatchedStore(each, (64, 64, 64), preferred_concurrency=64) for each in (voxels, np.zeros_like(voxels))]
    for store in stores:
        vars(store)["lanes"] = lanes
    return stores[0], stores[1]


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
