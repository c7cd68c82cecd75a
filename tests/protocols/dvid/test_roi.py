"""Regions, on the mock server and on a real DVID."""

from __future__ import annotations

import itertools
import json
import pickle
from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume.dvid import roi as rois
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.roi.region import Roi
from pyvolume.errors import AlignmentError, ExistsError, LockedError, MetadataError, NotFoundError, UnsupportedError

SIDE = 32
SPANS = [[-1, 0, 0, 1], [0, -1, -2, -1], [0, 0, 0, 0], [1, 1, -1, 0]]
BLOCKS = [(x, y, z) for z, y, x0, x1 in SPANS for x in range(x0, x1 + 1)]
START, STOP = (-64, -32, -32), (64, 64, 64)
SHAPE = (1, 128, 96, 96)
FULL = ((0, *START), (1, *STOP))
_numbers = itertools.count()


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def mask_of(blocks: list[tuple[int, int, int]] = BLOCKS) -> Any:
    """Return the voxels of blocks in the box from START to STOP."""
    mask = np.zeros(SHAPE, "uint8", order="F")
    for block in blocks:
        low = [index * SIDE - start for index, start in zip(block, START, strict=True)]
        mask[0][tuple(slice(a, a + SIDE) for a in low)] = 1
    return mask


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    return pyvolume.dvid.Server(dvid.connection).create_repo(f"regions-{next(_numbers)}")


@pytest.fixture
def roi(repo: Repo) -> Roi:
    return repo.create_roi("nose", block_shape=(SIDE,) * 3).set_spans(SPANS)


@pytest.fixture
def array() -> Any:
    return ramp(SHAPE, "uint16")


@pytest.fixture
def volume(repo: Repo, array: Any) -> pyvolume.dvid.VoxelsAccessor:
    volume = repo.create_volume("gray", None, "uint16", block_shape=(SIDE,) * 3)
    volume.post_ndarray(*FULL, array)
    return volume


class TestRegion:
    def test_a_new_one_is_empty(self, repo: Repo) -> None:
        roi = repo.create_roi("nose", block_shape=(16, 32, 8))
        assert (roi.block_shape, roi.read_spans().shape, roi.count_voxels(), roi.read_bounds().size) == (
            (16, 32, 8),
            (0, 4),
            0,
            0,
        )

    def test_spans_come_back(self, roi: Roi) -> None:
        same(roi.read_spans(), np.array(SPANS))

    def test_a_version_has_it(self, repo: Repo, roi: Roi) -> None:
        same(repo.version().roi("nose").read_spans(), roi.read_spans())

    def test_blocks(self, roi: Roi) -> None:
        same(roi.read_blocks(), np.array(BLOCKS))

    def test_voxel_count_and_bounds(self, roi: Roi) -> None:
        assert (roi.count_voxels(), roi.read_bounds()) == (len(BLOCKS) * SIDE**3, pyvolume.Box(*FULL))

    def test_repr_makes_no_request(self, roi: Roi) -> None:
        with pyvolume.trace() as trace:
            assert repr(roi) == f"<Roi 'nose' of version {roi.uuid[:8]}, blocks of 32×32×32, {roi.connection.url}>"
        assert trace.requests == 0

    def test_writing_replaces_it(self, roi: Roi) -> None:
        roi.set_spans([[5, 5, 5, 5]])
        assert roi.read_spans().tolist() == [[5, 5, 5, 5]]

    def test_spans_in_any_order_that_overlap(self, roi: Roi) -> None:
        roi.set_spans([[1, 0, 0, 0], [0, 0, 2, 5], [0, 0, 6, 7], [0, 0, 0, 3], [1, 0, 0, 0]])
        assert roi.read_spans().tolist() == [[0, 0, 0, 7], [1, 0, 0, 0]]

    def test_overlaps_that_another_client_has_stored(self, roi: Roi) -> None:
        from pyvolume.dvid.client import post_document

        post_document(roi.connection, "write", f"/api/node/{roi.uuid}/nose/roi", [[0, 0, 0, 3], [0, 0, 2, 5]])
        assert (roi.read_spans().tolist(), roi.count_voxels()) == ([[0, 0, 0, 5]], 6 * SIDE**3)

    def test_blocks_in_any_order(self, roi: Roi) -> None:
        roi.clear()
        same(roi.set_blocks(BLOCKS[::-1]).read_spans(), np.array(SPANS))

    def test_an_empty_list_empties_it(self, roi: Roi) -> None:
        assert roi.set_spans([]).read_spans().tolist() == []

    def test_clear(self, roi: Roi) -> None:
        roi.clear()
        assert roi.read_blocks().shape == (0, 3)

    @pytest.mark.parametrize("spans", [[[1, 0, 3, 1]], [[0, 0, 0]], [[0, 0, 0, 0.5]], [[2**31, 0, 0, 0]], None])
    def test_a_bad_list_leaves_it_as_it_is(self, roi: Roi, spans: Any) -> None:
        with pyvolume.trace() as trace, pytest.raises(MetadataError, match="write the region nose"):
            roi.set_spans([[0, 0, 0, 1], *spans] if spans else spans)
        assert (trace.requests, roi.read_spans().tolist()) == (0, SPANS)

    def test_many_spans(self, roi: Roi) -> None:
        spans = [[z, y, 2 * x, 2 * x] for z in range(-10, 10) for y in range(-10, 10) for x in range(10)]
        assert roi.set_spans(spans).read_spans().tolist() == spans

    def test_a_region_pickles(self, roi: Roi) -> None:
        same(pickle.loads(pickle.dumps(roi)).read_spans(), np.array(SPANS))


