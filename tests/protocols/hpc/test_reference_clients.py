"""The clients that exist: what Fiji, BigDataViewer and the C++ client send, and what their parsers refuse."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import requests
from conformance_stores import ramp
from numpy.typing import NDArray

from pyvolume.hpc import Dataset, DataStore

OCTETS = {"Content-Type": "application/octet-stream"}
SIZES = struct.Struct(">3i")


def same(found: NDArray[Any], expected: NDArray[Any]) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


def get(url: str, status: int = 200, **options: Any) -> requests.Response:
    found = requests.get(url, timeout=60, **options)
    assert found.status_code == status, found.text
    return found


@pytest.fixture
def array() -> NDArray[Any]:
    return ramp((2, 10, 9, 5, 3, 2), "uint16")


@pytest.fixture
def full(dataset: Dataset, array: NDArray[Any]) -> Dataset:
    """Give the dataset with voxels in version 0."""
    dataset.volume()[...] = array
    return dataset


def url_of(dataset: Dataset) -> str:
    return f"{dataset.connection.url}/datasets/{dataset.uuid}"


def blocks_of(prefix: str, size: tuple[int, ...], view: str, *, at_once: int) -> NDArray[Any]:
    """Read a level as the reference clients do: each block has exactly the size that the grid gives it."""
    out = np.zeros(size, "uint16")
    indices = list(itertools.product(*(range(-(-n // 4)) for n in size)))
    for start in range(0, len(indices), at_once):
        batch = indices[start : start + at_once]
        data = get(prefix + "/".join(f"{x}/{y}/{z}/{view}" for x, y, z in batch)).content
        for index in batch:
            place = tuple(slice(4 * i, min(4 * i + 4, n)) for i, n in zip(index, size, strict=True))
            shape = SIZES.unpack_from(data)
            assert shape == out[place].shape
            nbytes = 2 * shape[0] * shape[1] * shape[2]
            out[place] = np.frombuffer(data[12 : 12 + nbytes], ">u2").reshape(shape, order="F")
            data = data[12 + nbytes :]
    assert not data
    return out


KEYS = {"uuid", "voxelType", "dimensions", "timepoints", "channels", "angles", "transformations", "voxelUnit",
        "voxelResolution", "timepointResolution", "channelResolution", "angleResolution", "compression",
        "resolutionLevels", "versions", "label", "viewRegistrations", "timepointIds", "datasetType"}  # fmt: skip
"""The keys that Fiji's parser knows; another one is an error for it."""


class TestFiji:
    def test_its_parser_knows_all_keys_of_a_query(self, dataset: Dataset) -> None:
        document = get(url_of(dataset)).json()
        assert set(document) == KEYS
        assert all(
            set(level) <= {"resolutions", "blockDimensions", "dimensions"} for level in document["resolutionLevels"]
        )

    @pytest.mark.parametrize("mode", ["read", "write", "read-write"])
    def test_it_follows_an_open_and_takes_the_final_url_for_the_prefix(self, full: Dataset, mode: str) -> None:
        found = get(f"{url_of(full)}/1/1/1/latest/{mode}?timeout=10000")
        assert [each.status_code for each in found.history] == [307]
        assert found.url.endswith("/")  # it appends the numbers of blocks
        assert (found.json()["uuid"], found.json()["version"]) == (full.uuid, 0)

    def test_it_reads_what_pyvolume_wrote(self, full: Dataset, array: NDArray[Any]) -> None:
        prefix = get(f"{url_of(full)}/1/1/1/latest/read?timeout=10000").url
        same(blocks_of(prefix, (10, 9, 5), "25/1/0", at_once=256), array[1, ..., 1, 0])

    def test_pyvolume_reads_what_it_wrote(self, dataset: Dataset) -> None:
        prefix = get(f"{url_of(dataset)}/2/2/1/new/write?timeout=60000").url
        array = ramp((5, 4, 5), "uint16")
        for x, y, z in itertools.product(range(2), range(1), range(2)):
            block = array[4 * x : 4 * x + 4, 4 * y : 4 * y + 4, 4 * z : 4 * z + 4]
            body = SIZES.pack(*block.shape) + block.astype(">u2").tobytes("F")
            requests.post(f"{prefix}{x}/{y}/{z}/33/0/1", body, headers=OCTETS, timeout=60).raise_for_status()
        assert dataset.versions == (0, 1)
        same(dataset.volume(level=1, timepoint=33, angle=1, channel=0)[0], array)

    def test_its_document_creates_a_dataset(self, store: DataStore) -> None:
        level = {"resolutions": [1, 1, 1], "blockDimensions": [4, 4, 4], "dimensions": [10, 9, 5]}
        document = {
            "voxelType": "uint16", "dimensions": [10, 9, 5], "timepoints": 2, "channels": 1, "angles": 1,
            "transformations": None, "voxelUnit": "um", "voxelResolution": [0.4, 0.4, 1.6],
            "timepointResolution": None, "channelResolution": None, "angleResolution": None, "compression": "gzip",
            "resolutionLevels": [level], "versions": None, "label": "from Fiji", "viewRegistrations": None,
            "timepointIds": None, "datasetType": None, "uuid": None,
        }  # fmt: skip
        url = f"{store.connection.url}/datasets"
        answer = requests.post(url, json.dumps(document), headers={"Content-Type": "application/json"}, timeout=60)
        made = store.dataset(answer.text)
        assert (made.label, made.timepoints, made.info().size) == ("from Fiji", (0, 1), (10, 9, 5))
        same(made.volume()[...], np.zeros((1, 10, 9, 5, 2, 1), "uint16"))
        get(f"{url}/{made.uuid}/delete")
        get(f"{url}/{made.uuid}", 404)

    def test_it_adds_a_channel_and_deletes_a_version(self, dataset: Dataset) -> None:
        requests.post(f"{url_of(dataset)}/channels", "1", timeout=60).raise_for_status()
        dataset.new_version()
        get(f"{url_of(dataset)}/1/delete")
        assert (dataset.channels, dataset.versions) == (3, (0,))

    def test_a_batch_of_256_blocks_with_long_indices_is_too_long_for_it(self, dataset: Dataset) -> None:
        get(f"{url_of(dataset)}/1/1/1/0/" + "/".join(["100/100/100/20/0/0"] * 256), 414)


