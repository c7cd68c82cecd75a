"""Volumes of the DataStore: axes, blocks, versions, levels."""

from __future__ import annotations

import contextlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import requests
from conformance_stores import ramp
from numpy.typing import NDArray

import pyvolume
from mockserver import DataStoreServer, MockServer
from pyvolume.errors import (
    AddressError,
    NotFoundError,
    SelectionError,
    TooLargeError,
    UnsupportedError,
    VoxelsMismatchError,
)
from pyvolume.hpc import Dataset, DataStore, DataStoreVolume
from pyvolume.stores.base import identity_of

VOXEL_TYPES = [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64"]


def url_of(dataset: Dataset, query: str = "") -> str:
    return f"hpc://{dataset.connection.url}/{dataset.uuid}{'?' if query else ''}{query}"


def same(found: NDArray[Any], expected: NDArray[Any]) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


class TestUrls:
    def test_a_volume_has_six_axes(self, dataset: Dataset) -> None:
        with pyvolume.open(url_of(dataset), kind=DataStoreVolume) as volume:
            assert (volume.dims, volume.shape) == (tuple("cxyzta"), (2, 10, 9, 5, 3, 2))
            assert volume.store.address == url_of(dataset, "version=0&level=1,1,1")
            assert volume.metadata.labels[4] == ("20", "25", "33")
            assert volume.metadata.resolution == (0.4, 0.4, 1.6, 90.0, 1.0)
            assert (volume.name, volume.mode) == (dataset.uuid, "r")

    @pytest.mark.parametrize(
        ("query", "dims", "shape"),
        [
            ("timepoint=25", "cxyza", (2, 10, 9, 5, 2)),
            ("angle=1", "cxyzt", (2, 10, 9, 5, 3)),
            ("timepoint=25&angle=0", "cxyz", (2, 10, 9, 5)),
            ("channel=1&timepoint=25&angle=0", "cxyz", (1, 10, 9, 5)),
            ("level=2,2,1&timepoint=25", "cxyza", (2, 5, 4, 5, 2)),
            ("level=2", "cxyzta", (2, 1, 1, 1, 3, 2)),
        ],
    )
    def test_a_query_chooses_a_part(self, dataset: Dataset, query: str, dims: str, shape: tuple[int, ...]) -> None:
        with pyvolume.open(url_of(dataset, query)) as volume:
            assert ("".join(volume.dims), volume.shape) == (dims, shape)
            with pyvolume.open(volume.store.address) as again:
                assert again == volume

    @pytest.mark.parametrize(
        ("query", "error"),
        [
            ("version=7", NotFoundError),
            ("version=-1", AddressError),
            ("version=lates", AddressError),
            ("level=3,3,3", NotFoundError),
            ("level=3", NotFoundError),
            ("level=1,1", AddressError),
            ("timepoint=21", NotFoundError),
            ("timepoint=x", AddressError),
            ("channel=2", NotFoundError),
            ("angle=2", NotFoundError),
            ("time=3", AddressError),
            ("timepoint=20&timepoint=25", AddressError),
            ("version=0&version=latest", AddressError),
            *((f"{word}={'9' * 5000}", AddressError) for word in ("version", "level", "timepoint")),
        ],
    )
    def test_what_is_not_there_is_refused(self, dataset: Dataset, query: str, error: type[Exception]) -> None:
        with pytest.raises(error):
            pyvolume.open(url_of(dataset, query))

    @pytest.mark.parametrize(
        ("version", "mode"), [("new", "r"), ("mixedLatest", "r+")], ids=["new for reading", "mixedLatest for writing"]
    )
    def test_a_mode_that_a_version_does_not_allow_is_refused_before_asking(self, version: str, mode: Any) -> None:
        with DataStoreServer() as server:
            with pytest.raises(UnsupportedError, match=version):
                pyvolume.open(f"hpc://{server.url}/a?version={version}", mode)
            assert not server.requests

    def test_the_url_of_a_server_names_the_call(self) -> None:
        with pytest.raises(AddressError, match=r"DataStore\('localhost:9080'\)"):
            pyvolume.open("hpc://localhost:9080")

    @pytest.mark.parametrize("form", ["hpc://{0}/datasets/{1}", "hpc://{0}/{1}/", "HPC://{0}/{1}"])
    def test_other_forms_of_a_url(self, dataset: Dataset, form: str) -> None:
        with pyvolume.open(form.format(dataset.connection.url, dataset.uuid)) as volume:
            assert volume.store.address.startswith(url_of(dataset))

    def test_an_open_costs_two_requests_with_the_first_read(self) -> None:
        with DataStoreServer({"a": np.zeros((1, 8, 8, 8), "uint8")}) as server:
            with pyvolume.open(f"hpc://{server.url}/{server.uuids['a']}") as volume:
                assert len(server.requests) == 1
                volume[...]
                volume[...]
            assert [request.status for request in server.requests] == [200, 307, 200, 200]

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"level": "4,4,4"}, TypeError),
            ({"level": None}, TypeError),
            ({"level": 1.0}, TypeError),
            ({"level": (2.0, 2.0, 1.0)}, TypeError),
            ({"level": -1}, NotFoundError),
            ({"version": "7"}, ValueError),
            ({"version": None}, TypeError),
            ({"version": 10**30}, NotFoundError),
            ({"timepoint": 20.0}, TypeError),
            ({"channel": "0"}, TypeError),
            ({"angle": 10**30}, NotFoundError),
            ({"missing": "x"}, ValueError),
            ({"complete_from": "x"}, ValueError),
            ({"fill_value": -1}, VoxelsMismatchError),
            ({"fill_value": 1.5}, VoxelsMismatchError),
            ({"fill_value": float("nan")}, VoxelsMismatchError),
            ({"mode": "w"}, ValueError),
            ({"version": "new", "casting": "x"}, ValueError),
            ({"version": "new", "partial_blocks": "x"}, ValueError),
            ({"version": "new", "lock": 3}, TypeError),
            ({"version": "new", "fill_value": -1}, VoxelsMismatchError),
            ({"version": "new", "level": 7}, NotFoundError),
        ],
        ids=str,
    )
    def test_options_that_mean_nothing(self, dataset: Dataset, options: Any, error: type[Exception]) -> None:
        with pytest.raises(error):
            dataset.volume(**options)
        assert dataset.versions == (0,)


