"""Broken answers with labels: named errors, and right voxels once a server sends them."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterable
from typing import Any

import lz4.block
import numpy as np
import pytest
from label_stores import Labels, cubes
from scripted import ScriptedServer, answer, chunked

import pyvolume
from pyvolume import Box
from pyvolume.dvid import LabelVolume
from pyvolume.dvid.labels import blocks
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.errors import AnswerError, RefusedError, StoreError, TransportError

SIDE = 16
SHAPE = (1, 2 * SIDE, SIDE, SIDE)
ARRAY = cubes(SHAPE)
RAW = ARRAY.tobytes(order="F")
OCTETS = "Content-Type: application/octet-stream"

BASE = {"TypeName": "labelmap", "DataUUID": "d" * 32, "Versioned": True, "Compression": "gzip compression, level -1"}
VALUES = [{"DataType": "uint64", "Label": "labelmap"}]
POINTS = {"MinPoint": [0, 0, 0], "MaxPoint": [2 * SIDE - 1, SIDE - 1, SIDE - 1]}
EXTENDED = {"Values": VALUES, "BlockSize": [SIDE] * 3, "IndexedLabels": True, "MaxDownresLevel": 0, **POINTS}
AXES = [
    {"Label": label, "Resolution": 8, "Units": "nm", "Size": n, "Offset": 0}
    for label, n in zip("XYZ", SHAPE[1:], strict=True)
]
OPENED = [
    answer(json.dumps(document).encode(), "Content-Type: application/json")
    for document in ({"Base": BASE, "Extended": EXTENDED}, {"Axes": AXES, "Properties": EXTENDED})
]


def labels_of(server: ScriptedServer, **options: Any) -> LabelVolume:
    """Open the volume that the first two answers of a server describe."""
    policy = pyvolume.RetryPolicy(patience=5, interval=0.001, max_interval=0.002)
    connection = pyvolume.Connection(server.url, retry=policy, timeout=(5, 5))
    return LabelVolume(connection, Uuid("a" * 32), "seg", owns_connection=True, **options)


def octets(body: bytes) -> bytes:
    return chunked(body, OCTETS)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def native(array: Labels) -> bytes:
    return packed(blocks.encode(array))


def frame(place: tuple[int, int, int], data: bytes, length: int | None = None) -> bytes:
    return struct.pack("<3iI", *place, len(data) if length is None else length) + data


LEFT, RIGHT = (native(ARRAY[0, start : start + SIDE]) for start in (0, SIDE))
FRAMES = [frame((0, 0, 0), LEFT), frame((1, 0, 0), RIGHT)]
LZ4 = lz4.block.compress(RAW, store_size=False)
GZIP = packed(RAW)

GOOD = {"lz4": LZ4, "gzip": GZIP, "none": RAW, "blocks": b"".join(FRAMES)}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def google(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


HEADS = [2 * 16 | 0 << 24, 0] * 16
BROKEN: list[tuple[str, bytes]] = [
    ("lz4", b""),
    ("lz4", LZ4[: len(LZ4) // 2]),
    ("lz4", LZ4 + b"0"),
    ("lz4", flipped(LZ4, 0)),
    ("lz4", lz4.block.compress(RAW[:-8], store_size=False)),
    ("lz4", lz4.block.compress(RAW + RAW, store_size=False)),
    ("lz4", lz4.block.compress(RAW)),
    ("lz4", bytes(2 * len(RAW))),
    ("gzip", b""),
    ("gzip", GZIP[: len(GZIP) // 2]),
    ("gzip", GZIP[:-4]),
    ("gzip", GZIP + b"0"),
    ("gzip", GZIP + GZIP),
    ("gzip", flipped(GZIP, len(GZIP) // 2)),
    ("gzip", flipped(GZIP, len(GZIP) - 6)),
    ("gzip", packed(RAW[:-1])),
    ("gzip", packed(RAW + b"0")),
    ("gzip", RAW),
    ("none", RAW[:-1]),
    ("none", RAW + b"0"),
    ("google", b""),
    ("google", google(1, *HEADS)),
    ("google", google(2, *HEADS, *[0] * 8)),
    ("google", google(1, *[0xFFFFFF, 0] * 16, *[0] * 8)),
    ("google", google(1, *[32 | 16 << 24, 0xFFFFFFF0] * 16, *[0] * 8)),
    ("google", google(1, *[32 | 32 << 24, 0] * 16, *[0] * 9000)),
    ("google", google(1, *[32 | 3 << 24, 0] * 16, *[0] * 9000)),
    ("google", google(1, *HEADS, *[0] * 8) + b"0"),
    ("google", bytes(1 << 20)),
    ("blocks", FRAMES[0][:10]),
    ("blocks", FRAMES[0] + FRAMES[1][:10]),
    ("blocks", b"".join(FRAMES)[:-3]),
    ("blocks", frame((0, 0, 0), LEFT, len(LEFT) + 7) + FRAMES[1]),
    ("blocks", frame((0, 0, 0), LEFT, len(LEFT) - 1) + FRAMES[1]),
    ("blocks", frame((0, 0, 0), LEFT, 0xFFFFFFFF) + FRAMES[1]),
    ("blocks", FRAMES[0] + FRAMES[0]),
    ("blocks", frame((2, 0, 0), LEFT)),
    ("blocks", frame((0, -1, 0), LEFT)),
    ("blocks", frame((0, 0, 0), b"")),
    ("blocks", frame((0, 0, 0), blocks.encode(ARRAY[0, :SIDE]))),
    ("blocks", frame((0, 0, 0), packed(b"nothing"))),
    ("blocks", frame((0, 0, 0), native(ARRAY[0]))),
    ("blocks", frame((0, 0, 0), packed(blocks.encode(ARRAY[0, :SIDE])[:-1]))),
    ("blocks", frame((0, 0, 0), packed(bytes(1 << 24)))),
]
broken_ones = pytest.mark.parametrize(("compression", "body"), BROKEN, ids=range(len(BROKEN)))


@broken_ones
def test_a_broken_body_is_an_error_that_says_so(compression: Any, body: bytes) -> None:
    with ScriptedServer([*OPENED, octets(body), octets(body)]) as server:
        with labels_of(server, compression=compression) as volume, pytest.raises(AnswerError) as caught:
            volume.read(Box((0,) * 4, SHAPE))
        assert "read voxels" in str(caught.value)
        assert len(str(caught.value)) < 1000
        assert len(server.heads) == 4


REPEATED = [pair for pair in BROKEN if pair[0] in GOOD]


@pytest.mark.parametrize(("compression", "body"), REPEATED, ids=range(len(REPEATED)))
def test_a_broken_body_is_asked_for_again_once(compression: Any, body: bytes) -> None:
    out = np.ones(SHAPE, "uint64", order="F")
    answers = [*OPENED, octets(body), octets(GOOD[compression])]
    with ScriptedServer(answers) as server, labels_of(server, compression=compression) as volume:
        np.testing.assert_array_equal(volume.read(Box((0,) * 4, SHAPE), out), ARRAY, strict=True)


@pytest.mark.parametrize("compression", ["lz4", "gzip", "google", "blocks"])
def test_a_page_is_no_body(compression: Any) -> None:
    page = answer(b"<html>", "Content-Type: text/html")
    with (
        ScriptedServer([*OPENED, page, page]) as server,
        labels_of(server, compression=compression) as volume,
        pytest.raises(AnswerError, match="text/html"),
    ):
        volume.read(Box((0,) * 4, SHAPE))


@pytest.mark.parametrize("compression", GOOD)
def test_a_connection_that_breaks_is_asked_again(compression: Any) -> None:
    body = GOOD[compression]
    cut = octets(body)[: -len(body) // 2]
    answers: Iterable[bytes] = [*OPENED, cut, octets(body)]
    with ScriptedServer(answers, closing=[2]) as server, labels_of(server, compression=compression) as volume:
        np.testing.assert_array_equal(volume.read(Box((0,) * 4, SHAPE)), ARRAY, strict=True)


@pytest.mark.parametrize("compression", GOOD)
def test_a_connection_that_always_breaks_is_an_error(compression: Any) -> None:
    cut = octets(GOOD[compression])[:-20]
    with ScriptedServer([*OPENED, *[cut] * 2000], closing=range(2, 2002)) as server:
        volume = labels_of(server, compression=compression)
        quick = pyvolume.Volume(volume.store, volume.metadata, retry=pyvolume.RetryPolicy(patience=0))
        with pytest.raises(TransportError):
            quick.read(Box((0,) * 4, SHAPE))
        volume.close()


@pytest.mark.parametrize("order", [[0, 1], [1, 0], [1], [0], []])
def test_blocks_come_in_any_order_and_those_that_are_not_stored_are_zero(order: list[int]) -> None:
    body = b"".join(FRAMES[number] for number in order)
    expected = np.zeros_like(ARRAY)
    for number in order:
        place = np.s_[:, number * SIDE : (number + 1) * SIDE]
        expected[place] = ARRAY[place]
    for out in (np.ones(SHAPE, "uint64"), np.ones(SHAPE, "uint64", order="F")):
        with ScriptedServer([*OPENED, octets(body)]) as server, labels_of(server, compression="blocks") as volume:
            np.testing.assert_array_equal(volume.read(Box((0,) * 4, SHAPE), out), expected, strict=True)


BLOCK = Box((0,) * 4, (1, SIDE, SIDE, SIDE))
PANIC = b"Panic detected on request vm/1:\nruntime error: invalid memory address or nil pointer dereference\nIP: 1\n"
STUMBLES = [(500, PANIC, "none"), (400, b"unable to get label block (0, 0, 0) (/api/x).\n", "lz4")]


def refused(status: int, text: bytes) -> bytes:
    return answer(text, "Content-Type: text/plain", status=f"{status} X")


@pytest.mark.parametrize(("status", "text", "compression"), STUMBLES)
@pytest.mark.parametrize("stored", [True, False])
def test_a_block_over_which_the_server_stumbles_is_asked_for_in_another_way(
    status: int, text: bytes, compression: Any, stored: bool
) -> None:
    plain = ARRAY[0, :SIDE].tobytes(order="F")
    body = frame((0, 0, 0), plain) if stored else b""
    with ScriptedServer([*OPENED, refused(status, text), octets(body)]) as server:
        with labels_of(server, compression=compression) as volume:
            expected = ARRAY[:, :SIDE] if stored else np.zeros((1, SIDE, SIDE, SIDE), "uint64")
            np.testing.assert_array_equal(volume.read(BLOCK), expected, strict=True)
        assert "/blocks/16_16_16/0_0_0?compression=uncompressed" in server.heads[-1]


OTHERS = [
    (Box((0, 1, 0, 0), (1, 17, 16, 16)), *STUMBLES[0]),
    (Box((0, 0, 0, 0), (1, 16, 16, 15)), *STUMBLES[1]),
    (Box((0,) * 4, SHAPE), *STUMBLES[0]),
    (BLOCK, 500, b"Panic detected on request vm/1:\nruntime error: index out of range [-1]\n", "none"),
    (BLOCK, 400, PANIC, "none"),
    (BLOCK, 500, b"unable to get label block (0, 0, 0)", "lz4"),
    (BLOCK, 400, b"no", "lz4"),
]


@pytest.mark.parametrize(("box", "status", "text", "compression"), OTHERS)
def test_other_refusals_are_errors(box: Box, status: int, text: bytes, compression: Any) -> None:
    with ScriptedServer([*OPENED, refused(status, text)]) as server:
        with labels_of(server, compression=compression) as volume, pytest.raises(RefusedError) as caught:
            volume.read(box)
        assert (caught.value.status, len(server.heads)) == (status, 3)


WRONG = [refused(400, b"no"), octets(frame((1, 0, 0), RAW[: SIDE**3 * 8])), octets(frame((0, 0, 0), RAW[:77]))]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_block_that_cannot_be_asked_for_in_another_way_is_the_first_error(wrong: bytes) -> None:
    status, text, compression = STUMBLES[1]
    options: Any = {"compression": compression}
    with ScriptedServer([*OPENED, refused(status, text), wrong, wrong]) as server:
        with labels_of(server, **options) as volume, pytest.raises(StoreError, match="unable to get") as caught:
            volume.read(BLOCK)
        assert isinstance(caught.value, RefusedError)