class TestFromMask:
    @pytest.mark.parametrize("dtype", [bool, "uint8", "int32"])
    def test_whole_blocks(self, roi: Roi, dtype: Any) -> None:
        roi.clear()
        same(roi.set_mask(mask_of().astype(dtype), START).read_spans(), np.array(SPANS))

    def test_a_part_of_a_block_is_refused(self, roi: Roi) -> None:
        with pytest.raises(MetadataError, match=r"covers 1 of them in part.*\(2, 0, 0\).*partial='include'"):
            roi.set_mask(np.ones((33, 32, 32), bool), (32, 0, 0))
        assert roi.read_spans().tolist() == SPANS

    @pytest.mark.parametrize(("partial", "last"), [("include", 2), ("exclude", 1)])
    def test_a_part_of_a_block(self, roi: Roi, partial: Any, last: int) -> None:
        roi.set_mask(np.ones((33, 32, 32), bool), (32, 0, 0), partial=partial)
        assert roi.read_spans().tolist() == [[0, 0, 1, last]]

    def test_something_else_than_a_mask(self, roi: Roi) -> None:
        with pytest.raises(MetadataError, match="expected a mask"):
            roi.set_mask(np.ones((32, 32, 32)))
        with pytest.raises(ValueError, match="partial is"):
            roi.set_mask(np.ones((32, 32, 32), bool), partial="maybe")  # type: ignore[arg-type]


class TestQuestions:
    def test_contains(self, roi: Roi) -> None:
        points = np.random.default_rng(0).integers(START, STOP, (500, 3))
        same(roi.contains(points), mask_of()[0].astype(bool)[tuple((points - START).T)])

    def test_contains_as_the_server_does(self, roi: Roi) -> None:
        from pyvolume.dvid.client import post_document

        points = np.random.default_rng(1).integers(-100, 100, (200, 3))
        answer = post_document(roi.connection, "ask", f"/api/node/{roi.uuid}/nose/ptquery", points.tolist())
        assert roi.contains(points).tolist() == json.loads(answer)

    def test_contains_no_points(self, roi: Roi) -> None:
        assert roi.contains([]).shape == (0,)

    @pytest.mark.parametrize("points", [[[0.5, 0, 0]], [[0, 0]], [0, 0, 0]])
    def test_what_is_no_point(self, roi: Roi, points: Any) -> None:
        with pytest.raises(MetadataError, match="x, y, z"):
            roi.contains(points)

    @pytest.mark.parametrize("side", [1, 2, 3])
    def test_partition_shares_out_the_region(self, roi: Roi, side: int) -> None:
        parts = roi.partition(side)
        assert sum(part.block_count for part in parts) == len(BLOCKS)
        for part in parts:
            same(int(roi.mask_volume().get_ndarray(part.box.start, part.box.stop).sum()), part.block_count * SIDE**3)
            assert part.box.shape == (1, *[side * SIDE] * 3)

    def test_a_cube_without_blocks(self, roi: Roi) -> None:
        with pytest.raises(ValueError, match="side"):
            roi.partition(0)


