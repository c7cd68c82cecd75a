"""The formats of labels, against the recorded blocks and back."""

from __future__ import annotations

import json
import struct
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mockserver.dvid.model.labels.pyramid import halve
from mockserver.dvid.wire.labels import google, native, sparse
from mockserver.http.messages import Panic, Refused

RECORDED = Path(__file__).parents[2] / "contract" / "dvid.jsonl"

Voxels = NDArray[np.uint64]


def row(name: str) -> dict[str, Any]:
    rows = map(json.loads, RECORDED.read_text().splitlines())
    found: dict[str, Any] = next(each for each in rows if each["name"] == name)
    return found


def body(packed: dict[str, Any]) -> bytes:
    return zlib.decompress(b64decode(packed["zlib64"]))


@pytest.fixture(scope="module")
def written() -> Voxels:
    return np.frombuffer(body(row("write labels")["request"]["body"]), "<u8").reshape((128, 64, 64), order="F")


def test_recorded_blocks_hold_the_voxels_that_were_written(written: Voxels) -> None:
    stream, at, cells = body(row("label blocks native")["response"]["body"]), 0, set()
    while at < len(stream):
        x, y, z, size = struct.unpack_from("<3iI", stream, at)
        block = native.decode(zlib.decompress(stream[at + 16 : at + 16 + size], wbits=31))
        np.testing.assert_array_equal(block.voxels, written[64 * x : 64 * x + 64, :64, :64], strict=True)
        cells.add((x, y, z))
        at += 16 + size
    assert cells == {(0, 0, 0), (1, 0, 0)}


def test_the_format_of_neuroglancer_is_that_of_the_server_to_the_byte(written: Voxels) -> None:
    assert google.encode(written[:64]) == body(row("read labels google")["response"]["body"])


@st.composite
def blocks(draw: st.DrawFn) -> Voxels:
    shape = draw(st.tuples(*[st.sampled_from([8, 16, 24])] * 3))
    count = draw(st.sampled_from([1, 2, 3, 5, 9, 100, 600]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    table = rng.integers(0, 2**64, count, np.uint64)
    return np.asfortranarray(table[rng.integers(0, count, shape)])


@settings(deadline=None)
@given(voxels=blocks())
def test_blocks_come_back_as_they_were(voxels: Voxels) -> None:
    block = native.decode(native.encode(voxels))
    np.testing.assert_array_equal(block.voxels, voxels, strict=True)
    assert not block.gaps


def test_a_sub_block_without_a_label_is_zeros() -> None:
    data = struct.pack("<4I2Q", 2, 1, 1, 2, 5, 9) + struct.pack("<2H", 0, 1) + struct.pack("<I", 1)
    block = native.decode(data)
    assert (block.voxels[:8] == 0).all()
    assert (block.voxels[8:] == 9).all()
    assert block.gaps


@pytest.mark.parametrize("left", [0, 23])
def test_a_short_block_is_refused(left: int) -> None:
    with pytest.raises(Refused):
        native.decode(native.encode(np.zeros((8, 8, 8), np.uint64, order="F"))[:left])


@pytest.mark.parametrize("cut", [1, 64, 100])
def test_a_block_that_is_cut_ends_like_a_crash(cut: int) -> None:
    data = native.encode(np.arange(512, dtype=np.uint64).reshape((8, 8, 8), order="F"))
    with pytest.raises(Panic):
        native.decode(data[:-cut])


def winner(votes: NDArray[np.uint64]) -> int:
    """Return the most frequent label but 0, of several the smallest."""
    labels, counts = np.unique(votes[votes > 0], return_counts=True)
    return int(labels[counts.argmax()]) if len(labels) else 0


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), most=st.sampled_from([1, 2, 3, 8]))
def test_a_lower_scale_has_the_most_frequent_labels(seed: int, most: int) -> None:
    voxels = np.asfortranarray(np.random.default_rng(seed).integers(0, most + 1, (8, 6, 4), np.uint64))
    expected = [[[winner(voxels[2 * x : 2 * x + 2, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2]) for z in range(2)]
                 for y in range(3)] for x in range(4)]  # fmt: skip
    np.testing.assert_array_equal(halve(voxels), np.array(expected, np.uint64))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), start=st.tuples(*[st.integers(-100, 100)] * 3))
def test_runs_cover_a_mask_once(seed: int, start: tuple[int, int, int]) -> None:
    mask = np.random.default_rng(seed).random((7, 4, 3)) < 0.6
    covered = np.zeros(mask.shape, int)
    for x, y, z, length in sparse.runs_of(mask, start):
        covered[x - start[0] : x - start[0] + length, y - start[1], z - start[2]] += 1
    np.testing.assert_array_equal(covered, mask.astype(int))