class TestBigDataViewer:
    def test_its_loader_finds_the_server_and_the_versions(self, full: Dataset, array: NDArray[Any]) -> None:
        full.new_version()
        url = f"{url_of(full)}/all"
        root = ET.fromstring(get(url).content)
        loader = root.find(".//ImageLoader")
        assert loader is not None
        assert (loader.get("format"), loader.findtext("baseUrl")) == ("bdv.hpc-datastore", url)
        found = [each.text for each in root.findall(".//ViewSetup/attributes/version")]
        assert found == [version for version in ("0", "1", "-1") for _ in range(4)]
        assert [each.text for each in root.findall(".//Timepoint/id")] == ["20", "25", "33"]
        prefix = get(f"{url_of(full)}/1/1/1/mixedLatest/read?timeout=10000").url
        same(blocks_of(prefix, (10, 9, 5), "20/0/1", at_once=1), array[0, ..., 0, 1])

    def test_the_old_server_gives_cells_without_sizes(self, full: Dataset, array: NDArray[Any]) -> None:
        url = f"{full.connection.url}/bdv/{full.uuid}"
        listed = get(f"{url}/json").json()
        assert next(entry["datasetUrl"] for entry in listed.values()) == f"{url}/0/"
        assert ET.fromstring(raw(f"{url}/0")).find(".//ImageLoader[@format='bdv.remote']") is not None
        # the setups are channel and angle
        cell = f"{url}/0?p=cell/0/25/3/0/4/4/4/4/4/0"
        assert raw(cell) == b""
        assert json.loads(raw(f"{url}/0?p=init"))["dataType"] == "UINT16"
        same(np.frombuffer(raw(cell), ">u2"), array[1, 4:8, 4:8, :4, 1, 1].astype(">u2").ravel("F"))


class TestCpp:
    def test_it_finds_what_it_needs_in_the_query(self, store: DataStore) -> None:
        made = store.create_dataset((8, 8, 8), "uint8")
        document = get(url_of(made)).json()
        assert isinstance(document["timepointIds"], list)
        assert isinstance(document["label"], str)  # it cannot open a dataset without a label
        store.delete(made.uuid)

    def test_it_opens_for_both_without_a_timeout(self, full: Dataset, array: NDArray[Any]) -> None:
        prefix = get(f"{url_of(full)}/1/1/1/0/read-write", 307, allow_redirects=False).headers["Location"]
        same(blocks_of(prefix, (10, 9, 5), "33/0/1", at_once=1), array[0, ..., 2, 1])

    def test_a_region_is_cut_out_of_whole_blocks(self, full: Dataset, array: NDArray[Any]) -> None:
        prefix = get(f"{url_of(full)}/1/1/1/0/read-write").url
        found = blocks_of(prefix, (10, 9, 5), "20/1/1", at_once=18)
        same(found[3:7, 2:9, 4], full.volume()[1, 3:7, 2:9, 4, 0, 1])


def raw(url: str) -> bytes:
    """Return a body without decoding it: the server labels some bodies with an encoding that does not exist."""
    with requests.get(url, timeout=60, stream=True) as found:
        return b"".join(chunks(found))


def chunks(found: requests.Response) -> Iterator[bytes]:
    yield from found.raw.stream(decode_content=False)
