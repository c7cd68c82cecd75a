"""Datasets: creating, describing, changing and deleting them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import requests

from mockserver import DataStoreServer, Fault
from pyvolume import Connection, RetryPolicy
from pyvolume.errors import AddressError, ForbiddenError, MetadataError, NotFoundError, StoreError
from pyvolume.hpc import Dataset, DataStore, LevelInfo
from pyvolume.hpc.levels import propose

HASTY = RetryPolicy(patience=0)


def test_a_dataset_is_what_was_created(dataset: Dataset) -> None:
    info = dataset.info()
    assert (info.label, info.dtype, info.size) == ("pyvolume test", np.dtype("uint16"), (10, 9, 5))
    assert info.levels[1] == LevelInfo((2, 2, 1), (4, 4, 4))
    assert (dataset.timepoints, dataset.channels, dataset.angles, dataset.versions) == ((20, 25, 33), 2, 2, (0,))
    assert (info.resolution, info.units) == ((0.4, 0.4, 1.6, 90.0, 1.0), ("um", "um", "um", "s", ""))


def test_a_time_point_is_found_by_its_id(dataset: Dataset) -> None:
    assert [dataset.timepoint(number) for number in (20, 25, 33)] == [0, 1, 2]
    with pytest.raises(NotFoundError, match="20, 25, 33"):
        dataset.timepoint(21)


def test_a_handle_of_an_unknown_dataset_is_refused(store: DataStore) -> None:
    with pytest.raises(NotFoundError, match="nope"):
        store.dataset("nope")


@pytest.mark.parametrize(
    "changed",
    [
        {"shape": (10, 9)},
        {"shape": (10, 9, 0)},
        {"shape": (10, 9, 5.5)},
        {"dtype": "complex64"},
        {"timepoints": []},
        {"timepoints": 0},
        {"timepoints": 10**9},
        {"timepoints": [1.5]},
        {"timepoints": [-1]},
        {"timepoints": "ab"},
        {"timepoints": [1, 1]},
        {"channels": 0},
        {"unit": "m" * 256},
        {"time_resolution": (1.0, "s" * 138)},
        {"resolution": 0},
        {"resolution": float("nan")},
        {"resolution": (1e-300, 1, 1)},
        {"resolution": None},
        {"time_resolution": 5.0},
        {"time_resolution": (float("inf"), "s")},
        {"unit": None},
        {"resolution": (1, 1)},
        {"compression": "blosc"},
        {"label": "7"},
        {"label": "a/b"},
        {"label": "a\0b"},
        {"label": "é" * 128},
        {"levels": []},
        {"levels": [((2, 2, 2), (4, 4, 4))]},
        {"levels": [((1, 1, 1), (4, 4, 4)), ((1, 1, 1), (8, 8, 8))]},
        {"levels": [((1, 1, 1), (4, 4))]},
        {"levels": [((1, 1, 1), (512, 512, 64))]},
    ],
    ids=str,
)
def test_what_the_server_would_lose_or_change_is_refused_before_asking(changed: dict[str, Any]) -> None:
    with DataStoreServer() as server, DataStore(server.url) as store:
        arguments: dict[str, Any] = {"shape": (10, 9, 5), "dtype": "uint16"} | changed
        with pytest.raises((MetadataError, TypeError, ValueError)):
            store.create_dataset(**arguments)
        assert not server.requests


def test_numbers_of_numpy_are_numbers(store: DataStore) -> None:
    given: dict[str, Any] = {
        "shape": np.array([8, 7, 6]),
        "timepoints": np.array([9, 4]),
        "channels": np.int8(2),
        "resolution": np.float32(0.5),
    }
    made = store.create_dataset(dtype=">u2", **given)
    assert (made.timepoints, made.channels, made.info().resolution[:3]) == ((4, 9), 2, (0.5, 0.5, 0.5))
    chosen: dict[str, Any] = {"version": np.int64(0), "level": np.int64(0), "timepoint": np.int64(9)}
    volume = made.volume(**chosen)
    assert volume.store.address.endswith("?version=0&level=1,1,1&timepoint=9")
    store.delete(made.uuid)


def test_a_lost_create_is_not_repeated_and_says_that_a_dataset_may_exist() -> None:
    faults = [Fault("lost", method="POST")]
    with DataStoreServer(faults=faults) as server, DataStore(server.url) as store:
        with pytest.raises(StoreError) as found:
            store.create_dataset((10, 9, 5), "uint16")
        assert found.value.uncertain
        assert "may exist" in str(found.value)
        assert [request.method for request in server.requests] == ["POST"]


def test_a_dataset_that_the_server_loses_is_noticed(store: DataStore) -> None:
    document = {
        "voxelType": "uint8",
        "dimensions": [8, 8, 8],
        "voxelUnit": "um",
        "voxelResolution": [1, 1, 1],
        "timepointResolution": {"value": 1, "unit": "s" * 200},
        "compression": "raw",
        "resolutionLevels": [{"resolutions": [1, 1, 1], "blockDimensions": [8, 8, 8]}],
    }
    url = f"{store.connection.url}/datasets"
    lost = requests.post(url, json=document, timeout=60)
    assert lost.status_code == 200
    with pytest.raises(NotFoundError):
        store.dataset(lost.text)
    requests.post(f"{url}/{lost.text}", timeout=60).raise_for_status()  # the folder becomes a dataset again
    store.delete(lost.text)


def test_a_create_whose_dataset_is_lost_is_an_error() -> None:
    with DataStoreServer() as server, DataStore(server.url) as store:
        server.faults.add(Fault("error", method="GET", status=404, text="Dataset with UUID = x not found "))
        with pytest.raises(NotFoundError, match="gave the uuid"):
            store.create_dataset((10, 9, 5), "uint16")


def test_a_negative_time_point_is_refused() -> None:
    # the server skips the minus sign in the path of several blocks: it would read and write other blocks
    document = {
        "voxelType": "uint8", "dimensions": [8, 8, 8], "timepoints": 2, "timepointIds": [-5, 5], "voxelUnit": "um",
        "voxelResolution": [1, 1, 1], "compression": "raw",
        "resolutionLevels": [{"resolutions": [1, 1, 1], "blockDimensions": [4, 4, 4]}],
    }  # fmt: skip
    with DataStoreServer() as server, DataStore(server.url) as store:
        uuid = requests.post(f"{server.url}/datasets", json=document, timeout=60).text
        with pytest.raises(MetadataError, match="timepointIds"):
            store.dataset(uuid)


class TestLevels:
    @pytest.mark.parametrize(
        ("size", "resolution", "factors"),
        [
            ((100, 100, 100), (1, 1, 1), ["1,1,1"]),
            ((1024, 1024, 1024), (1, 1, 1), ["1,1,1", "2,2,2", "4,4,4"]),
            ((1000, 800, 90), (0.4, 0.4, 1.6), ["1,1,1", "2,2,1", "4,4,1"]),
            ((1000, 1000, 1000), (1, 1, 8), ["1,1,1", "2,2,1", "4,4,1", "8,8,2"][:3]),
            ((3000, 1, 1), (1, 1, 1), ["1,1,1", "2,1,1", "4,1,1", "8,1,1", "16,1,1"]),
        ],
    )
    def test_proposed_levels_become_isotropic(
        self, size: tuple[int, ...], resolution: tuple[float, ...], factors: list[str]
    ) -> None:
        found = propose(size, resolution)
        assert [str(level) for level in found][: len(factors)] == factors
        assert max(found[-1].size(size)) <= 256
        assert all(np.prod(level.block_shape) <= 64**3 for level in found)

    def test_a_level_has_at_least_one_voxel_on_each_axis(self) -> None:
        assert LevelInfo((16, 4, 2), (4, 4, 4)).size((10, 455, 243)) == (1, 113, 121)


class TestMetadata:
    def test_a_text_is_kept(self, dataset: Dataset) -> None:
        assert not dataset.metadata
        dataset.metadata = "naïve text"
        assert dataset.metadata == "naïve text"

    def test_a_long_text_is_refused_before_asking(self, dataset: Dataset) -> None:
        dataset.metadata = "é" * 255
        with pytest.raises(MetadataError, match="255"):
            dataset.metadata = "é" * 256
        assert dataset.metadata == "é" * 255


class TestVersions:
    def test_versions_are_made_and_deleted(self, dataset: Dataset) -> None:
        assert (dataset.new_version(), dataset.new_version()) == (1, 2)
        dataset.delete_versions(1)
        assert dataset.versions == (0, 2)

    def test_version_0_is_kept_unless_forced(self, dataset: Dataset) -> None:
        dataset.new_version()
        with pytest.raises(MetadataError, match="version 0"):
            dataset.delete_versions(1, 0)
        assert dataset.versions == (0, 1)

    def test_the_last_version_is_kept(self, dataset: Dataset) -> None:
        with pytest.raises(MetadataError, match="last"):
            dataset.delete_versions(0, force=True)

    def test_nothing_is_deleted_if_one_is_absent(self, dataset: Dataset) -> None:
        dataset.new_version()
        with pytest.raises(NotFoundError, match="no version 7"):
            dataset.delete_versions(1, 7)
        assert dataset.versions == (0, 1)

    def test_a_forgotten_name_of_an_argument_deletes_nothing(self, dataset: Dataset) -> None:
        dataset.new_version()
        dataset.new_version()
        with pytest.raises(TypeError, match="force=True"):
            dataset.delete_versions(2, True)  # True counts as 1
        assert dataset.versions == (0, 1, 2)

    def test_a_lost_answer_is_looked_up(self) -> None:
        with DataStoreServer({"a": np.zeros((1, 8, 8, 8), "uint8")}) as server, DataStore(server.url) as store:
            server.faults.add(Fault("lost", path=".*/new/.*"))
            assert store.dataset(server.uuids["a"]).new_version() == 1
            assert server.versions("a") == [0, 1]

    def test_an_ambiguous_lost_answer_is_reported(self) -> None:
        with (
            DataStoreServer({"a": np.zeros((1, 8, 8, 8), "uint8")}) as server,
            Connection(server.url, retry=HASTY) as connection,
        ):
            server.faults.add(Fault("reset", path=".*/new/.*"))
            with pytest.raises(StoreError, match="may have a new version") as found:
                Dataset(connection, server.uuids["a"]).new_version()
            assert found.value.uncertain
            assert server.versions("a") == [0]


class TestChannels:
    def test_channels_are_added_in_every_version(self, dataset: Dataset) -> None:
        dataset.new_version()
        dataset.add_channels(2)
        assert dataset.channels == 4
        for version in (0, 1):
            volume = dataset.volume(version, timepoint=20, angle=0)
            volume[3, :4, :4, :4] = version + 7
            assert (volume[3, :4, :4, :4] == version + 7).all()

    def test_a_lost_answer_is_not_repeated(self) -> None:
        with DataStoreServer({"a": np.zeros((1, 8, 8, 8), "uint8")}) as server, DataStore(server.url) as store:
            server.faults.add(Fault("lost", method="POST"))
            with pytest.raises(StoreError, match="may have been"):
                store.dataset(server.uuids["a"]).add_channels()
            assert store.dataset(server.uuids["a"]).channels == 2


def test_a_deleted_dataset_is_gone(store: DataStore) -> None:
    made = store.create_dataset((8, 8, 8), "uint8")
    store.delete(made.uuid)
    with pytest.raises(NotFoundError):
        made.info()
    with pytest.raises(NotFoundError):
        store.delete(made.uuid)


@pytest.mark.parametrize("uuid", ["", "a/0", "."])
def test_only_a_uuid_is_used(uuid: str) -> None:
    with DataStoreServer() as server, DataStore(server.url) as store:
        dataset = Dataset(store.connection, uuid)
        for use in (lambda: store.delete(uuid), dataset.info, dataset.add_channels, lambda: dataset.volume(0)):
            with pytest.raises(AddressError):
                use()
        assert not server.requests


def test_a_viewer_gets_its_document(dataset: Dataset) -> None:
    assert 'format="bdv.hpc-datastore"' in dataset.bdv_xml()
    assert "<id>33</id>" in dataset.bdv_xml(0)


class TestTokens:
    def test_a_token_is_sent(self) -> None:
        with DataStoreServer(token="secret") as server, DataStore(server.url, token="secret") as store:
            assert store.create_dataset((8, 8, 8), "uint8").versions == (0,)

    @pytest.mark.parametrize(("token", "message"), [(None, "wants a token"), ("wrong", "does not know")])
    def test_a_refusal_says_what_is_missing(self, token: str | None, message: str) -> None:
        with (
            DataStoreServer(token="secret") as server,
            DataStore(server.url, token=token) as store,
            pytest.raises(ForbiddenError, match=message) as found,
        ):
            store.dataset("a")
        assert "secret" not in str(found.value)
        assert "wrong" not in str(found.value)