class TestMask:
    def test_it_is_a_volume(self, roi: Roi) -> None:
        same(roi.mask_volume().get_ndarray(*FULL), mask_of())
        assert (roi.mask_volume().bounds, roi.mask_volume().dtype, roi.mask_volume().mode) == (
            pyvolume.Box(*FULL),
            np.dtype("uint8"),
            "r",
        )

    @pytest.mark.parametrize("low", [(-37, -5, -20), (-40, 3, 3), (3, 3, -10), (5, 7, 9)])
    def test_any_part_of_it(self, roi: Roi, low: tuple[int, int, int]) -> None:
        high = [a + 25 for a in low]
        part = tuple(slice(a - start, b - start) for a, b, start in zip(low, high, START, strict=True))
        same(roi.mask_volume().get_ndarray((0, *low), (1, *high)), mask_of()[(slice(None), *part)])

    def test_outside_is_no_region(self, roi: Roi) -> None:
        same(roi.mask_volume().absolute[0, 1000:1003, -5000, 7], np.zeros(3, "uint8"))

    def test_slicing_makes_no_request(self, roi: Roi) -> None:
        mask = roi.mask_volume()
        with pyvolume.trace() as trace:
            mask[...]
        assert trace.bytes_fetched == 0

    def test_it_is_as_it_was_until_it_is_refreshed(self, roi: Roi) -> None:
        mask = roi.mask_volume()
        roi.set_spans([[0, 0, 0, 0]])
        same(mask.get_ndarray(*FULL), mask_of())
        mask.refresh()
        same(mask.get_ndarray(*FULL), mask_of([(0, 0, 0)]))

    def test_it_is_read_only(self, roi: Roi) -> None:
        with pytest.raises(UnsupportedError, match="reading only"):
            roi.mask_volume()[...] = 1

    def test_a_mask_makes_the_same_region(self, repo: Repo, roi: Roi) -> None:
        other = repo.create_roi("copy", block_shape=(SIDE,) * 3)
        same(other.set_mask(roi.mask_volume().get_ndarray(*FULL), START).read_spans(), np.array(SPANS))

    def test_under_the_name_of_pydvid(self, roi: Roi) -> None:
        from pyvolume.dvid.voxels import RoiMaskAccessor

        mask = pickle.loads(pickle.dumps(RoiMaskAccessor(roi.connection, roi.uuid[:12], "nose")))
        same(mask.get_ndarray(*FULL), mask_of())


