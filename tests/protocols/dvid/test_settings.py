"""What a server keeps beside voxels, and lets be changed, on the mock server and on a real DVID."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume import Box
from pyvolume.dvid.repo import Repo
from pyvolume.errors import ExistsError, LockedError, MetadataError, SelectionError, UnsupportedError

SHAPE = (1, 32, 32, 32)


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    return pyvolume.dvid.Server(dvid.connection).create_repo("settings", "before", duplicate_alias=True)


@pytest.fixture
def volume(repo: Repo) -> pyvolume.dvid.VoxelsAccessor:
    volume = repo.create_volume("gray", None, "uint8", block_shape=(16, 16, 16), resolution=8, units="nanometers")
    volume.post_ndarray((0,) * 4, SHAPE, ramp(SHAPE))
    return volume


class TestResolution:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [((4, 4, 40), (4, 4, 40)), (np.float32(0.5), (0.5,) * 3), (np.array([1, 2, 3]), (1, 2, 3))],
    )
    def test_it_is_kept(self, volume: pyvolume.dvid.VoxelsAccessor, given: Any, expected: tuple[float, ...]) -> None:
        volume.set_resolution(given)
        assert (volume.resolution, volume.units) == (expected, ("nanometers",) * 3)
        assert volume.at(volume.uuid).resolution == expected

    def test_it_is_that_of_all_versions(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume.version.commit()
        child = volume.at(volume.version.new_version())
        child.set_resolution(2)
        assert volume.at(volume.uuid).resolution == (2.0, 2.0, 2.0)

    @pytest.mark.parametrize(
        "given", [(4, 4), (4, 4, 0), (4, 4, -1), (4, 4, float("nan")), float("inf"), (1, 2, 3, 4), 1e-50, 1e50]
    )
    def test_what_the_server_would_stumble_over_is_refused(
        self, volume: pyvolume.dvid.VoxelsAccessor, given: Any
    ) -> None:
        with pytest.raises(MetadataError, match="3 finite numbers above 0"):
            volume.set_resolution(given)
        assert volume.at(volume.uuid).resolution == (8.0, 8.0, 8.0)


class TestExtents:
    def test_they_become_larger(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume.set_extents((0, -10, 0, 0), (1, 50, 32, 40))
        assert volume.bounds == Box((0, -10, 0, 0), (1, 50, 32, 40))
        assert volume.at(volume.uuid).bounds == Box((0, -16, 0, 0), (1, 64, 32, 48))
        np.testing.assert_array_equal(volume[:, :32, :32, :32], ramp(SHAPE), strict=True)

    def test_by_force_they_are_exact(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume.set_extents((0, -10, 0, 0), (1, 50, 32, 40), force=True)
        assert volume.bounds == volume.at(volume.uuid).bounds == Box((0, -10, 0, 0), (1, 50, 32, 40))

    def test_an_empty_volume_gets_them(self, repo: Repo) -> None:
        volume = repo.create_volume("empty", None, "float32", block_shape=(16, 16, 16))
        volume.set_extents((0, 32, -9, 5), (1, 64, 16, 20))
        assert volume.at(volume.uuid).bounds == Box((0, 32, -16, 0), (1, 64, 16, 32))

    def test_they_become_smaller_by_force_only(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        with pytest.raises(SelectionError, match="force=True"):
            volume.set_extents((0, 0, 0, 0), (1, 32, 32, 31))
        assert volume.at(volume.uuid).bounds == Box((0,) * 4, SHAPE)
        volume.set_extents((0, 0, 0, 0), (1, 32, 32, 31), force=True)
        assert volume.shape == volume.at(volume.uuid).shape == (1, 32, 32, 31)
        np.testing.assert_array_equal(volume.absolute[:, 0:32, 0:32, 0:32], ramp(SHAPE), strict=True)

    def test_what_somebody_else_wrote_meanwhile_counts(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume.at(volume.uuid).post_ndarray((0, 32, 0, 0), (1, 64, 32, 32), ramp(SHAPE))
        with pytest.raises(SelectionError, match="leaves out"):
            volume.set_extents((0, 0, 0, 0), (1, 48, 32, 32))

    def test_they_are_those_of_the_version(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume.version.commit()
        child = volume.at(volume.version.new_version())
        child.set_extents((0, 0, 0, 0), (1, 100, 32, 32))
        child.refresh()
        assert (volume.at(volume.uuid).shape, child.shape) == (SHAPE, (1, 112, 32, 32))

    @pytest.mark.parametrize(
        ("start", "stop"),
        [((0, 0, 0, 0), (1, 0, 32, 32)), ((0, 0, 0, 0), (2, 32, 32, 32)), ((0, 0, 0), (1, 32, 32)),
         ((0, 0, 0, 0), (1, 2**31 + 1, 32, 32)), ((0, 9, 0, 0), (1, 3, 32, 32))],
    )  # fmt: skip
    def test_what_are_no_extents_is_refused(self, volume: pyvolume.dvid.VoxelsAccessor, start: Any, stop: Any) -> None:
        with pytest.raises(SelectionError):
            volume.set_extents(start, stop, force=True)
        assert volume.at(volume.uuid).bounds == Box((0,) * 4, SHAPE)


@pytest.mark.parametrize("change", ["set_resolution", "set_extents"])
class TestWhoMay:
    def arguments(self, change: str) -> tuple[Any, ...]:
        return (4,) if change == "set_resolution" else ((0,) * 4, (1, 64, 64, 64))

    def test_a_committed_version_stays(self, volume: pyvolume.dvid.VoxelsAccessor, change: str) -> None:
        volume.version.commit()
        with pytest.raises(LockedError, match="new_version"):
            getattr(volume, change)(*self.arguments(change))

    def test_a_volume_opened_for_reading_stays(self, volume: pyvolume.dvid.VoxelsAccessor, change: str) -> None:
        reader = volume.version.volume("gray", mode="r")
        with pyvolume.trace() as trace, pytest.raises(UnsupportedError, match="reading only"):
            getattr(reader, change)(*self.arguments(change))
        assert trace.requests == 0


class TestCreation:
    def test_tags_are_kept(self, repo: Repo) -> None:
        tags = {"Stage": "raw", "scanner": "FIB SEM, no"}
        with pytest.raises(MetadataError, match="without commas"):
            repo.create_volume("gray", None, "uint8", tags=tags)
        assert repo.info().instances == {}
        tags["scanner"] = "FIB SEM ünïcode"
        assert repo.create_volume("gray", None, "uint8", tags=tags).instance_tags == tags
        assert repo.create_volume("plain", None, "uint8").instance_tags == {}

    @pytest.mark.parametrize("tags", [{"a=b": "c"}, {"a": "b=c"}, {"": "a"}, {"a": ""}, {"a": 1}])
    def test_tags_that_the_server_would_drop_are_refused(self, repo: Repo, tags: Any) -> None:
        with pytest.raises(MetadataError, match="a tag is two texts"):
            repo.create_volume("gray", None, "uint8", tags=tags)

    def test_an_unversioned_volume_is_the_same_in_all_versions(self, repo: Repo) -> None:
        volume = repo.create_volume("mask", (32, 32, 32), "uint8", block_shape=(16, 16, 16), versioned=False)
        repo.root.commit()
        child = volume.at(repo.root.new_version())
        child[...] = ramp(SHAPE)
        np.testing.assert_array_equal(volume[...], ramp(SHAPE), strict=True)
        volume[:, 0] = 5
        assert child[0, 0, 0, 0] == 5
        assert not pyvolume.compare(volume, child)


class TestRepo:
    def test_it_is_renamed_and_described(self, repo: Repo) -> None:
        repo.rename("ünïcode")
        assert (repo.info().alias, repo.info().description) == ("ünïcode", "before")
        assert "'ünïcode'" in repr(repo)
        repo.set_description("a description")
        assert (repo.info().alias, repo.info().description) == ("ünïcode", "a description")

    def test_an_alias_is_text(self, repo: Repo) -> None:
        with pytest.raises(MetadataError, match=r"\$\.alias"):
            repo.rename(3)  # type: ignore[arg-type]

    def test_its_log_is_written(self, repo: Repo) -> None:
        repo.add_log("one")
        repo.root.commit()
        repo.add_log(["two", "three"])  # a repository is never committed
        assert [line.partition("  ")[2] for line in repo.info().log] == ["one", "two", "three"]

    def test_a_name_is_taken_once(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        with pytest.raises(ExistsError, match="taken"):
            repo.create_volume("gray", None, "uint16")