class TestVoxels:
    @pytest.mark.parametrize("compression", ["raw", "gzip"])
    @pytest.mark.parametrize("dtype", VOXEL_TYPES)
    def test_every_type_comes_back(self, store: DataStore, dtype: str, compression: str) -> None:
        made = store.create_dataset((10, 9, 5), dtype, levels=[((1, 1, 1), (4, 4, 4))], compression=compression)
        volume = made.volume(timepoint=0, angle=0)
        array = ramp((1, 10, 9, 5), dtype)
        extremes = [np.nan, np.inf, -np.inf, -0.0] if volume.dtype.kind == "f" else [*_limits(dtype), 1, 0]
        array[0, :4, 0, 0] = extremes
        volume[...] = array
        same(volume[...], array)
        volume[0, 3:8, 2:7, 1:4] = array[0, :5, :5, :3]
        array[0, 3:8, 2:7, 1:4] = array[0, :5, :5, :3].copy()
        same(made.volume(timepoint=0, angle=0)[...], array)
        store.delete(made.uuid)

    def test_each_part_is_addressed(self, dataset: Dataset) -> None:
        volume, array = dataset.volume(), ramp((2, 10, 9, 5, 3, 2), "uint16")
        volume[...] = array
        same(volume[...], array)
        same(volume[1, 2:9, ::-2, 3, [2, 0], 1], array[1, 2:9, ::-2, 3, [2, 0], 1])
        for position, timepoint in enumerate(dataset.timepoints):
            same(dataset.volume(timepoint=timepoint, angle=1)[...], array[..., position, 1])
        same(dataset.volume(channel=1, timepoint=25)[...], array[1:, ..., 1, :])

    def test_a_part_is_written(self, dataset: Dataset) -> None:
        expected = np.zeros((2, 10, 9, 5, 3, 2), "uint16")
        part = dataset.volume(channel=1, timepoint=25, angle=1)
        part[0, 3:8, 2:7, 1:4] = 7
        expected[1, 3:8, 2:7, 1:4, 1, 1] = 7
        same(dataset.volume()[...], expected)

    def test_bytes_are_big_endian_with_x_first(self, store: DataStore) -> None:
        made = store.create_dataset((3, 2, 2), "uint16", levels=[((1, 1, 1), (4, 4, 4))])
        made.volume(timepoint=0, angle=0)[0] = np.arange(12, dtype="uint16").reshape((3, 2, 2), order="F") + 256
        sent = _raw(store.connection.url, f"/datasets/{made.uuid}/1/1/1/0/0/0/0/0/0/0")
        store.delete(made.uuid)
        assert sent == bytes.fromhex("000000030000000200000002" + "".join(f"{256 + n:04x}" for n in range(12)))

    @pytest.mark.parametrize("size", [(250, 455, 243), (64, 64, 1), (5, 3, 2)])
    def test_edges_of_every_level(self, store: DataStore, size: tuple[int, int, int]) -> None:
        levels = [((1, 1, 1), (64, 64, 64)), ((4, 4, 2), (32, 32, 32)), ((8, 8, 8), (16, 32, 64))]
        made = store.create_dataset(size, "uint8", levels=levels)
        for index in range(3):
            volume = made.volume(level=index, timepoint=0, angle=0)
            array = ramp((1, *made.levels[index].size(size)), seed=index)
            assert volume.shape == array.shape
            volume[...] = array
            same(volume[...], array)
            same(volume[0, -3:, -2:, 0], array[0, -3:, -2:, 0])
        store.delete(made.uuid)

    def test_requests_stay_within_the_limits(self) -> None:
        with DataStoreServer() as server, DataStore(server.url) as store:
            made = store.create_dataset((1000, 320, 8), "uint8", levels=[((1, 1, 1), (8, 8, 8))], timepoints=[100000])
            volume, array = made.volume(timepoint=100000, angle=0), ramp((1, 1000, 320, 8))
            volume[...] = array
            same(volume[...], array)
            assert {request.status for request in server.requests} <= {200, 307}
            assert max(len(request.path) for request in server.requests) > 2400

    def test_a_large_write_is_sent_in_several_bodies(self) -> None:
        with DataStoreServer() as server, DataStore(server.url) as store:
            made = store.create_dataset((256, 256, 256), "uint16", levels=[((1, 1, 1), (64, 64, 64))])
            volume = made.volume(timepoint=0, angle=0)
            volume[...] = 7
            bodies = [request.length for request in server.requests if request.method == "POST"]
            assert max(bodies[1:]) < 10 << 20
            assert (volume[...] == 7).all()

    def test_a_block_that_no_request_can_hold_is_refused(self) -> None:
        with DataStoreServer() as server, DataStore(server.url) as store:
            made = store.create_dataset((16, 16, 16), "uint8", levels=[((1, 1, 1), (16, 16, 16))])
            volume = made.volume(timepoint=0, angle=0)
            volume.store.dtype = np.dtype("V4096")  # as if a voxel had so many bytes
            with pytest.raises(TooLargeError, match="10 MiB"):
                volume.store.write_box(volume.bounds, np.zeros(volume.shape), volume.store.connection.new_call())