class TestMasked:
    def test_outside_reads_as_zero(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any) -> None:
        same(volume.masked(roi).get_ndarray(*FULL), array * mask_of())

    def test_by_name(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any) -> None:
        same(volume.masked("nose").absolute[0, -40:-3, 5:20, 0], (array * mask_of())[0, 24:61, 37:52, 32])

    def test_outside_is_not_written(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any) -> None:
        values = ramp(SHAPE, "uint16", seed=1)
        volume.masked(roi).post_ndarray(*FULL, values)
        same(volume.get_ndarray(*FULL), np.where(mask_of(), values, array))

    def test_a_write_of_no_whole_blocks(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any) -> None:
        low, high = (-50, -20, -31), (50, 50, 40)
        values = ramp((1, 100, 70, 71), "uint16", seed=1)
        volume.masked(roi).post_ndarray((0, *low), (1, *high), values)
        expected = array.copy()
        part = (slice(None), *(slice(a - s, b - s) for a, b, s in zip(low, high, START, strict=True)))
        expected[part] = np.where(mask_of()[part], values, expected[part])
        same(volume.get_ndarray(*FULL), expected)

    def test_a_stepped_write(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any) -> None:
        volume.masked(roi)[:, ::3, 1:64, 5] = 9
        expected = array.copy()
        part = np.s_[:, 64::3, 33:96, 37]
        expected[part] = np.where(mask_of()[part], 9, expected[part])
        same(volume.get_ndarray(*FULL), expected)

    def test_a_region_that_grows_while_blocks_are_merged(
        self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any
    ) -> None:
        roi.clear()
        masked = volume.masked(roi)
        store: Any = masked.store
        write = store.write_box

        def grow_and_write(*args: Any) -> None:
            roi.set_spans(SPANS)
            write(*args)

        store.write_box = grow_and_write
        masked.absolute[:, 1:3, 1:3, 1:3] = 9
        array[:, 65:67, 33:35, 33:35] = 9
        same(volume.get_ndarray(*FULL), array)

    def test_merging_may_be_refused(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi) -> None:
        strict = pyvolume.dvid.VoxelsAccessor(repo.connection, volume.uuid, "gray", partial_blocks="raise").masked(roi)
        with pytest.raises(AlignmentError, match="not merged here"):
            strict[:, 1] = 1

    def test_repr_shows_it(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi) -> None:
        assert "in blocks of 32×32×32, masked by 'nose', mode 'r+'" in repr(volume.masked(roi))

    def test_it_pickles(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any) -> None:
        same(pickle.loads(pickle.dumps(volume.masked(roi))).get_ndarray(*FULL), array * mask_of())

    def test_in_another_version(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi, array: Any) -> None:
        volume.version.commit()
        child = volume.version.new_version()
        child.roi("nose").set_blocks([(0, 0, 0)])
        masked = volume.masked(roi).at(child)
        masked.absolute[:, -5:5, -5:5, -5:5] = 3
        expected = array.copy()
        expected[:, 64:69, 32:37, 32:37] = 3
        same(volume.at(child).get_ndarray(*FULL), expected)
        same(volume.masked(roi).get_ndarray(*FULL), array * mask_of())

    def test_other_blocks_are_refused(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        repo.create_roi("fine", block_shape=(16, 16, 16))
        with pytest.raises(UnsupportedError, match=r"blocks of \(32, 32, 32\) and found \(16, 16, 16\); create one"):
            volume.masked("fine")

    def test_twice_is_refused(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi) -> None:
        with pytest.raises(UnsupportedError, match="masked by 'nose' already"):
            volume.masked(roi).masked(roi)

    def test_a_region_of_another_version_is_refused(self, volume: pyvolume.dvid.VoxelsAccessor, roi: Roi) -> None:
        volume.version.commit()
        child = volume.version.new_version()
        with pytest.raises(UnsupportedError, match="expected a region in version"):
            volume.masked(child.roi("nose"))


class TestVersions:
    def test_a_child_inherits_and_its_parent_stays(self, repo: Repo, roi: Roi) -> None:
        repo.root.commit()
        child = repo.root.new_version().roi("nose")
        same(child.read_spans(), np.array(SPANS))
        child.set_spans([[0, 0, 0, 0]])
        assert (child.read_spans().tolist(), roi.read_spans().tolist()) == ([[0, 0, 0, 0]], SPANS)

    def test_a_committed_version_is_not_written(self, repo: Repo, roi: Roi) -> None:
        repo.root.commit()
        for attempt in (lambda: roi.set_spans([]), roi.clear):
            with pytest.raises(LockedError, match="write to a child"):
                attempt()
        assert roi.read_spans().tolist() == SPANS


class TestRefused:
    def test_a_name_twice(self, repo: Repo, roi: Roi) -> None:
        with pytest.raises(ExistsError, match="has an instance of this name"):
            repo.create_roi("nose")
        assert roi.read_spans().tolist() == SPANS

    def test_a_name_that_is_not_there(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        with pytest.raises(NotFoundError, match="no region"):
            repo.root.roi("ear")
        with pytest.raises(NotFoundError, match="no region"):
            volume.masked("ear")

    def test_an_instance_of_another_type(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        with pytest.raises(UnsupportedError, match="expected an instance of type roi and found uint16blk"):
            repo.root.roi("gray")

    @pytest.mark.parametrize("name", ["a/b", "", "note", "a b"])
    def test_a_name_that_could_not_be_reached(self, repo: Repo, name: str) -> None:
        with pytest.raises(MetadataError, match="expected a name"):
            repo.create_roi(name)

    @pytest.mark.parametrize("blocks", [(32, 32), (32, 32, 0), (32, 32, 1.5), (-1, 32, 32)])
    def test_blocks_that_could_not_be_served(self, repo: Repo, blocks: Any) -> None:
        with pytest.raises(MetadataError, match="create nose"):
            repo.create_roi("nose", block_shape=blocks)
        assert repo.info().instances == {}

    def test_a_committed_version(self, repo: Repo) -> None:
        repo.root.commit()
        with pytest.raises(LockedError, match="every version"):
            repo.create_roi("nose")
        with pytest.raises(LockedError, match="committed"):
            rois.create_new(repo.connection, repo.root_uuid, "nose")


def test_a_masked_volume_has_an_address_of_its_own(volume: pyvolume.dvid.VoxelsAccessor, roi: Roi) -> None:
    masked = volume.masked(roi)
    assert masked.store.address == f"{volume.store.address}?roi=nose"
    assert masked.at(volume.uuid).store.address == masked.store.address
