"""The messages in which DVID tells the index of bodies, and bodies in blocks."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from pyvolume.dvid.labels.index import place_of, read_indices
from pyvolume.dvid.labels.sparse import blocks_to_runs
from pyvolume.dvid.labels.written import MOST_BOXES, Written
from pyvolume.model.box import Box

# what a real DVID answered for the bodies 5 and 77, after 16³ voxels of 5 were written at (-16, 16, -32)
RECORDED = b"\n\x17\n\x13\x08\x81\x80\xc0\x81\x80\x80\x82\x80@\x12\x07\n\x05\x08\x05\x10\x80 \x10\x05\n\x02\x10M"


def test_the_counts_of_a_block_are_read() -> None:
    place = (-1, 1, -2)
    assert read_indices(RECORDED, {place}) == {(5, place): {5: 4096}}
    assert read_indices(RECORDED, {(0, 0, 0)}) == {}
    assert read_indices(b"", {place}) == {}


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (1 << 21, (0, 1, 0)),
        (1 << 42, (0, 0, 1)),
        (1 << 20 | 3, (-3, 0, 0)),
        (1 << 62 | 7 << 42 | 1 << 41 | 5 << 21 | 0xFFFFF, (0xFFFFF, -5, -7)),
    ],
)
def test_a_block_is_a_number_with_signs(key: int, place: tuple[int, int, int]) -> None:
    assert place_of(key) == place


@pytest.mark.parametrize("cut", [1, 2, 5, len(RECORDED) - 1])
def test_a_message_that_is_cut_short_is_refused(cut: int) -> None:
    with pytest.raises((ValueError, IndexError)):
        read_indices(RECORDED[:cut], {(-1, 1, -2)})


@pytest.mark.parametrize("data", [b"\x0d\0\0\0\0", b"\x08\x01", b"\n\x02\n\x00\x0b", b"\xff" * 20])
def test_another_message_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        read_indices(data, {(0, 0, 0)})


HEAD = struct.pack("<3IQ", 2, 1, 1, 9)


def block(place: tuple[int, int, int], flag: int, data: bytes = b"") -> bytes:
    return struct.pack("<3iB", *place, flag) + data


def test_blocks_become_runs() -> None:
    mask = np.zeros((16, 8, 8), bool)
    mask[9:12, 3, 4] = mask[15, 7, 7] = True
    bits = np.packbits(mask[8:].reshape(-1, order="F"), bitorder="little").tobytes()
    some = block((-16, 8, 0), 2, b"\1" + b"\2" + bits)
    whole = np.zeros((16, 8, 8), bool)
    whole[:8] = True
    whole |= mask
    data = HEAD + some + block((16, 0, -8), 1) + block((32, 0, 0), 0)
    found = {tuple(run) for run in blocks_to_runs(data).tolist()}
    expected = {(16, y, z, 16) for y in range(8) for z in range(-8, 0)}
    for y, z in np.ndindex(8, 8):
        row = whole[:, y, z].astype(int)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]])))
        expected |= {(int(a) - 16, y + 8, z, int(b - a)) for a, b in edges.reshape(-1, 2)}
    assert found == expected
    assert not len(blocks_to_runs(b""))


@pytest.mark.parametrize(
    "data",
    [
        HEAD[:10],
        HEAD + block((0, 0, 0), 1)[:9],
        HEAD + block((0, 0, 0), 3),
        HEAD + block((0, 0, 0), 2),
        HEAD + block((0, 0, 0), 2, b"\1\5"),
        HEAD + block((0, 0, 0), 2, b"\1\2" + bytes(63)),
        struct.pack("<3IQ", 0, 1, 1, 9),
        struct.pack("<3IQ", 1 << 20, 1 << 20, 1 << 20, 9) + block((0, 0, 0), 1),
    ],
)
def test_broken_blocks_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"block|byte"):
        blocks_to_runs(data)


def test_many_written_boxes_become_one() -> None:
    written = Written()
    for number in range(MOST_BOXES + 1):
        written.add(Box((0, number, 0, 0), (1, number + 1, 1, 1)))
    assert written.boxes() == [Box((0, 0, 0, 0), (1, MOST_BOXES + 1, 1, 1))]
    written.forget(written.boxes())
    assert written.boxes() == []
