"""Runs of voxels, against dense masks."""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from recorded_bodies import body_of

from pyvolume.dvid.labels.runs import RUN, decode_rles, encode_rles, from_runs, joined, to_runs

SHAPES = st.tuples(*[st.integers(0, 9)] * 3)
STARTS = st.tuples(*[st.one_of(st.integers(-20, 20), st.sampled_from([-(1 << 31), (1 << 31) - 9]))] * 3)
MASKS = SHAPES.flatmap(lambda shape: hnp.arrays(bool, shape))


def runs_of(*rows: tuple[int, int, int, int]) -> NDArray[np.void]:
    return np.array(list(rows), RUN)


def voxels_of(runs: NDArray[np.void]) -> set[tuple[int, int, int]]:
    return {(x + n, y, z) for x, y, z, length in runs.tolist() for n in range(length)}


def is_joined(runs: NDArray[np.void]) -> bool:
    rows = [(z, y, x, x + length) for x, y, z, length in runs.tolist()]
    apart = all(a[:2] != b[:2] or a[3] < b[2] for a, b in itertools.pairwise(rows))
    return rows == sorted(rows) and apart


@given(MASKS, STARTS)
def test_a_mask_and_its_runs_are_the_same_voxels(mask: NDArray[np.bool_], start: tuple[int, ...]) -> None:
    runs = to_runs(mask, start)
    inside = {tuple(first + n for first, n in zip(start, at, strict=True)) for at in np.argwhere(mask).tolist()}
    assert runs.dtype == RUN
    assert voxels_of(runs) == inside
    assert is_joined(runs)
    np.testing.assert_array_equal(from_runs(runs, start, mask.shape), mask, strict=True)


@given(MASKS, STARTS, st.tuples(*[st.integers(-4, 4)] * 3), SHAPES)
def test_runs_are_cut_to_a_box(mask: Any, start: Any, shift: Any, shape: Any) -> None:
    corner = [first + by for first, by in zip(start, shift, strict=True)]
    found = from_runs(to_runs(mask, start), corner, shape)
    expected = np.zeros(shape, bool)
    for at in voxels_of(to_runs(mask, start)):
        place = tuple(n - first for n, first in zip(at, corner, strict=True))
        if all(0 <= n < side for n, side in zip(place, shape, strict=True)):
            expected[place] = True
    np.testing.assert_array_equal(found, expected, strict=True)
    assert found.flags.f_contiguous


@given(MASKS, STARTS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_runs_that_are_cut_and_mixed_are_joined(mask: Any, start: Any, block: int, chance: Any) -> None:
    runs = to_runs(mask, start)
    pieces = []
    for x, y, z, length in runs.tolist():
        cuts = [x, *[at for at in range(x + 1, x + length) if at % block == 0], x + length]
        pieces += [(low, y, z, high - low) for low, high in itertools.pairwise(cuts)]
    chance.shuffle(pieces)
    np.testing.assert_array_equal(joined(runs_of(*pieces)), runs, strict=True)


ROWS = st.lists(st.tuples(*[st.integers(-6, 6)] * 3, st.integers(1, 8)), max_size=12)


@given(ROWS)
def test_runs_that_overlap_are_joined(rows: list[tuple[int, int, int, int]]) -> None:
    found = joined(runs_of(*rows))
    assert voxels_of(found) == voxels_of(runs_of(*rows))
    assert is_joined(found)


def test_runs_at_the_ends_of_32_bits_stay_apart() -> None:
    low, high = -(1 << 31), (1 << 31) - 1
    runs = runs_of((low, low, low, 5), (high, low, low, 1), (low, high, high, high), (low, high, low, 1))
    found = joined(runs)
    assert found.tolist() == [(low, low, low, 5), (high, low, low, 1), (low, high, low, 1), (low, high, high, high)]


def test_joined_runs_of_more_than_31_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="voxels"):
        joined(runs_of((-(1 << 31), 0, 0, (1 << 31) - 1), (-1, 0, 0, 10)))


@given(ROWS)
def test_sparse_volumes_keep_their_runs(rows: list[tuple[int, int, int, int]]) -> None:
    np.testing.assert_array_equal(decode_rles(encode_rles(runs_of(*rows))), runs_of(*rows), strict=True)


VOLUME = encode_rles(runs_of((1, 2, 3, 4), (-5, 6, 7, 8)))


def test_the_bytes_of_a_sparse_volume() -> None:
    expected = bytes([0, 3, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]) + struct.pack("<8i", 1, 2, 3, 4, -5, 6, 7, 8)
    assert encode_rles(runs_of((1, 2, 3, 4), (-5, 6, 7, 8))) == expected


def test_no_bytes_are_no_runs() -> None:
    assert decode_rles(b"").tolist() == []


def test_a_sparse_volume_that_is_cut_anywhere_is_refused() -> None:
    for size in range(1, len(VOLUME)):
        with pytest.raises(ValueError, match="expected"):
            decode_rles(VOLUME[:size])


@pytest.mark.parametrize(
    "data",
    [VOLUME + b"\0", b"\1" + VOLUME[1:], VOLUME[:1] + b"\2" + VOLUME[2:], VOLUME[:2] + b"\1" + VOLUME[3:],
     VOLUME[:8] + b"\xff" * 4 + VOLUME[12:], VOLUME[:-4] + bytes(4), VOLUME[:-4] + struct.pack("<i", -8),
     VOLUME[:12] + struct.pack("<4i", (1 << 31) - 1, 0, 0, 2) + VOLUME[28:]],
    ids=["behind", "first", "axes", "axis", "number", "empty run", "negative run", "beyond 32 bits"],
)  # fmt: skip
def test_broken_sparse_volumes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        decode_rles(data)


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (0, 0, 0, -1), ((1 << 31) - 1, 0, 0, 2)])
def test_impossible_runs_are_refused(row: tuple[int, int, int, int]) -> None:
    for function in (encode_rles, joined):
        with pytest.raises(ValueError, match="expected"):
            function(runs_of(row))


def test_a_mask_beyond_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        to_runs(np.ones((2, 1, 1), bool), ((1 << 31) - 1, 0, 0))


def test_a_recorded_sparse_volume_is_the_body_in_the_recorded_voxels() -> None:
    import lz4.block

    raw = lz4.block.decompress(body_of("read labels lz4"), uncompressed_size=8 * 64**3)
    voxels = np.frombuffer(raw, "<u8").reshape(64, 64, 64, order="F")
    runs = joined(decode_rles(body_of("sparsevol rles")))
    inside = from_runs(runs, (0, 0, 0), (64, 64, 64))
    label = voxels[inside][0]
    np.testing.assert_array_equal(inside, voxels == label)
    assert is_joined(runs)
    assert runs["length"].sum() == json.loads(body_of("sparsevol size"))["voxels"]
    np.testing.assert_array_equal(to_runs(from_runs(runs, (0, 0, 0), (128, 64, 64))), runs)