class TestMissingBlocks:
    def test_they_are_zero(self, dataset: Dataset) -> None:
        assert not dataset.volume()[...].any()

    def test_they_have_the_fill_value(self, dataset: Dataset) -> None:
        volume = dataset.volume(fill_value=9)
        volume[0, :4, :4, :4, 0, 0] = 1
        expected = np.full((2, 10, 9, 5, 3, 2), 9, "uint16")
        expected[0, :4, :4, :4, 0, 0] = 1
        same(volume[...], expected)

    def test_they_are_an_error_on_request(self, dataset: Dataset) -> None:
        volume = dataset.volume(missing="raise", timepoint=20, angle=0)
        volume[0, :4, :4, :4] = 1
        assert (volume[0, 1:3, 1:3, 1:3] == 1).all()
        with pytest.raises(NotFoundError, match="not stored"):
            volume[0, 1:5, 1:3, 1:3]

    def test_each_block_is_asked_for(self, dataset: Dataset) -> None:
        volume = dataset.volume(timepoint=20, angle=0)
        volume[1, 5, 5, 4] = 1
        expected = np.zeros((2, 3, 3, 2), bool)
        expected[1, 1, 1, 1] = True
        same(volume.exists(), expected)
        same(volume.exists(((1, 4, 0, 4), (2, 5, 9, 5))), expected[1:, 1:2, :, 1:])
        with pytest.raises(SelectionError):
            volume.exists(((0, 0, 0, 0), (1, 20, 1, 1)))

    def test_a_block_of_another_size_is_cropped_or_filled(self) -> None:
        with DataStoreServer() as server, DataStore(server.url) as store:
            made = store.create_dataset((6, 4, 4), "uint8", levels=[((1, 1, 1), (4, 4, 4))])
            full = np.full((4, 4, 4), 5, "uint8").tobytes()
            _raw(server.url, f"/datasets/{made.uuid}/1/1/1/0/1/0/0/0/0/0", b"\0\0\0\4" * 3 + full)
            _raw(server.url, f"/datasets/{made.uuid}/1/1/1/0/0/0/0/0/0/0", b"\0\0\0\2" * 3 + full[:8])
            expected = np.zeros((1, 6, 4, 4), "uint8")
            expected[:, 4:] = 5
            expected[:, :2, :2, :2] = 5
            same(made.volume(timepoint=0, angle=0)[...], expected)


