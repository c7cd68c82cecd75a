"""How many boxes are moved at once, where a box sends a request for each chunk that it touches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from watched_store import WatchedStore

from pyvolume import Box
from pyvolume.stores.base import HELD_BYTES
from pyvolume.transfer.room import Room

SLOTS, PIECES = 64, 7
ARRAY = np.zeros((1, 64, 64), "uint8")
CHUNK, SHARD = (1, 4, 4), (1, 16, 16)


def room_of(*boxes: Box, given: int = SLOTS, write: bool = False, itemsize: int = 1, **traits: Any) -> int:
    traits = {"preferred_concurrency": PIECES, "request_chunks": CHUNK, "chunks": SHARD, **traits}
    store: Any = WatchedStore(ARRAY, **traits)
    slots = SimpleNamespace(room=given, soon=given, rate=0.0, count=SLOTS)
    store.lanes = SimpleNamespace(is_learnt=True, of=lambda **_: slots)
    room = Room(store, write=write, itemsize=itemsize)
    for box in boxes:
        room.add(box)
    return room()


def box(width: int, start: int = 0) -> Box:
    return Box((0, start, 0), (1, start + width, 1))


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([box(1)], 64),
        ([box(4)], 64),
        ([box(4, 2)], 32),
        ([box(16)], 16),
        ([box(4), box(16), box(4)], 16),
        ([box(64)], PIECES),
        ([box(0)], PIECES),
        ([], PIECES),
        ([Box((0, 0), (1, 1))], PIECES),
    ],
    ids=["a voxel", "a chunk", "two chunks", "four chunks", "the largest", "many chunks", "none", "nothing", "no box"],
)
def test_boxes_of_few_chunks_fill_the_slots(boxes: list[Box], expected: int) -> None:
    assert room_of(*boxes) == expected


def test_there_are_no_more_than_slots() -> None:
    assert room_of(box(1), given=4) == 4


def test_a_write_stores_whole_chunks() -> None:
    assert room_of(box(16), write=True) == 64


@pytest.mark.parametrize(("write", "expected"), [(False, 16), (True, PIECES)])
def test_the_chunks_of_all_boxes_fit_into_memory(write: bool, expected: int) -> None:
    cell = HELD_BYTES // 16 // 16  # bytes of a voxel: a read holds a chunk of 16, a write one of 256
    assert room_of(box(1), write=write, itemsize=cell) == expected


@pytest.mark.parametrize("write", [False, True])
def test_without_chunks_a_box_is_a_request(write: bool) -> None:
    assert room_of(box(1), write=write, request_chunks=()) == PIECES
