"""Volumes that are created with their voxels, or only if they are missing; on the mock server and on a real DVID."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.version import Version
from pyvolume.errors import (
    ExistsError,
    LockedError,
    MetadataError,
    PyVolumeError,
    UnsupportedError,
    VoxelsMismatchError,
)

SHAPE = (40, 30, 20)
_numbers = itertools.count()


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    return pyvolume.dvid.Server(dvid.connection).create_repo(f"require-{next(_numbers)}", duplicate_alias=True)


@pytest.fixture(params=["repo", "version"])
def place(request: pytest.FixtureRequest, repo: Repo) -> Repo | Version:
    return repo if request.param == "repo" else repo.root


class TestData:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "uint32", "uint64", "float32"])
    def test_a_volume_has_the_shape_the_dtype_and_the_voxels_of_its_data(self, repo: Repo, dtype: str) -> None:
        data = ramp((1, *SHAPE), np.dtype(dtype).name).astype(dtype)
        volume = repo.create_volume("gray", data=data)
        assert volume.shape == (1, *SHAPE)
        same(repo["gray"][:, :40, :30, :20], data.astype(volume.dtype))

    def test_data_without_a_channel_axis_gets_one(self, repo: Repo) -> None:
        data = ramp((1, *SHAPE))[0]
        same(repo.create_volume("gray", data=data)[0], data)

    def test_data_of_four_channels_makes_a_colour_volume(self, repo: Repo) -> None:
        data = ramp((4, *SHAPE))
        volume = repo.create_volume("colour", data=data, resolution=8, units="nanometers")
        assert (volume.typename, volume.resolution) == ("rgba8blk", (8.0, 8.0, 8.0))
        same(volume[...], data)

    def test_data_is_cast_if_every_value_fits(self, repo: Repo) -> None:
        volume = repo.create_volume("gray", dtype="uint16", data=np.arange(24).reshape(2, 3, 4))
        same(volume[0], np.arange(24, dtype="uint16").reshape(2, 3, 4))

    def test_lists_are_data(self, repo: Repo) -> None:
        same(repo.create_volume("gray", dtype="uint8", data=[[[1, 2], [3, 4]]])[0, 0], np.array([[1, 2], [3, 4]], "u1"))

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"data": np.full((2, 2, 2), 300), "dtype": "uint8"}, VoxelsMismatchError),
            ({"data": np.full((2, 2, 2), 0.5), "dtype": "uint8"}, VoxelsMismatchError),
            ({"data": np.zeros((2, 2, 2), "int16")}, UnsupportedError),
            ({"data": np.zeros((2, 2, 2, 2), "uint8")}, UnsupportedError),
            ({"data": np.zeros((2, 2), "uint8")}, MetadataError),
            ({"data": np.zeros((1, 2, 2, 2), "uint8"), "shape": (2, 2, 3)}, MetadataError),
            ({"shape": (2, 2, 2)}, MetadataError),
            ({}, MetadataError),
        ],
    )
    def test_what_cannot_be_stored_makes_no_volume(
        self, repo: Repo, arguments: dict[str, Any], error: type[PyVolumeError]
    ) -> None:
        with pytest.raises(error):
            repo.create_volume("gray", **arguments)
        assert repo.info().instances == {}

    def test_a_name_that_is_taken_keeps_its_voxels(self, repo: Repo) -> None:
        repo.create_volume("gray", data=np.ones(SHAPE, "uint8"))
        with pytest.raises(ExistsError):
            repo.create_volume("gray", data=np.zeros(SHAPE, "uint8"))
        assert repo["gray"][0, :40, :30, :20].min() == 1


class TestRequire:
    def test_a_missing_volume_is_created(self, place: Repo | Version) -> None:
        volume = place.require_volume("gray", SHAPE, "uint16", resolution=(4, 4, 40), units="nanometers")
        assert (volume.shape, volume.dtype.name, volume.mode) == ((1, *SHAPE), "uint16", "r+")
        assert (volume.resolution, volume.block_shape) == ((4.0, 4.0, 40.0), (64, 64, 64))

    def test_a_volume_that_agrees_is_opened_with_its_voxels(self, place: Repo | Version) -> None:
        wanted: dict[str, Any] = {"block_shape": (16, 16, 16), "resolution": 8, "units": "nanometers"}
        place.require_volume("gray", SHAPE, "uint8", **wanted)[...] = 7
        for given in (wanted, {}, {"units": "nm"}):
            volume = place.require_volume("gray", SHAPE, "uint8", **given)
            assert (volume[0, 39, 29, 19], volume.block_shape) == (7, (16, 16, 16))

    def test_any_shape_agrees_if_none_is_given(self, place: Repo | Version) -> None:
        place.require_volume("gray", SHAPE, "uint8")[...] = 7
        assert place.require_volume("gray", None, "uint8")[0, 39, 29, 19] == 7

    @pytest.mark.parametrize(
        ("shape", "dtype", "more", "word"),
        [
            (SHAPE, "uint16", {}, "dtype"),
            (SHAPE, "uint8", {"channels": 4}, "dtype"),
            ((41, 30, 20), "uint8", {}, "shape"),
            (SHAPE, "uint8", {"block_shape": (32, 32, 32)}, "block_shape"),
            (SHAPE, "uint8", {"resolution": 9}, "resolution"),
            (SHAPE, "uint8", {"units": "micrometers"}, "units"),
        ],
    )
    def test_a_volume_that_differs_is_refused(
        self, place: Repo | Version, shape: tuple[int, ...], dtype: str, more: dict[str, Any], word: str
    ) -> None:
        place.require_volume("gray", SHAPE, "uint8", resolution=8, units="nanometers", block_shape=(16, 16, 16))
        with pytest.raises(ExistsError, match=word):
            place.require_volume("gray", shape, dtype, **more)

    def test_a_volume_that_has_grown_is_refused(self, repo: Repo) -> None:
        repo.require_volume("gray", SHAPE, "uint8", block_shape=(16, 16, 16))[:, 40:80] = 1
        with pytest.raises(ExistsError, match="shape"):
            repo.require_volume("gray", SHAPE, "uint8")

    def test_a_region_is_no_volume(self, place: Repo | Version, repo: Repo) -> None:
        repo.create_roi("nose")
        with pytest.raises(UnsupportedError, match="nose"):
            place.require_volume("nose", SHAPE, "uint8")

    def test_a_committed_version_is_opened_and_not_changed(self, place: Repo | Version, repo: Repo) -> None:
        place.require_volume("gray", SHAPE, "uint8")
        repo.root.commit()
        assert place.require_volume("gray", SHAPE, "uint8").version == repo.root
        with pytest.raises(LockedError):
            place.require_volume("other", SHAPE, "uint8")

    def test_programs_that_require_at_once_get_the_same(self, repo: Repo) -> None:
        start = threading.Barrier(6)

        def require(x: int) -> tuple[int, ...]:
            with pyvolume.Connection(repo.connection.url) as connection:
                there = pyvolume.dvid.Server(connection).repos[repo.root_uuid]
                start.wait()
                return there.require_volume("gray", SHAPE, "uint8").shape

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(require, range(6))) == {(1, *SHAPE)}
        assert list(repo) == ["gray"]
