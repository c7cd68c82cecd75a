"""Volumes of labels: what numpy does with an array, they do with their voxels, however these are sent."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from command import run_command
from conformance_stores import DvidBackend, in_pieces
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keys import is_decided, keys, not_growing
from label_stores import cubes, empty_labels, halved, new_labels

import pyvolume
from pyvolume import Box
from pyvolume.display.neuroglancer import link_of, url_of
from pyvolume.dvid import LabelVolume, VoxelsAccessor
from pyvolume.dvid.labels import Body
from pyvolume.dvid.voxels import create_new
from pyvolume.errors import AddressError, MetadataError, SelectionError, UnsupportedError

SHAPE = (1, 40, 24, 32)
TYPES = ["labelmap", "labelarray", "labelblk"]
SENT = ["auto", "lz4", "gzip", "none"]
COMPRESSIONS = [*SENT, "google", "blocks"]

numbers = itertools.count()

drawn = settings(max_examples=15, suppress_health_check=list(HealthCheck), database=None)


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


PAIRS = [pair for pair in itertools.product(TYPES, COMPRESSIONS) if pair != ("labelblk", "blocks")]


@pytest.mark.parametrize(("typename", "compression"), PAIRS)
def test_reads_drawn_keys_as_numpy_does(dvid: DvidBackend, typename: str, compression: Any) -> None:
    array = cubes(SHAPE)
    plain = new_labels(dvid, array, typename, shape=SHAPE[1:])
    volume = pyvolume.open(plain.store.address, compression=compression, connection=dvid.connection, kind=LabelVolume)

    @drawn
    @given(keys(SHAPE))
    def check(key: Any) -> None:
        same(volume[key], array[key])

    check()


WRITES = [("labelmap", compression) for compression in SENT] + [("labelarray", "auto"), ("labelblk", "gzip")]


@pytest.mark.parametrize(("typename", "compression"), WRITES)
def test_writes_drawn_keys_as_numpy_does(dvid: DvidBackend, typename: str, compression: Any) -> None:
    array = cubes(SHAPE)
    volume = empty_labels(dvid, typename, shape=SHAPE[1:], compression=compression)

    @drawn
    @given(keys(SHAPE), st.data())
    def check(key: Any, data: st.DataObject) -> None:
        key = not_growing(key, SHAPE)
        expected = array.copy()
        shape = expected[key].shape
        smaller = tuple(data.draw(st.sampled_from([n, 1])) for n in shape[data.draw(st.integers(0, len(shape))) :])
        values = np.random.default_rng(1).integers(0, 1 << 41, smaller, np.uint64)
        assume(is_decided(key, SHAPE, values))
        expected[key] = values
        volume.post_ndarray((0,) * 4, SHAPE, array)
        try:
            volume[key] = values
        except SelectionError:
            assert values.size > 1 > np.prod(shape)  # numpy drops the values
        same(volume[...], expected)

    check()


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_pieces_are_put_together(dvid: DvidBackend, compression: Any, concurrency: int) -> None:
    array = cubes(SHAPE, side=3)
    volume = in_pieces(empty_labels(dvid, compression=compression), 2 * 16**3 * 8, concurrency)
    volume.post_ndarray((0,) * 4, SHAPE, array)
    same(volume.read(Box((0,) * 4, SHAPE)), array)
    same(volume.read(Box((0, 3, 5, 7), SHAPE)), array[:, 3:, 5:, 7:])


def test_an_array_in_c_order_is_filled_and_written(dvid: DvidBackend) -> None:
    array = np.ascontiguousarray(cubes(SHAPE))
    volume = new_labels(dvid, array, shape=SHAPE[1:])
    out = np.ones(SHAPE, "uint64")
    for compression in COMPRESSIONS:
        out[...] = 1
        options: Any = {"compression": compression}
        same(volume.version.labels(volume.name, **options).read(volume.bounds, out), array)


def test_voxels_below_zero_are_labels_too(dvid: DvidBackend) -> None:
    array = cubes((1, 30, 40, 20))
    volume = new_labels(dvid, cubes(SHAPE))
    volume.post_ndarray((0, -30, -60, 7), (1, 0, -20, 27), array)
    same(volume.get_ndarray((0, -30, -60, 7), (1, 0, -20, 27)), array)
    assert volume.minindex == (0, -30, -60, 0)


@pytest.mark.parametrize(("typename", "compression"), PAIRS)
def test_a_block_that_is_not_stored_is_zero(dvid: DvidBackend, typename: str, compression: Any) -> None:
    """For exactly one whole block a labelmap stumbles."""
    volume = empty_labels(dvid, typename, compression=compression)
    for start in ((0, 0, 0, 0), (0, 16, -16, 32)):
        out = np.ones((1, 16, 16, 16), "uint64")
        stop = tuple(low + n for low, n in zip(start, out.shape, strict=True))
        assert not volume.get_ndarray(start, stop, out).any()
    volume.post_ndarray((0, 0, 0, 0), (1, 16, 16, 16), np.full((1, 16, 16, 16), 7, "uint64"))
    assert (volume[:, :16, :16, :16] == 7).all()


def test_what_opens_a_volume_opens_labels(dvid: DvidBackend) -> None:
    array = cubes(SHAPE)
    volume = new_labels(dvid, array)
    opened = [
        VoxelsAccessor(dvid.connection, dvid.uuid, volume.name),
        LabelVolume(dvid.connection, dvid.uuid, volume.name),
        volume.version[volume.name],
        volume.version.volume(volume.name),
        pyvolume.open(volume.store.address, connection=dvid.connection),
        volume.at(dvid.uuid),
        pickle.loads(pickle.dumps(volume)),
    ]
    for each in opened:
        assert type(each) is LabelVolume
        same(each[:, : SHAPE[1], : SHAPE[2], : SHAPE[3]], array)
    assert volume.name in volume.version


def test_labels_are_created_by_every_way(dvid: DvidBackend) -> None:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("labels", duplicate_alias=True)
    array = cubes(SHAPE)
    made = repo.create_labels("a", data=array, levels=2)
    url = f"dvid://{dvid.connection.url}/{repo.root_uuid}/b"
    other = pyvolume.create(url, SHAPE, "uint64", typename="labelarray")
    assert isinstance(made, LabelVolume)
    assert isinstance(other, LabelVolume)
    assert (made.typename, other.typename, len(made.scales)) == ("labelmap", "labelarray", 2)
    same(made[...], array)
    plain = repo.create_volume("c", SHAPE[1:], "uint64")
    assert (type(plain), plain.typename) == (VoxelsAccessor, "uint64blk")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"typename": "labelmap", "dtype": "uint32"}, UnsupportedError),
        ({"typename": "uint8blk", "dtype": "uint64"}, UnsupportedError),
        ({"typename": "labelvol", "dtype": "uint64"}, ValueError),
        ({"typename": "labelblk", "dtype": "uint64", "levels": 2}, UnsupportedError),
        ({"dtype": "uint64", "levels": 2}, UnsupportedError),
        ({"typename": "labelmap", "dtype": "uint64", "levels": 0}, ValueError),
        ({"typename": "labelmap", "dtype": "uint64", "levels": 99}, MetadataError),
        ({"typename": "labelmap", "dtype": "uint64", "block_shape": (20, 20, 20)}, MetadataError),
    ],
)
def test_what_cannot_be_created_is_refused(dvid: DvidBackend, words: dict[str, Any], error: type[Exception]) -> None:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("labels", duplicate_alias=True)
    metadata = pyvolume.VoxelsMetadata.of(SHAPE, words["dtype"])
    options = {name: value for name, value in words.items() if name != "dtype"}
    with pytest.raises(error):
        create_new(dvid.connection, repo.root_uuid, "bad", metadata, **options)
    assert not list(repo)


def test_only_labels_are_created_as_labels(dvid: DvidBackend) -> None:
    repo = pyvolume.dvid.Server(dvid.connection).create_repo("labels", duplicate_alias=True)
    for words, error in (({"typename": "uint64blk"}, ValueError), ({"data": np.full((4, 4, 4), -1)}, ValueError),
                         ({"data": np.zeros((2, 4, 4, 4), "uint64")}, UnsupportedError)):  # fmt: skip
        wrong: Any = words
        with pytest.raises(error):
            repo.create_labels("bad", **wrong)
    assert not list(repo)


def test_images_take_no_options_of_labels(dvid: DvidBackend) -> None:
    volume = dvid.new(np.zeros((1, 16, 16, 16), "uint64"))
    for options in ({"compression": "lz4"}, {"ingest": True}):
        wrong: Any = options
        with pytest.raises(UnsupportedError, match="labels"):
            VoxelsAccessor(dvid.connection, dvid.uuid, volume.name, **wrong)
    for act in (volume.version.labels, lambda name: LabelVolume(dvid.connection, dvid.uuid, name)):
        with pytest.raises(UnsupportedError, match="labels"):
            act(volume.name)
    with pytest.raises(UnsupportedError, match="scale"):
        pyvolume.open(f"{volume.store.address}?scale=1", connection=dvid.connection)


ACTS: dict[str, Callable[[LabelVolume], object]] = {
    "body": lambda volume: volume.body(7),
    "body size": lambda volume: volume.body(7).size,
    "body supervoxels": lambda volume: volume.body(7).supervoxels,
    "cleave": lambda volume: volume.cleave(7, [8]),
    "mapping": lambda volume: volume.mapping([7]),
    "max_label": lambda volume: volume.max_label,
    "merge": lambda volume: volume.merge(7, [8]),
    "next_labels": lambda volume: volume.next_labels(1),
    "renumber": lambda volume: volume.renumber({7: 8}),
    "set_extents": lambda volume: volume.set_extents((0,) * 4, (1, 16, 16, 16)),
    "sizes": lambda volume: volume.sizes([7]),
    "split_supervoxel": lambda volume: volume.split_supervoxel(7, Body.to_runs(np.ones((1, 1, 1), bool))),
    "supervoxels": lambda volume: volume.supervoxels,
    "wait_indexed": lambda volume: volume.wait_indexed(),
}
OLDER = {"labelblk": set[str](), "labelarray": {"body", "max_label"}}


@pytest.mark.parametrize(("typename", "act"), [(t, act) for t, able in OLDER.items() for act in sorted({*ACTS} - able)])
def test_what_an_older_type_cannot_do_names_the_one_that_can(dvid: DvidBackend, typename: str, act: str) -> None:
    volume = empty_labels(dvid, typename)
    with pyvolume.trace() as counted, pytest.raises(UnsupportedError, match="labelmap"):
        ACTS[act](volume)
    assert counted.requests == 0


def test_an_older_type_has_no_blocks_of_its_own(dvid: DvidBackend) -> None:
    volume = empty_labels(dvid, "labelblk")
    with pytest.raises(UnsupportedError, match="labelmap"):
        LabelVolume(dvid.connection, volume.uuid, volume.name, compression="blocks")


def test_a_view_has_an_address(dvid: DvidBackend) -> None:
    array = cubes((1, 64, 32, 32))
    volume = new_labels(dvid, array, levels=3)
    view = volume.supervoxels.scale(1)
    assert view.store.address == f"{volume.store.address}?scale=1&supervoxels=true"
    again = pyvolume.open(view.store.address, connection=dvid.connection)
    assert (again, again.bounds) == (pyvolume.open(view.store.address, connection=dvid.connection), view.bounds)
    same(again[...], view[...])
    with pytest.raises(SelectionError, match="levels 0 to 2"):
        pyvolume.open(f"{volume.store.address}?scale=3", connection=dvid.connection)
    with pytest.raises(AddressError):
        pyvolume.open(f"{volume.store.address}?scale=-1", connection=dvid.connection)


@pytest.mark.parametrize("typename", ["labelmap", "labelarray"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_levels_are_read_in_their_own_coordinates(dvid: DvidBackend, typename: str, compression: Any) -> None:
    array = cubes((1, 64, 64, 32), side=3)
    volume = new_labels(dvid, array, typename, levels=3, compression=compression)
    assert [each[1] for each in volume.scales.factors] == [1, 2, 4]
    expected = array
    for number in (1, 2):
        expected = halved(expected)
        level = volume.scale(number)
        assert (level.shape, level.resolution) == (expected.shape, tuple(n * 2**number for n in (8, 8, 40)))
        assert level.scales.current == number
        same(level[...], expected)
        same(level[0, 3:9, ::-2, 5], expected[0, 3:9, ::-2, 5])
        assert not level.absolute[:, -16:0, 0:16, 0:16].any()
    assert volume.scale(1).scale(0) == volume


def test_a_coarser_level_is_not_written(dvid: DvidBackend) -> None:
    level = new_labels(dvid, cubes((1, 32, 32, 32)), levels=2).scale(1)
    with pytest.raises(UnsupportedError, match="level 0"):
        level[0, 0, 0, 0] = 1


def test_levels_begin_at_zero(dvid: DvidBackend) -> None:
    volume = new_labels(dvid, cubes((1, 32, 32, 32)), levels=2)
    with pyvolume.trace() as counted, pytest.raises(UnsupportedError, match="levels"):
        volume.post_ndarray((0, -16, 0, 0), (1, 0, 16, 16), np.ones((1, 16, 16, 16), "uint64"))
    assert counted.bytes_sent == 0


def test_a_mask_is_of_the_finest_level(dvid: DvidBackend) -> None:
    array = cubes((1, 32, 32, 32))
    volume = new_labels(dvid, array, levels=2)
    region = (
        pyvolume.dvid.Server(dvid.connection).repos[dvid.uuid].create_roi(f"of-{volume.name}", block_shape=(16,) * 3)
    )
    region.set_blocks([(0, 0, 0), (1, 1, 0)])
    masked = volume.masked(region)
    inside = np.zeros(array.shape, bool)
    inside[:, :16, :16, :16] = inside[:, 16:, 16:, :16] = True
    same(masked[...], np.where(inside, array, 0))
    for compression in COMPRESSIONS:
        options: Any = {"compression": compression}
        same(volume.version.labels(volume.name, **options).masked(region)[...], np.where(inside, array, 0))
    masked[:, 5:20, 5:20, 5:9] = 3
    place = np.s_[:, 5:20, 5:20, 5:9]
    array[place] = np.where(inside[place], 3, array[place])
    same(volume[...], array)
    with pytest.raises(UnsupportedError, match="level 0"):
        masked.scale(1)


def test_labels_of_points(dvid: DvidBackend) -> None:
    array = cubes((1, 48, 32, 32))
    volume = new_labels(dvid, array, levels=2)
    random = np.random.default_rng(2)
    points = random.integers((0, 0, 0), array.shape[1:], (25_000, 3))
    same(volume.at_points(points), array[0][tuple(points.T)])
    same(volume.at_points(points[:12].reshape(3, 4, 3)), array[0][tuple(points[:12].T)].reshape(3, 4))
    same(volume.at_points(points[0].tolist()), array[0][tuple(points[0])])
    same(volume.at_points([]), np.empty(0, "uint64"))
    half = halved(array)[0]
    same(volume.at_points(points[:99] // 2, scale=1), half[tuple(points[:99].T // 2)])
    same(volume.scale(1).at_points(points[:99] // 2), half[tuple(points[:99].T // 2)])


@pytest.mark.parametrize("typename", TYPES)
def test_labels_of_points_below_zero(dvid: DvidBackend, typename: str) -> None:
    array = cubes((1, 48, 40, 24))
    volume = empty_labels(dvid, typename)
    volume.post_ndarray((0, -20, -20, -7), (1, 28, 20, 17), array)
    points = np.random.default_rng(3).integers((-20, -20, -7), (28, 20, 17), (200, 3))
    same(volume.at_points(points), array[0][tuple((points + np.array([20, 20, 7])).T)])
    same(volume.at_points([(-900, 3, 3), (900, 3, 3)]), np.zeros(2, "uint64"))


@pytest.mark.parametrize("points", [[1, 2], [[1.0, 2, 3]], 5, [[1 << 31, 0, 0]], [["1", "2", "3"]]])
def test_what_is_no_point_is_refused(dvid: DvidBackend, points: Any) -> None:
    volume = empty_labels(dvid)
    with pyvolume.trace() as counted, pytest.raises(SelectionError):
        volume.at_points(points)
    assert counted.requests == 0


def test_numbers_of_labels(dvid: DvidBackend) -> None:
    volume = empty_labels(dvid)
    assert volume.max_label == 0
    array = cubes((1, 32, 32, 48))
    volume.post_ndarray((0,) * 4, array.shape, array)
    volume.wait_indexed()
    labels, counts = np.unique(array[array > 0], return_counts=True)
    same(volume.sizes(labels), counts.astype("uint64"))
    same(volume.sizes([[int(labels[0]), 12345]]), np.array([[counts[0], 0]], "uint64"))
    same(volume.mapping([*labels.tolist(), 12345, (1 << 64) - 1]), np.array([*labels, 0, 0], "uint64"))
    same(volume.mapping([]), np.empty(0, "uint64"))
    assert volume.max_label == labels.max()
    first = volume.next_labels(3)
    assert len(first) == 3
    assert first.start > labels.max()
    assert volume.next_labels(1).start == first.stop
    many = np.arange(25_000, dtype="uint64") + labels[0]
    same(volume.mapping(many), np.where(np.isin(many, labels), many, 0).astype("uint64"))


@pytest.mark.parametrize("labels", [[-1], [1.5], ["7"], [1 << 64], [None]])
def test_what_is_no_label_is_refused(dvid: DvidBackend, labels: Any) -> None:
    volume = empty_labels(dvid)
    with pyvolume.trace() as counted:
        for act in (volume.sizes, volume.mapping, lambda given: volume.merge(1, given)):
            with pytest.raises(MetadataError):
                act(labels)
        for wrong in (0, *(each for each in labels if isinstance(each, int))):
            with pytest.raises(MetadataError):
                volume.body(wrong)
    assert counted.requests == 0


def test_a_link_for_neuroglancer_shows_a_segmentation(dvid: DvidBackend) -> None:
    volume = empty_labels(dvid, levels=2)
    for view in (volume, volume.scale(1), volume.supervoxels):
        link = link_of(view, "seg")
        state = json.loads(unquote(link.partition("#!")[2]))
        assert state["layers"] == [{"type": "segmentation", "source": volume.store.address, "name": "seg"}]
        assert url_of(link) == volume.store.address


def test_the_command_creates_labels_and_describes_them(dvid: DvidBackend) -> None:
    url, name = f"dvid://{dvid.connection.url}/{dvid.uuid}", f"of-the-command-{next(numbers)}"
    options = ["--dtype", "uint64", "--type", "labelmap", "--levels", "3", "--block-shape", "32"]
    made = run_command("create", url, name, *options)
    assert made.code == 0, made.err
    told = run_command("info", f"{url}/{name}", "--json")
    facts = json.loads(told.out)
    assert (facts["type"], facts["level"], len(facts["levels"])) == ("labelmap", 0, 3)
    wrong = run_command("create", url, f"{name}x", "--dtype", "uint8", "--type", "labelmap")
    assert wrong.code
    assert "uint64" in wrong.err
