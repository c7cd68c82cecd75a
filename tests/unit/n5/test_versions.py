"""Datasets of an HPC DataStore in their folder: what a server shows, a folder shows."""

from __future__ import annotations

import gzip
import itertools
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from n5_by_hand import write_json, write_version

import pyvolume
from mockserver import DataStoreServer
from pyvolume.errors import AddressError, NotFoundError, UnsupportedError
from pyvolume.hpc import Dataset, DataStore
from pyvolume.n5 import N5VersionedVolume

SIZE = (11, 9, 5)
BLOCK = (4, 4, 4)
TIMES = (3, 8)
VERSIONS = (0, 1, 10)
LEVELS = [(1, 1, 1), (2, 2, 1)]
CELLS = list(itertools.product(range(3), range(3), range(2)))


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def views(version: int) -> dict[tuple[int, int, int], np.ndarray[Any, np.dtype[np.uint16]]]:
    rng = np.random.default_rng(version)
    keys = itertools.product(range(2), range(2), TIMES)
    return {key: rng.integers(1, 9999, SIZE).astype("uint16") for key in keys}


def is_left_out(version: int, channel: int, angle: int, time: int, level: int, cell: tuple[int, ...]) -> bool:
    """Leave out two thirds of the blocks of each version, other ones in each."""
    return (sum(cell) + channel + 2 * angle + time + level + VERSIONS.index(version)) % 3 != 0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that no test changes."""
    path = tmp_path_factory.mktemp("versions") / "UUID"
    for version in VERSIONS:
        write_version(
            path, version, views(version), levels=LEVELS, blocks=BLOCK,
            skip=lambda *block, version=version: is_left_out(version, *block),
        )  # fmt: skip
    (path / "7").write_text("")  # a label
    return path


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shared, tmp_path / "UUID"))


@pytest.fixture(scope="module")
def dataset(shared: Path) -> Iterator[Dataset]:
    """Give a server with the same versions, to which the same blocks were sent."""
    with DataStoreServer() as server, DataStore(server.url) as store:
        made = store.create_dataset(
            SIZE, "uint16", timepoints=list(TIMES), channels=2, angles=2,
            levels=[(level, BLOCK) for level in LEVELS], resolution=(0.4, 0.4, 1.6), unit="um",
        )  # fmt: skip
        for number, version in enumerate(VERSIONS):
            if number:
                made.new_version()
            for level, factors in enumerate(LEVELS):
                prefix = f"{server.url}/datasets/{made.uuid}/{'/'.join(map(str, factors))}/{number}"
                send(prefix, shared / str(version) / "export.n5", f"s{level}")
        yield made


def send(prefix: str, container: Path, level: str) -> None:
    for channel, angle, time in itertools.product(range(2), range(2), TIMES):
        home = container / f"setup{2 * channel + angle}" / f"timepoint{time}" / level
        for path in home.glob("*/*/*"):
            data = path.read_bytes()
            cell = "/".join(path.relative_to(home).parts)
            body = data[4:16] + gzip.decompress(data[16:])
            assert struct.unpack(">HH", data[:4]) == (0, 3)
            headers = {"Content-Type": "application/octet-stream"}
            url = f"{prefix}/{cell}/{time}/{channel}/{angle}"
            requests.post(url, body, headers=headers, timeout=30).raise_for_status()


@pytest.mark.parametrize("version", ["0", "1", "latest", "mixedLatest"])
@pytest.mark.parametrize("query", ["", "&level=2,2,1", "&timepoint=8&channel=1&angle=0"])
def test_a_folder_shows_what_the_server_shows(dataset: Dataset, shared: Path, version: str, query: str) -> None:
    server = dataset.volume().store.connection.url
    with (
        pyvolume.open(f"hpc://{server}/{dataset.uuid}?version={version}{query}") as served,
        pyvolume.open(f"n5://{shared}?version={version}{query}", kind=N5VersionedVolume) as stored,
    ):
        same(stored[...], served[...])
        assert stored.metadata == served.metadata
        assert stored.chunks == served.chunks
        if version != "mixedLatest":  # the server does not tell which version has a block
            same(stored.exists(), served.exists())  # type: ignore[attr-defined]


def test_latest_is_the_highest_number_that_is_a_folder(folder: Path) -> None:
    volume = pyvolume.open(f"n5://{folder}", kind=N5VersionedVolume)
    assert (volume.version, volume.name) == (10, "UUID")
    assert volume.version_labels() == {"0": "version 0", "1": "version 1", "10": "version 10"}
    assert volume.store.address == f"n5://{folder}?version=10&level=1,1,1"
    assert volume.describe()["versions"] == [0, 1, 10]


def test_a_handle_stays_in_its_version(folder: Path) -> None:
    volume = pyvolume.open(f"n5://{folder}", kind=N5VersionedVolume)
    before = volume[...]
    write_version(folder, 11, views(11), levels=LEVELS, blocks=BLOCK)
    same(volume[...], before)
    newest = volume.at("latest")
    assert newest.version == 11
    same(newest[1, :, :, :, 1, 0], views(11)[1, 0, 8])
    assert volume.at(0).version == volume.at("0").version == 0


def test_mixed_shows_the_newest_version_of_each_block(folder: Path) -> None:
    volume = pyvolume.open(f"n5://{folder}?version=mixedLatest&timepoint=3&angle=1", kind=N5VersionedVolume)
    for cell in CELLS:
        newest = next(version for version in (10, 1, 0) if not is_left_out(version, 0, 1, 3, 0, cell))
        place = tuple(slice(n * side, (n + 1) * side) for n, side in zip(cell, BLOCK, strict=True))
        same(volume[(0, *place)], views(newest)[0, 1, 3][place])
    assert volume.exists().all()


def test_levels_and_attributes_come_from_the_newest_version(folder: Path) -> None:
    shutil.rmtree(folder / "1")
    write_version(folder, 12, views(12), levels=LEVELS[:1], blocks=BLOCK)
    assert len(pyvolume.open(f"n5://{folder}?version=mixedLatest").scales) == 1
    assert len(pyvolume.open(f"n5://{folder}?version=10").scales) == 2


@pytest.mark.parametrize("version", ["2", "7"])
def test_a_version_that_is_not_there_lists_those_that_are(folder: Path, version: str) -> None:
    with pytest.raises(NotFoundError, match=f"no version {version}; there are 0, 1, 10"):
        pyvolume.open(f"n5://{folder}?version={version}")


def test_a_folder_that_a_server_made_by_mistake_is_named(folder: Path) -> None:
    write_json(folder / "99" / "export.n5", {"n5": "2.2.1"})
    for query in ("", "?version=99", "?version=mixedLatest"):
        with pytest.raises(NotFoundError, match=r"the folder of version 99 has no export\.xml"):
            pyvolume.open(f"n5://{folder}{query}")
    assert pyvolume.open(f"n5://{folder}?version=10").shape == (2, *SIZE, 2, 2)


def test_a_dataset_without_version_0_is_read(folder: Path) -> None:
    shutil.rmtree(folder / "0")
    assert pyvolume.open(f"n5://{folder}?version=1").shape == (2, *SIZE, 2, 2)


def test_a_version_that_is_deleted_is_an_error(folder: Path) -> None:
    volume = pyvolume.open(f"n5://{folder}?version=1")
    shutil.rmtree(folder / "1")
    with pytest.raises(NotFoundError, match=r"UUID/1/export.n5: there is no such dataset any more"):
        volume[...]


def test_the_folder_of_a_version_says_how_it_is_opened(folder: Path) -> None:
    with pytest.raises(AddressError, match=r"is a version; open it as n5://.*/UUID\?version=10"):
        pyvolume.open(f"n5://{folder}/10")
    same(pyvolume.open(folder / "10" / "export.xml")[...], pyvolume.open(f"n5://{folder}")[...])


def test_a_version_is_read_only(folder: Path) -> None:
    with pytest.raises(UnsupportedError, match="read only"):
        pyvolume.open(f"n5://{folder}", "r+")


@pytest.mark.parametrize("compression", ["raw", "gzip", "zlib", "bzip2", "xz"])
def test_all_compressions_of_the_server_are_read(tmp_path: Path, compression: str) -> None:
    write_version(tmp_path / "U", 0, views(0), blocks=BLOCK, compression=compression)
    same(pyvolume.open(f"n5://{tmp_path}/U?timepoint=8&angle=1")[1], views(0)[1, 1, 8])