class TestVersions:
    @pytest.fixture
    def history(self, dataset: Dataset) -> tuple[Dataset, NDArray[Any]]:
        """Give a dataset whose version 0 is full, and its voxels."""
        array = ramp((2, 10, 9, 5), "uint16")
        dataset.volume(timepoint=20, angle=0)[...] = array
        return dataset, array

    def test_a_few_voxels_in_a_new_version_change_these_only(self, history: tuple[Dataset, NDArray[Any]]) -> None:
        dataset, array = history
        new = dataset.volume("new", timepoint=20, angle=0)
        assert new.version == 1
        new[1, 3:5, 2:7, 3] = 7
        expected = array.copy()
        expected[1, 3:5, 2:7, 3] = 7
        same(dataset.volume("mixedLatest", timepoint=20, angle=0, mode="r")[...], expected)
        same(dataset.volume(0, timepoint=20, angle=0)[...], array)

    def test_a_border_block_comes_from_the_nearest_older_version(self, history: tuple[Dataset, NDArray[Any]]) -> None:
        dataset, array = history
        first = dataset.volume("new", timepoint=20, angle=0)
        first[0, :4, :4, :4] = array[0, :4, :4, :4] + 1
        dataset.new_version()
        array[0, :4, :4, :4] += 1
        third = dataset.volume("new", timepoint=20, angle=0)
        third[0, 2:6, 1, 1] = 7
        array[0, 2:6, 1, 1] = 7
        same(third[0, :8, :4, :4], array[0, :8, :4, :4])
        same(dataset.volume("mixedLatest", timepoint=20, angle=0, mode="r")[...], array)

    def test_a_volume_does_not_ask_a_version_that_the_program_has_deleted(
        self, history: tuple[Dataset, NDArray[Any]]
    ) -> None:
        dataset, array = history
        dataset.new_version()
        second = dataset.volume("new", timepoint=20, angle=0)
        second[0, 2, 1, 1] = 7  # version 1 is asked for its block
        dataset.delete_versions(1)
        second[0, 9, 8, 4] = 8
        array[0, 2, 1, 1], array[0, 9, 8, 4] = 7, 8
        assert dataset.versions == (0, 2)  # a request for blocks of version 1 would have made it again
        same(dataset.volume("mixedLatest", timepoint=20, angle=0, mode="r")[...], array)
        dataset.delete_versions(2)
        with pytest.raises(NotFoundError, match="no such version"):
            second[0, 9, 8, 4]
        assert len(dataset.versions) == 1

    def test_a_border_block_is_filled_on_request(self, history: tuple[Dataset, NDArray[Any]]) -> None:
        dataset, _ = history
        new = dataset.volume("new", timepoint=20, angle=0, complete_from="fill", fill_value=3)
        new[0, 1, 1, 1] = 7
        expected = np.full((4, 4, 4), 3, "uint16")
        expected[1, 1, 1] = 7
        same(new[0, :4, :4, :4], expected)

    def test_an_old_version_is_not_completed_from_a_newer_one(self, dataset: Dataset) -> None:
        newer = dataset.volume("new", timepoint=20, angle=0)
        newer[...] = 5
        old = dataset.volume(0, timepoint=20, angle=0)
        old[0, 1, 1, 1] = 7
        assert old[0, :4, :4, :4].sum() == 7

    def test_version_algebra(self, history: tuple[Dataset, NDArray[Any]]) -> None:
        dataset, array = history
        new = dataset.volume("new", timepoint=20, angle=0)
        new[:, 4:8, 4:8, :4] = 9
        latest = dataset.volume("latest", timepoint=20, angle=0)
        assert (latest.version, latest[0, 0, 0, 0], latest[0, 4, 4, 0]) == (1, 0, 9)
        assert dataset.volume(0, timepoint=20, angle=0)[0, 4, 4, 0] == array[0, 4, 4, 0]
        dataset.delete_versions(1)
        assert dataset.volume("latest", timepoint=20, angle=0).version == 0
        assert dataset.new_version() == 1

    def test_a_handle_stays_with_its_number(self, dataset: Dataset) -> None:
        volume = dataset.volume("latest")
        dataset.new_version()
        assert volume.version == 0
        assert volume.at("latest").version == 1
        assert volume.at("1").version == 1
        assert volume.version_labels() == {"0": "version 0", "1": "version 1"}
        assert dataset.at(0).version == dataset.at("0").version == 0
        assert dataset.at("mixedLatest").mode == "r"

    def test_a_pickled_volume_makes_no_version(self, dataset: Dataset) -> None:
        volume = dataset.volume("new")
        again = pickle.loads(pickle.dumps(volume))
        again[0, 0, 0, 0, 0, 0] = 5
        assert (again, dataset.versions) == (volume, (0, 1))
        assert volume[0, 0, 0, 0, 0, 0] == 5
        again.close()

    def test_a_read_only_version_is_not_written(self, dataset: Dataset) -> None:
        mixed = dataset.volume("mixedLatest", mode="r")
        with pytest.raises(UnsupportedError):
            mixed[0, 0, 0, 0, 0, 0] = 1


