"""Where a volume begins and ends: declared, grown, and at the limits of the server; on the mock and on a real DVID."""

from __future__ import annotations

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp
from writers import grow

import pyvolume
from mockserver import MockServer
from pyvolume import Box
from pyvolume.dvid import Repo
from pyvolume.dvid.extents import LONGEST, declared_box, declared_text, limits_of, shown
from pyvolume.dvid.voxels import create_new
from pyvolume.errors import MetadataError, SelectionError

SHAPE = (100, 70, 33)
LOWEST, HIGHEST = -(2**31), 2**31


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    return pyvolume.dvid.Server(dvid.connection).create_repo("bounds", duplicate_alias=True)


@pytest.fixture
def volume(repo: Repo) -> pyvolume.dvid.VoxelsAccessor:
    return repo.create_volume("gray", SHAPE, "uint16", block_shape=(32, 32, 32))


def again(volume: pyvolume.dvid.VoxelsAccessor) -> pyvolume.dvid.VoxelsAccessor:
    """Open a volume as another process does."""
    return volume.version.volume(volume.name)


class TestDeclaredShape:
    def test_it_is_there_before_anything_is_written(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        assert volume.bounds == again(volume).bounds == Box((0, 0, 0, 0), (1, *SHAPE))

    def test_it_stays_where_everything_is_written(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        array = ramp((1, *SHAPE), "uint16")
        volume[...] = array
        assert volume.shape == again(volume).shape == (1, *SHAPE)
        volume.refresh()
        assert volume.shape == (1, *SHAPE)
        np.testing.assert_array_equal(np.asarray(again(volume)), array, strict=True)
        assert not pyvolume.compare(again(volume), array)
        target = np.zeros((1, *SHAPE), "uint16")
        pyvolume.copy(again(volume), target)
        np.testing.assert_array_equal(target, array, strict=True)

    def test_it_stays_where_little_is_written(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume[:, 40:50, 40:50, 5] = 7
        assert volume.shape == again(volume).shape == (1, *SHAPE)

    def test_it_is_that_of_every_version(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume.version.commit()
        child, branch = volume.at(volume.version.new_version()), volume.at(volume.version.branch("dev"))
        child[:, :10] = 1
        branch[:, :64, :64, :32] = 1
        assert [again(each).shape for each in (volume, child, branch)] == [(1, *SHAPE)] * 3
        assert [change.bounds for change in branch.history(compare=False)] == [Box((0, 0, 0, 0), (1, *SHAPE))]

    def test_an_axis_that_grows_leaves_the_others(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume[...] = 1
        volume[:, :, 60:130] = 2
        assert volume.shape == (1, 100, 130, 33)
        assert again(volume).shape == (1, 100, 160, 33)
        volume.absolute[:, -3, :, :] = 3
        assert again(volume).bounds == Box((0, -32, 0, 0), (1, 100, 160, 33))

    def test_it_may_begin_anywhere(self, repo: Repo) -> None:
        bounds = Box((0, -20, 10, 40), (4, 5, 90, 70))
        metadata = dataclasses.replace(pyvolume.VoxelsMetadata.of((4, 1, 1, 1), "uint8"), bounds=bounds)
        create_new(repo.connection, repo.root_uuid, "placed", metadata, block_shape=(16, 32, 64))
        volume = repo.root.volume("placed")
        volume.absolute[...] = ramp(bounds.shape)
        assert volume.bounds == again(volume).bounds == bounds

    def test_the_tags_of_the_user_are_apart(self, repo: Repo) -> None:
        volume = repo.create_volume("tagged", SHAPE, "uint8", tags={"stain": "HE"})
        assert (again(volume).instance_tags, again(volume).shape) == ({"stain": "HE"}, (1, *SHAPE))
        with pytest.raises(MetadataError, match="reserved"):
            repo.create_volume("other", SHAPE, "uint8", tags={"pyvolume-bounds": "0_0_0:9_9_9"})

    @pytest.mark.parametrize("shape", [(4, 0, 5), (0, 7, 0), (4, 6, 0)])
    def test_an_axis_of_length_zero_is_that_of_numpy(self, repo: Repo, shape: tuple[int, int, int]) -> None:
        volume, array = repo.create_volume("thin", shape, "uint8"), np.zeros((1, *shape), "uint8")
        for handle in (volume, again(volume)):
            for key in np.s_[..., :, 1:3, -1:], np.s_[0], np.s_[:, None, ::-1]:
                np.testing.assert_array_equal(handle[key], array[key], strict=True)
            assert np.asarray(handle).shape == array.shape
        if shape[0]:
            with pytest.raises(SelectionError):
                volume[0, 0, 0, 0]
        for values in 5, np.full((1, 1, 1, 1), 5), array:
            volume[...] = array[...] = values
        with pytest.raises(SelectionError, match="selects no voxel"):
            volume[...] = np.full((1, *map(max, shape, (1, 1, 1))), 5)
        assert volume.bounds == again(volume).bounds == Box((0, 0, 0, 0), array.shape)
        volume[:, 0:3, 0:5, 0:2] = 7
        assert volume.shape == (1, *map(max, shape, (3, 5, 2)))
        assert volume[...].sum() == again(volume)[...].sum() == 7 * 30

    def test_no_force_makes_it_smaller(self, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        with pytest.raises(SelectionError, match="stays"):
            volume.set_extents((0, 0, 0, 0), (1, 99, 70, 33), force=True)
        volume.set_extents((0, 0, 0, 0), (1, 200, 70, 33), force=True)
        assert again(volume).shape == (1, 200, 70, 33)


@pytest.mark.parametrize(
    ("extents", "expected"),
    [
        ((0, 0, 0), (0, 100)),
        ((0, 0, 100), (0, 100)),
        ((0, 0, 128), (0, 100)),
        ((0, 0, 192), (0, 192)),
        ((0, -64, 64), (-64, 100)),
        ((0, 0, 129), (0, 129)),
    ],
)
def test_what_the_server_has_beyond_the_declared_blocks_is_shown(
    extents: tuple[int, int, int], expected: tuple[int, int]
) -> None:
    channel, low, high = extents
    found = shown(Box((channel, low), (1, high)), Box((0, 0), (1, 100)), (64,))
    assert found == Box((0, expected[0]), (1, expected[1]))


@pytest.mark.parametrize(
    "text", ["", "1", "0_0:1_1", "0_0_0:0_0_0", "0_1_0:1_0_1", "a_0_0:1_1_1", "0_0_0:1_1_1 ", "0_0_0_0:1_1_1_1"]
)
def test_a_tag_of_somebody_else_declares_nothing(text: str) -> None:
    assert declared_box({"pyvolume-bounds": text}, 1, 3) is None


def test_a_declared_box_comes_back() -> None:
    box = Box((0, -5, 0, 7), (4, 5, 0, 8))
    assert declared_box({"pyvolume-bounds": declared_text(box)}, 4, 3) == box


class TestLimits:
    @pytest.mark.parametrize("side", [1, 16, 30, 32, 64, 100])
    def test_blocks_within_the_limits_are_counted_without_an_overflow(self, side: int) -> None:
        ((low, high),) = limits_of((side,))
        assert (low % side, high % side) == (0, 0)
        assert low - side + 1 >= LOWEST > low - 2 * side + 1
        assert high <= HIGHEST < high + side

    @pytest.mark.parametrize("start", [HIGHEST - 32, LOWEST + 32])
    def test_the_outermost_blocks_are_kept(self, repo: Repo, start: int) -> None:
        volume = repo.create_volume("far", None, "uint8", block_shape=(32, 32, 32))
        voxels = ramp((1, 32, 32, 32))
        volume.write(((0, start, 0, 0), (1, start + 32, 32, 32)), voxels)
        other = again(volume)
        assert other.bounds == Box((0, start, 0, 0), (1, start + 32, 32, 32))
        np.testing.assert_array_equal(other.absolute[:, start : start + 32], voxels, strict=True)

    @pytest.mark.parametrize("start", [HIGHEST, HIGHEST - 16, LOWEST, LOWEST + 31, LOWEST - 1])
    def test_blocks_that_the_server_would_lose_are_refused(self, repo: Repo, start: int) -> None:
        volume = repo.create_volume("far", None, "uint8", block_shape=(32, 32, 32))
        with pyvolume.trace() as trace:
            with pytest.raises(SelectionError):
                volume.write(((0, start, 0, 0), (1, start + 32, 32, 32)), ramp((1, 32, 32, 32)))
            with pytest.raises(SelectionError):
                volume.read(((0, start, 0, 0), (1, start + 32, 32, 32)))
        assert (trace.requests, again(volume).bounds.size) == (0, 0)

    def test_writes_too_far_apart_are_refused(self, repo: Repo) -> None:
        volume = repo.create_volume("wide", None, "uint8", block_shape=(32, 32, 32))
        volume[:, :32, :32, :32] = 1
        last = LONGEST // 32 * 32
        volume.absolute[:, last - 1, 0, 0] = 2
        with pytest.raises(SelectionError, match="along axis 1"):
            volume.absolute[:, -1, 0, 0] = 3
        with pytest.raises(SelectionError):
            volume.set_extents((0, -1, 0, 0), (1, last, 32, 32), force=True)
        assert again(volume).bounds == Box((0, 0, 0, 0), (1, last, 32, 32))

    def test_a_volume_that_two_have_made_too_wide_can_be_opened(self, repo: Repo) -> None:
        volume = repo.create_volume("wide", None, "uint8", block_shape=(32, 32, 32))
        low, high = again(volume), again(volume)
        low.absolute[:, LOWEST + 32 : LOWEST + 64, :32, :32] = 1
        high.absolute[:, HIGHEST - 32 : HIGHEST, :32, :32] = 2
        wide = again(volume)
        assert wide.bounds == Box((0, LOWEST + 32, 0, 0), (1, HIGHEST, 32, 32))
        assert (wide.absolute[0, LOWEST + 32, 0, 0], wide.absolute[0, HIGHEST - 1, 0, 0]) == (1, 2)
        wide.absolute[0, 5, 5, 5] = 3  # inside the bounds
        wide.set_extents((0, 0, 0, 0), (1, 32, 32, 32), force=True)
        assert again(volume).shape == (1, 32, 32, 32)

    @pytest.mark.parametrize("shape", [(2**31, 1, 1), (1, 2**31 - 1, 1)])
    def test_a_shape_that_cannot_be_filled_is_refused(self, repo: Repo, shape: tuple[int, int, int]) -> None:
        with pytest.raises(SelectionError):
            repo.create_volume("long", shape, "uint8", block_shape=(32, 32, 32))
        assert repo.info().instances == {}


def test_no_process_takes_back_what_another_has_grown(dvid: DvidBackend, volume: pyvolume.dvid.VoxelsAccessor) -> None:
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(grow, [dvid.connection.url] * 4, [str(volume.uuid)] * 4, range(4)))
    assert again(volume).bounds == Box((0, -24 * 32, 0, 0), (1, 33 * 32, 70, 33))


@pytest.mark.parametrize("stop", [(1, 2**30, 2**30, 2**30), (1, 2**31 - 64, 2**20, 2**20)], ids=str)
def test_a_box_of_absurd_size_is_refused_before_asking(
    volume: pyvolume.dvid.VoxelsAccessor, stop: tuple[int, ...]
) -> None:
    with pyvolume.trace() as trace:
        with pytest.raises(SelectionError, match="memory"):
            volume.get_ndarray((0, 0, 0, 0), stop)
        with pytest.raises(SelectionError, match="smaller"):
            volume.absolute[tuple(slice(0, end) for end in stop)] = 0
    assert trace.requests == 0


@pytest.mark.parametrize("shape", [(1, 4, 0, 5), (2, 0, 3), (1, 100, 70, 33)])
def test_an_array_of_the_mock_keeps_its_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    with MockServer({"gray": np.zeros(shape, "uint8")}, dims="cxy", folder=tmp_path / "kept") as server:
        url = f"dvid://{server.url}/:master/gray"
        with pyvolume.open(url, mode="r+") as volume:
            assert (volume.shape, volume[...].shape) == (shape, shape)
            if volume.size:
                volume[...] = 3
            assert volume.shape == shape
    with MockServer(folder=tmp_path / "kept") as server, pyvolume.open(f"dvid://{server.url}/:master/gray") as volume:
        assert volume.shape == shape
