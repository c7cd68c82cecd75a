"""The codec of native label blocks: against one that goes voxel by voxel, records of DVID, and broken blocks."""

from __future__ import annotations

import gzip
import itertools
import random
import struct
import tracemalloc
from typing import Any

import label_blocks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from recorded_bodies import body_of

from pyvolume.dvid.labels import blocks

LABELS = st.one_of(st.integers(0, 3), st.integers(0, (1 << 64) - 1))
GRIDS = st.tuples(*[st.integers(1, 3)] * 3)
COUNTS = st.one_of(st.integers(0, 5), st.sampled_from([8, 9, 255, 256, 257, 511, 512]))


def decoded(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    out = np.full(shape, 0xDEAD, np.uint64, order="F")
    blocks.decode(data, out)
    return out


@st.composite
def drawn_blocks(draw: Any) -> label_blocks.Drawn:
    grid = draw(GRIDS)
    table = draw(st.lists(LABELS, min_size=2, max_size=9))
    counts = draw(st.lists(COUNTS, min_size=int(np.prod(grid)), max_size=int(np.prod(grid))))
    return label_blocks.draw(grid, table, counts, draw(st.integers(0, 1 << 32)))


@settings(max_examples=60)
@given(drawn_blocks())
def test_any_block_is_decoded(drawn: label_blocks.Drawn) -> None:
    np.testing.assert_array_equal(decoded(drawn.data, drawn.voxels.shape), drawn.voxels, strict=True)


@settings(max_examples=60)
@given(drawn_blocks())
def test_any_voxels_are_encoded(drawn: label_blocks.Drawn) -> None:
    encoded = blocks.encode(drawn.voxels)
    np.testing.assert_array_equal(label_blocks.read(encoded), drawn.voxels, strict=True)
    np.testing.assert_array_equal(decoded(encoded, drawn.voxels.shape), drawn.voxels, strict=True)


def made(kind: str, shape: tuple[int, int, int]) -> NDArray[np.uint64]:
    voxels = np.zeros(shape, np.uint64)
    x, y, z = np.indices(shape) // 8
    if kind == "solid":
        voxels[...] = (1 << 64) - 1
    elif kind == "two labels":
        voxels[...] = np.random.default_rng(0).choice(np.array([5, 1 << 63], np.uint64), shape)
    elif kind == "512 labels":
        voxels[...] = np.arange(voxels.size, dtype=np.uint64).reshape(shape) % 512
    elif kind == "a label for each voxel":
        voxels[...] = np.random.default_rng(0).permutation(voxels.size).reshape(shape)
    elif kind == "a label for each sub-block":
        voxels[...] = x + 100 * y + 10_000 * z
    elif kind == "one voxel":
        voxels[-1, 0, 0] = 5
    return voxels


KINDS = [
    "zeros",
    "solid",
    "two labels",
    "512 labels",
    "a label for each voxel",
    "a label for each sub-block",
    "one voxel",
]


SHAPES = [(16, 16, 16), (32, 16, 64), (64, 64, 64), (24, 40, 8), (128, 128, 128), (16, 256, 144)]
ROUND_TRIPS = [
    pair
    for pair in itertools.product(KINDS, SHAPES)
    if pair != ("a label for each voxel", (128, 128, 128))  # two million labels tell no more than half a million
]


@pytest.mark.parametrize(("kind", "shape"), ROUND_TRIPS)
def test_a_round_trip(kind: str, shape: tuple[int, int, int]) -> None:
    voxels = made(kind, shape)
    np.testing.assert_array_equal(decoded(blocks.encode(voxels), shape), voxels, strict=True)


@pytest.mark.parametrize("kind", ["zeros", "solid"])
def test_one_label_takes_24_bytes(kind: str) -> None:
    voxels = made(kind, (64, 64, 64))
    assert blocks.encode(voxels) == struct.pack("<4IQ", 8, 8, 8, 1, int(voxels[0, 0, 0]))


@pytest.mark.parametrize("count", [*range(1, 70), 100, 127, 128, 129, 255, 256, 257, 511, 512])
def test_each_number_of_labels_in_a_sub_block(count: int) -> None:
    voxels = np.random.default_rng(count).permutation(np.arange(1024, dtype=np.uint64) % count).reshape(16, 8, 8)
    encoded = blocks.encode(voxels)
    np.testing.assert_array_equal(label_blocks.read(encoded), voxels, strict=True)
    np.testing.assert_array_equal(decoded(encoded, voxels.shape), voxels, strict=True)


@pytest.mark.parametrize("together", [1, 5, 12])
def test_large_blocks_are_calculated_in_parts(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "TOGETHER", together)
    voxels = np.random.default_rng(1).integers(0, 9, (16, 24, 40)).astype(np.uint64) // 7
    encoded = blocks.encode(voxels)
    np.testing.assert_array_equal(label_blocks.read(encoded), voxels, strict=True)
    np.testing.assert_array_equal(decoded(encoded, voxels.shape), voxels, strict=True)


def in_memory(order: str, shape: tuple[int, int, int]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return an array, and a part of it in some memory order, between voxels that must stay."""
    whole = np.full([4 * n + 8 for n in shape], 99, np.uint64, order="F" if order != "C" else "C")
    if order == "stepped":
        return whole, whole[4:-4:4, 4 : 4 + 2 * shape[1] : 2, 4 : 4 + 3 * shape[2] : 3]
    part = whole[2 : 2 + shape[0], 3 : 3 + shape[1], 5 : 5 + shape[2]]
    return whole, part[::-1, :, ::-1] if order == "backwards" else part


@pytest.mark.parametrize("order", ["C", "F", "backwards", "stepped"])
def test_any_memory_order(order: str) -> None:
    shape = (16, 24, 32)
    voxels = made("two labels", shape)
    whole, out = in_memory(order, shape)
    blocks.decode(blocks.encode(voxels), out)
    np.testing.assert_array_equal(out, voxels)
    assert np.count_nonzero(whole != 99) == voxels.size
    assert blocks.encode(out) == blocks.encode(voxels)


def test_big_endian_voxels() -> None:
    voxels = made("a label for each voxel", (16, 16, 16))
    assert blocks.encode(voxels.astype(">u8")) == blocks.encode(voxels)


@pytest.mark.parametrize(
    "voxels",
    [np.zeros((16, 16, 16), "int64"), np.zeros((16, 16, 12), "uint64"), np.zeros((16, 16), "uint64"),
     np.zeros((0, 16, 16), "uint64"), np.broadcast_to(np.uint64(7), (1032, 8, 8))],
    ids=["dtype", "side", "axes", "empty", "long"],
)  # fmt: skip
def test_other_voxels_are_refused(voxels: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        blocks.encode(voxels)
    with pytest.raises(ValueError, match="expected"):
        blocks.decode(blocks.encode(np.zeros((16, 16, 16), "uint64")), voxels.copy())


BLOCK = label_blocks.draw((2, 2, 2), [0, 7, 9, 7], [0, 1, 2, 3, 4, 5, 9, 30], 1)
SHAPE = (16, 16, 16)


def test_a_block_that_is_cut_anywhere_is_refused() -> None:
    for size in range(len(BLOCK.data)):
        with pytest.raises(ValueError, match="expected"):
            decoded(BLOCK.data[:size], SHAPE)


@pytest.mark.parametrize("data", [BLOCK.data, blocks.encode(made("solid", SHAPE))], ids=["lists", "solid"])
def test_bytes_behind_the_end_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="bytes"):
        decoded(data + b"\0", SHAPE)


def changed(at: int, code: str, value: int) -> bytes:
    data = bytearray(BLOCK.data)
    struct.pack_into(code, data, at, value)
    return bytes(data)


COUNTS_AT = 16 + 4 * 8
INDICES_AT = COUNTS_AT + 8 * 2
BROKEN = {
    "no labels": changed(12, "<I", 0),
    "labels beyond the end": changed(12, "<I", 0xFFFFFFFF),
    "fewer labels": changed(12, "<I", 3),
    "one label": changed(12, "<I", 1),
    "no sub-blocks": changed(0, "<I", 0),
    "many sub-blocks": changed(0, "<I", 0xFFFFFFFF),
    "other sides": changed(4, "<I", 1),
    "513 labels in a sub-block": changed(COUNTS_AT, "<H", 513),
    "65535 labels in a sub-block": changed(COUNTS_AT, "<H", 65535),
    "one label more in a sub-block": changed(COUNTS_AT, "<H", 1),
    "an index behind the labels": changed(INDICES_AT, "<I", 4),
    "a high index": changed(INDICES_AT + 4, "<I", 0x80000000),
}


@pytest.mark.parametrize("data", list(BROKEN.values()), ids=list(BROKEN))
def test_broken_blocks_are_refused(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="expected"):
            decoded(data, SHAPE)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [3, 5, 9, 30, 257, 511])
def test_a_voxel_behind_the_list_of_its_sub_block_is_refused(count: int) -> None:
    data = bytearray(label_blocks.draw((1, 1, 1), [1, 2], [count], 1).data)
    data[-2:] = b"\xff\xff"
    with pytest.raises(ValueError, match="list"):
        decoded(bytes(data), (8, 8, 8))


def refused_or_decoded(data: bytes) -> None:
    out = np.zeros(SHAPE, np.uint64)
    try:
        blocks.decode(data, out)
    except ValueError:
        return
    np.testing.assert_array_equal(out, label_blocks.read(data))


@settings(max_examples=300)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_damage_is_refused_or_gives_voxels(chance: random.Random, number: int) -> None:
    data = bytearray(BLOCK.data)
    for _ in range(number):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    refused_or_decoded(bytes(data))


@given(st.integers(0, 4), st.binary(max_size=200))
def test_any_bytes_are_refused_or_give_voxels(number: int, data: bytes) -> None:
    refused_or_decoded(data)
    refused_or_decoded(struct.pack("<4I", 2, 2, 2, number) + data)


def recorded(name: str) -> dict[tuple[int, ...], bytes]:
    """Return the frames of a recorded answer, by the coordinates of the block."""
    data = body_of(name)
    frames = {}
    while data:
        *place, size = struct.unpack_from("<3iI", data)
        frames[tuple(place)] = data[16 : 16 + size]
        data = data[16 + size :]
    return frames


def test_recorded_blocks_hold_the_voxels_that_were_sent_uncompressed() -> None:
    import lz4.block

    native, voxels = recorded("label blocks native"), recorded("label blocks lz4")
    assert (set(native), set(voxels)) == ({(0, 0, 0), (1, 0, 0)}, {(0, 0, 0)})
    raw = lz4.block.decompress(voxels[0, 0, 0], uncompressed_size=8 * 64**3)
    expected = np.frombuffer(raw, "<u8").reshape(64, 64, 64, order="F")
    np.testing.assert_array_equal(decoded(gzip.decompress(native[0, 0, 0]), (64, 64, 64)), expected)


@pytest.mark.parametrize(
    "name", ["label blocks native, to copy", "blocks after merge, mapped", "blocks after merge, supervoxels"]
)
def test_recorded_blocks_are_decoded(name: str) -> None:
    for frame in recorded(name).values():
        data = gzip.decompress(frame)
        found = decoded(data, (64, 64, 64))
        np.testing.assert_array_equal(found, label_blocks.read(data))
        np.testing.assert_array_equal(decoded(blocks.encode(found), found.shape), found)