def test_levels_are_volumes_of_their_own(dataset: Dataset) -> None:
    volume = dataset.volume()
    lower = volume.scale(1)
    assert (lower.shape, volume.scales.factors[1]) == ((2, 5, 4, 5, 3, 2), (1, 2, 2, 1, 1, 1))
    lower[...] = 3
    assert (dataset.volume(level=(2, 2, 1))[...] == 3).all()
    assert not volume[...].any()


def test_views_of_one_volume_lock_the_same_blocks(dataset: Dataset) -> None:
    names: list[list[str]] = []

    def lock(name: str) -> Any:
        names[-1].append(name)
        return contextlib.nullcontext()

    whole = dataset.volume(lock=lock)
    part = dataset.volume(timepoint=25, angle=1, channel=1, lock=lock)
    for volume, key in ((whole, (1, 5, 5, 1, 1, 1)), (part, (0, 5, 5, 1))):
        names.append([])
        volume[key] = 7
    assert names[0] == names[1] != []
    assert whole.store.in_whole(whole.bounds) == whole.bounds


def test_writers_through_different_views_lose_nothing(dataset: Dataset) -> None:
    whole = dataset.volume()
    part = dataset.volume(timepoint=25, angle=1)

    def write(n: int) -> None:
        whole[0, n // 4, n % 4, 0, 1, 1] = n + 1
        part[0, n // 4, n % 4, 1] = n + 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(12)))
    same(part[0, :3, :4, 0].ravel(), np.arange(1, 13, dtype="uint16"))
    same(part[0, :3, :4, 1].ravel(), np.arange(1, 13, dtype="uint16"))


def test_a_write_is_read_back_on_request() -> None:
    with DataStoreServer({"a": np.zeros((1, 64, 64, 64), "uint8")}) as server, DataStore(server.url) as store:
        volume = store.dataset(server.uuids["a"]).volume(timepoint=0, angle=0, verify=True)
        volume[0, :32] = 7
        methods = [request.method for request in server.requests[-2:]]
        assert methods == ["POST", "GET"]


def test_a_copy_goes_to_another_protocol_and_back(dataset: Dataset) -> None:
    array = ramp((1, 10, 9, 5), "uint16")
    with MockServer({"gray": array}) as server:
        gray = pyvolume.open(f"dvid://{server.url}/:master/gray", mode="r+")
        part = dataset.volume(channel=1, timepoint=25, angle=0)
        pyvolume.copy(gray, part)
        same(part[...], array)
        gray[...] = 0
        pyvolume.copy(part, gray, verify=True)
        same(gray[...], array)
        gray.close()


def _limits(dtype: str) -> tuple[int, int]:
    return np.iinfo(dtype).min, np.iinfo(dtype).max


def _raw(url: str, path: str, body: bytes | None = None) -> bytes:
    headers = {"Content-Type": "application/octet-stream"}
    answer = requests.request("GET" if body is None else "POST", url + path, data=body, headers=headers, timeout=60)
    answer.raise_for_status()
    return answer.content


def test_a_journal_can_tell_which_versions_a_source_shows(dataset: Dataset) -> None:
    def seen(version: Any) -> str:
        return identity_of(dataset.volume(version, mode="r").store)

    before = seen(0), seen("mixedLatest")
    dataset.new_version()
    assert seen(0) == before[0] != seen(1)
    assert seen("mixedLatest") != before[1]
