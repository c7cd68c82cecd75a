"""Comparing volumes between all kinds of store, and arrays: what differs is found, and nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import real_dvid
from conformance_stores import Backend, DvidBackend, MemoryBackend, in_pieces, ramp

import pyvolume
from pyvolume import Box

SHAPE = (1, 48, 32, 64)
KINDS = ["memory", "mock", *real_dvid.if_there()]


@pytest.fixture(params=list(itertools.product(KINDS, repeat=2)), ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[Backend, Backend]:
    """Give the backends of both sides."""
    first, second = (
        MemoryBackend()
        if kind == "memory"
        else request.getfixturevalue("mock_backend" if kind == "mock" else "real_backend")
        for kind in request.param
    )
    return first, second


@pytest.mark.parametrize("dtype", ["uint8", "uint64", "float32"])
def test_what_differs_is_found(pair: tuple[Backend, Backend], dtype: str) -> None:
    a = ramp(SHAPE, dtype)
    b = a.copy()
    b[0, 17:20, 3, 40] += 1
    b[0, 47, 31, 63] += 1
    left, right = (backend.new(each) for backend, each in zip(pair, (a, b), strict=True))
    difference = pyvolume.compare(left, right)
    assert dict(zip(difference, difference.counts.tolist(), strict=True)) == {
        Box((0, 16, 0, 32), (1, 32, 16, 48)): 3,
        Box((0, 32, 16, 48), (1, 48, 32, 64)): 1,
    }
    assert difference.bounds == Box((0, 17, 3, 40), (1, 48, 32, 64))
    for box, of_a, of_b in difference.values():
        np.testing.assert_array_equal(of_a, a[box.slices_from((0,) * 4)], strict=True)
        np.testing.assert_array_equal(of_b, b[box.slices_from((0,) * 4)], strict=True)


def test_equal_volumes_do_not_differ(pair: tuple[Backend, Backend]) -> None:
    array = ramp(SHAPE)
    left, right = (in_pieces(backend.new(array), array.nbytes // 8) for backend in pair)
    assert not pyvolume.compare(left, right)


def test_a_box_limits_what_is_compared(pair: tuple[Backend, Backend]) -> None:
    a = ramp(SHAPE)
    left, right = pair[0].new(a), pair[1].new(255 - a)
    box = Box((0, 5, 7, 20), (1, 30, 9, 50))
    difference = pyvolume.compare(left, right, box)
    assert (difference.voxel_count, difference.bounds, difference.box) == (box.size, box, box)
    assert sum(each.size for each in difference) == box.size


def test_outside_its_bounds_a_volume_is_zero(pair: tuple[Backend, Backend]) -> None:
    left, right = pair[0].new(ramp(SHAPE)), pair[1].new(np.zeros((1, 16, 16, 16), "uint8"))
    right.post_ndarray((0, 64, 0, 0), (1, 80, 16, 16), np.full((1, 16, 16, 16), 3, "uint8"))
    difference = pyvolume.compare(left, right)
    assert difference.box == Box((0, 0, 0, 0), (1, 80, 32, 64))
    assert difference.voxel_count == np.count_nonzero(ramp(SHAPE)) + 16**3


def test_a_volume_is_compared_with_an_array(dvid: DvidBackend) -> None:
    array = ramp((4, 40, 30, 20))
    volume = dvid.new(array[..., :16, :16, :16])
    volume.post_ndarray((0, 0, 0, 0), array.shape, array)  # the blocks around it hold more
    assert not pyvolume.compare(array, volume, Box((0,) * 4, array.shape))
    array[2, 39, 29, 19] ^= 1
    difference = pyvolume.compare(volume, array, Box((0,) * 4, array.shape))
    assert list(difference) == [Box((0, 32, 16, 16), (4, 40, 30, 20))]


def test_two_handles_of_a_version_are_equal_without_a_request(dvid: DvidBackend) -> None:
    volume = dvid.new(ramp(SHAPE))
    other = volume.at(volume.uuid)
    with pyvolume.trace() as trace:
        assert not pyvolume.compare(volume, other)
    assert trace.requests == 0


def test_two_versions_are_compared(dvid: DvidBackend) -> None:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("compare", duplicate_alias=True)
    volume = repo.create_volume("gray", SHAPE[1:], "uint8", block_shape=(16, 16, 16))
    volume[...] = ramp(SHAPE)
    repo.root.commit()
    child = volume.at(repo.root.new_version())
    assert not pyvolume.compare(volume, child)
    child[0, 3, 4, 5:25] = 255 - child[0, 3, 4, 5:25]
    difference = pyvolume.compare(volume, child)
    assert difference.counts.tolist() == [11, 9]
