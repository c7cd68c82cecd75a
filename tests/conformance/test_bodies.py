"""Bodies of labels: what the index says of them, compared with the voxels, and how they are edited."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend
from label_stores import BIG, Labels, cubes, empty_labels, new_labels
from numpy.typing import NDArray

import pyvolume
from pyvolume import Box
from pyvolume.dvid import Body, LabelVolume
from pyvolume.dvid.labels.edits import Renumbering
from pyvolume.errors import (
    BusyTimeoutError,
    LockedError,
    MetadataError,
    NotFoundError,
    RefusedError,
    SelectionError,
    UnsupportedError,
)

SHAPE = (1, 48, 40, 32)
TYPES = ["labelmap", "labelarray"]


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def indexed(volume: LabelVolume) -> LabelVolume:
    """Wait until the index has what was written; an older type has no way to ask, and is looked at."""
    if volume.typename == "labelmap":
        volume.wait_indexed()
        return volume
    voxels = volume.read(volume.bounds)
    for label in np.unique(voxels[voxels > 0]).tolist():
        for _ in range(1000):
            if volume.body(label).exists and len(volume.body(label).voxels()) == (voxels == label).sum():
                break
    return volume


def places(array: Labels, label: int, start: tuple[int, int, int] = (0, 0, 0)) -> NDArray[np.int64]:
    """Return the voxels of a label, sorted by z, y and x."""
    found = np.argwhere(label == array[0].T)[:, ::-1] + np.array(start)
    return np.ascontiguousarray(found)


LABELS = [BIG + 1, BIG + 4]


@pytest.mark.parametrize("typename", TYPES)
def test_a_body_has_the_voxels_of_its_label(dvid: DvidBackend, typename: str) -> None:
    array = cubes(SHAPE)
    volume = indexed(new_labels(dvid, array, typename))
    for label in LABELS:
        body = volume.body(label)
        assert (body.label, body.exists) == (label, True)
        expected = places(array, label)
        same(body.voxels(), expected)
        blocks = np.unique(expected // 16, axis=0)
        same(body.coarse(), blocks[np.lexsort(blocks.T)])
        low, high = expected.min(axis=0) // 16 * 16, expected.max(axis=0) // 16 * 16 + 16
        assert body.bounding_box == Box((0, *low.tolist()), (1, *high.tolist()))
        box = body.bounding_box
        around = np.zeros((1, 48, 48, 32), "uint64")
        around[:, :48, :40] = array
        same(body.mask(), around[box.slices_from((0,) * 4)] == label)


@pytest.mark.parametrize("typename", TYPES)
@pytest.mark.parametrize(
    "box",
    [Box((0, 3, 5, 7), (1, 41, 22, 9)), Box((0, -9, -9, -9), (1, 99, 99, 5)), Box((0, 100, 0, 0), (1, 120, 9, 9))],
)
def test_a_box_limits_what_is_read_of_a_body(dvid: DvidBackend, typename: str, box: Box) -> None:
    array = cubes(SHAPE, side=13)
    volume = indexed(new_labels(dvid, array, typename))
    body, whole = volume.body(LABELS[0]), places(array, LABELS[0])
    inside = ((whole >= box.start[1:]) & (whole < box.stop[1:])).all(axis=1)
    same(body.voxels(box), whole[inside])
    mask = np.zeros(box.shape, bool)
    mask[0][tuple((whole[inside] - box.start[1:]).T)] = True
    same(body.mask(box), mask)
    runs = body.runs(box)
    same(Body.from_runs(runs, box), mask)
    same(Body.to_runs(mask, box.start), runs)


def test_a_body_below_zero_is_read_in_another_way(dvid: DvidBackend) -> None:
    """The server would end its process over its runs."""
    array = cubes(SHAPE, side=7)
    volume = empty_labels(dvid)
    start = (-20, -37, 5)
    stop = tuple(low + n for low, n in zip(start, SHAPE[1:], strict=True))
    volume.post_ndarray((0, *start), (1, *stop), array)
    volume.wait_indexed()
    body = volume.body(LABELS[1])
    same(body.voxels(), places(array, LABELS[1], start))
    box = Box((0, -11, -11, 0), (1, 7, 7, 17))
    expected = volume.read(box) == LABELS[1]
    same(body.mask(box), expected)
    same(volume.supervoxels.body(LABELS[1]).mask(box), expected)
    assert body.bounding_box.start[1] < 0


def test_bodies_have_levels(dvid: DvidBackend) -> None:
    array = cubes((1, 64, 64, 32))
    volume = indexed(new_labels(dvid, array, levels=3))
    for number in (1, 2):
        level = volume.scale(number)
        body, expected = volume.body(LABELS[0]), level[...]
        same(body.voxels(scale=number), places(expected, LABELS[0]))
        same(level.body(LABELS[0]).voxels(), places(expected, LABELS[0]))
        box = Box((0, 2, 3, 1), (1, 13, 9, 8))
        same(body.mask(box, scale=number), expected[box.slices_from((0,) * 4)] == LABELS[0])
        same(
            level.body(LABELS[0]).mask(),
            expected[Box(*halved_corners(body, number)).slices_from((0,) * 4)] == LABELS[0],
        )
    with pytest.raises(SelectionError, match="levels 0 to 2"):
        volume.body(LABELS[0]).runs(scale=3)


def halved_corners(body: Body, times: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    box = body.bounding_box
    return (0, *(n >> times for n in box.start[1:])), (1, *(n >> times for n in box.stop[1:]))


@pytest.mark.parametrize("typename", TYPES)
def test_what_is_not_there_is_not_found(dvid: DvidBackend, typename: str) -> None:
    volume = indexed(new_labels(dvid, cubes((1, 16, 16, 16)), typename))
    body = volume.body(4711)
    assert not body.exists
    for act in (lambda: body.bounding_box, body.runs, body.coarse, body.mask, body.voxels):
        with pytest.raises(NotFoundError, match="4711"):
            act()
    if typename == "labelmap":
        assert body.size == 0
        with pytest.raises(NotFoundError):
            _ = body.supervoxels


def test_a_box_of_a_body_has_three_axes_and_the_channel(dvid: DvidBackend) -> None:
    body = indexed(new_labels(dvid, cubes((1, 16, 16, 16)))).body(LABELS[0])
    for box in [((0, 0, 0), (3, 3, 3)), ((1, 0, 0, 0), (2, 3, 3, 3)), ((0, 0, 0, 0), (2, 3, 3, 3))]:
        with pytest.raises(SelectionError):
            body.runs(box)


def test_handles_of_one_body_are_equal(dvid: DvidBackend) -> None:
    volume = empty_labels(dvid)
    assert volume.body(7) == volume.body(np.uint64(7))
    assert len({volume.body(7), volume.body(7), volume.body(8), volume.supervoxels.body(7)}) == 3
    assert "body" in repr(volume.body(7))
    assert volume.body(7) != 7


def test_bodies_are_merged_and_cleaved(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = indexed(new_labels(dvid, array))
    first, second, third = (BIG + n for n in (1, 2, 3))
    merged = volume.merge(first, [second, third])
    assert (merged.into, merged.labels) == (first, (second, third))
    assert merged.mutation
    expected = np.where(np.isin(array, (second, third)), np.uint64(first), array)
    same(volume[...], expected)
    same(volume.supervoxels[...], array)
    body = volume.body(first)
    same(body.supervoxels, np.array([first, second, third], "uint64"))
    assert body.size == (expected == first).sum()
    assert volume.supervoxels.body(second).size == (array == second).sum()
    same(volume.mapping([second, third]), np.array([first, first], "uint64"))
    assert not volume.body(second).exists
    assert volume.supervoxels.body(second).exists
    cleaved = volume.cleave(first, [first, third])
    assert (cleaved.label, cleaved.supervoxels) == (first, (first, third))
    same(
        volume[...],
        np.where(
            np.isin(array, (first, third)),
            np.uint64(cleaved.cleaved),
            np.where(array == second, np.uint64(first), array),
        ),
    )
    same(volume.body(first).supervoxels, np.array([second], "uint64"))


def test_a_merge_again_finds_bodies_that_are_no_supervoxels(dvid: DvidBackend) -> None:
    """The number of a cleaved body is that of no supervoxel."""
    array = cubes(SHAPE)
    volume = indexed(new_labels(dvid, array))
    first, second, third = (BIG + n for n in (1, 2, 3))
    volume.merge(first, [second])
    new = volume.cleave(first, [second]).cleaved
    volume.merge(third, [new])
    same(volume[...], np.where(array == second, np.uint64(third), array))


def test_a_supervoxel_is_split(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = indexed(new_labels(dvid, array))
    label = LABELS[0]
    runs = volume.body(label).runs(Box((0, 0, 0, 0), (1, 24, 40, 32)))
    split = volume.split_supervoxel(label, runs)
    expected = array.copy()
    expected[array == label] = split.remain
    expected[Body.from_runs(runs, ((0,) * 4, SHAPE))] = split.split
    same(volume.supervoxels[...], expected)
    same(volume[...], array)
    assert split.supervoxel == label
    same(volume.body(label).supervoxels, np.sort(np.array([split.split, split.remain], "uint64")))


def test_bodies_are_renumbered(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = indexed(new_labels(dvid, array))
    new = volume.next_labels(2)
    labels = {LABELS[0]: new[0], LABELS[1]: new[1]}
    assert volume.renumber(labels) == Renumbering(tuple(labels.items()))
    expected = array.copy()
    for old, number in labels.items():
        expected[array == old] = number
    same(volume[...], expected)
    with pytest.raises(RefusedError):
        volume.renumber({BIG + 2: new[0]})


def test_edits_that_cannot_be_are_refused(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = indexed(new_labels(dvid, array))
    first, second = LABELS
    outside = Body.to_runs(np.ones((3, 40, 3), bool))
    whole = volume.body(first).runs()
    refused: list[tuple[Any, type[Exception]]] = [
        (lambda: volume.merge(first, [first, second]), MetadataError),
        (lambda: volume.merge(first, []), MetadataError),
        (lambda: volume.merge(first, [second, second]), MetadataError),
        (lambda: volume.merge(first, [0]), MetadataError),
        (lambda: volume.merge(first, [4711]), NotFoundError),
        (lambda: volume.merge(4711, [first]), NotFoundError),
        (lambda: volume.cleave(first, [second]), NotFoundError),
        (lambda: volume.cleave(first, [first]), RefusedError),
        (lambda: volume.split_supervoxel(first, outside), MetadataError),
        (lambda: volume.split_supervoxel(first, whole), MetadataError),
        (lambda: volume.split_supervoxel(first, whole[:0]), MetadataError),
        (lambda: volume.split_supervoxel(first, np.ones(4, np.void)), MetadataError),
        (lambda: volume.split_supervoxel(4711, whole), NotFoundError),
        (lambda: volume.renumber({}), MetadataError),
        (lambda: volume.renumber({first: 7, second: 7}), MetadataError),
        (lambda: volume.renumber({4711: 12}), NotFoundError),
        (lambda: volume.next_labels(0), ValueError),
    ]
    for act, error in refused:
        with pytest.raises(error):
            act()
    same(volume[...], array)
    same(volume.supervoxels[...], array)


def test_a_volume_that_is_read_only_is_not_edited(dvid: DvidBackend) -> None:
    name = new_labels(dvid, cubes(SHAPE)).name
    volume = LabelVolume(dvid.connection, dvid.uuid, name, mode="r")
    for act in (lambda: volume.merge(LABELS[0], LABELS[1:]), lambda: volume.next_labels(1)):
        with pyvolume.trace() as counted, pytest.raises(UnsupportedError, match="reading"):
            act()
        assert counted.requests == 0


def test_a_committed_version_is_not_edited(dvid: DvidBackend) -> None:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("edits", duplicate_alias=True)
    array = cubes(SHAPE)
    volume = repo.create_labels("seg", data=array, block_shape=(16, 16, 16))
    assert isinstance(volume, LabelVolume)
    indexed(volume)
    repo.root.commit()
    with pytest.raises(LockedError, match="new_version"):
        volume.merge(LABELS[0], LABELS[1:])
    child = volume.at(repo.root.new_version())
    assert isinstance(child, LabelVolume)
    child.merge(LABELS[0], LABELS[1:])
    same(volume[...], array)
    same(child[...], np.where(array == LABELS[1], np.uint64(LABELS[0]), array))


def test_a_write_completes_blocks_with_what_is_stored(dvid: DvidBackend) -> None:
    """Blocks hold supervoxels: the bodies that are read there would be written in their place."""
    array = cubes(SHAPE)
    volume = indexed(new_labels(dvid, array))
    volume.merge(LABELS[0], LABELS[1:])
    volume[:, 3:7, 3:7, 3:7] = BIG + 9
    array[:, 3:7, 3:7, 3:7] = BIG + 9
    same(volume.supervoxels[...], array)
    same(volume[...], np.where(array == LABELS[1], np.uint64(LABELS[0]), array))


def test_a_rewrite_counts_no_voxel_twice(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = new_labels(dvid, array)
    volume[...] = array
    volume[:, 5:20] = array[:, 5:20]
    volume.wait_indexed()
    labels, counts = np.unique(array[array > 0], return_counts=True)
    same(volume.sizes(labels), counts.astype("uint64"))


def test_a_first_write_is_counted_once(dvid: DvidBackend) -> None:
    array = cubes((1, 48, 48, 32))
    for compression in ("auto", "none", "blocks"):
        volume = empty_labels(dvid, ingest=True, compression=compression)
        volume.post_ndarray((0,) * 4, array.shape, array)
        volume.wait_indexed()
        labels, counts = np.unique(array[array > 0], return_counts=True)
        same(volume.sizes(labels), counts.astype("uint64"))
        same(volume[...], array)


def test_the_index_is_waited_for_where_it_is_asked_for(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = new_labels(dvid, array)
    volume.wait_indexed(box=Box((0, 5, 5, 5), (1, 20, 20, 20)))
    volume.wait_indexed()
    with pyvolume.trace() as counted:
        volume.wait_indexed()
    assert counted.requests == 0


def test_an_index_that_stays_behind_is_an_error(dvid: DvidBackend) -> None:
    """Without an index of what is written there is none to wait for."""
    array = cubes((1, 32, 32, 32))
    volume = empty_labels(dvid)
    volume.ingest(array, indexing=False)
    with pytest.raises(BusyTimeoutError, match="index"):
        volume.wait_indexed(0)
