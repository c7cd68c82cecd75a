"""A cache of blocks in front of DVID: committed versions only, and which requests are left."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume import BlockCache
from pyvolume.dvid import Repo

ARRAY = ramp((1, 96, 64, 64))
COUNT = itertools.count()


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    """Give a repository with a committed version and an open one, in which the volume is different."""
    made = pyvolume.dvid.Server(dvid.connection).create_repo(f"cache {next(COUNT)}", duplicate_alias=True)
    made.create_volume("gray", ARRAY.shape[1:], "uint8", block_shape=(32, 32, 32))[...] = ARRAY
    made.root.commit()
    made.root.new_version()["gray"][...] = ARRAY // 2
    return made


def test_a_committed_version_is_requested_once(repo: Repo) -> None:
    volume = repo.root.volume("gray", cache=BlockCache())
    with pyvolume.trace() as first:
        np.testing.assert_array_equal(volume[:, 10:90, 5:60], ARRAY[:, 10:90, 5:60], strict=True)
    with pyvolume.trace() as later:
        for key in (np.s_[...], np.s_[0, 3, :, ::5], np.s_[:, -1:, 7, 7]):
            np.testing.assert_array_equal(volume[key], ARRAY[key], strict=True)
    assert (first.requests, first.cache_misses, first.bytes_fetched) == (1, 12, ARRAY.nbytes)
    assert (later.requests, later.cache_misses, later.bytes_fetched) == (0, 0, 0)


def test_only_missing_blocks_are_requested(repo: Repo) -> None:
    volume = repo.root.volume("gray", cache=BlockCache())
    volume[:, :32]
    with pyvolume.trace() as t:
        np.testing.assert_array_equal(volume[...], ARRAY, strict=True)
    assert (t.requests, t.cache_hits, t.cache_misses, t.bytes_fetched) == (1, 4, 8, 64**3)


def test_an_open_version_does_not_use_the_cache(repo: Repo) -> None:
    cache = BlockCache()
    volume = repo.version(":master").volume("gray", cache=cache)
    assert (volume[...] == ARRAY // 2).all()
    volume[:, :, :, :32] = 9
    assert (volume[:, :, :, :32] == 9).all()
    assert (volume.describe()["cache"], cache.misses, cache.blocks) == ("not used: the voxels can change", 0, 0)


def test_each_version_decides_whether_it_uses_the_cache_of_the_volume(repo: Repo) -> None:
    volume = repo.root.volume("gray", cache=BlockCache())
    other = volume.at(":master")
    assert [each.describe()["cache"] for each in (volume, other, other.at(repo.root))] == [
        "used",
        "not used: the voxels can change",
        "used",
    ]
    assert (volume[...] == ARRAY).all()
    assert (other[...] == ARRAY // 2).all()


def test_committed_versions_keep_their_voxels_apart(repo: Repo) -> None:
    cache, newer = BlockCache(), repo.version(":master")
    newer.commit()
    for _ in range(2):
        assert (repo.root.volume("gray", cache=cache)[...] == ARRAY).all()
        assert (newer.volume("gray", cache=cache)[...] == ARRAY // 2).all()
    assert (cache.hits, cache.misses) == (24, 24)


def test_keys_hold_the_uuid_of_the_instance(repo: Repo) -> None:
    cache = BlockCache()
    volume = repo.root.volume("gray", cache=cache)
    volume[0, 0, 0, 0]
    (voxels, place), *_ = cache._memory._blocks
    instance = volume.store.description.data_uuid
    assert len(instance) == 32
    assert all(part in voxels for part in (volume.store.address, instance, repo.root.uuid))
    assert place == (0, 0, 0, 0)


def test_a_masked_volume_does_not_use_the_cache(repo: Repo) -> None:
    repo.create_roi("nose", block_shape=(32, 32, 32))
    volume = repo.root.volume("gray", cache=BlockCache())
    volume[...]
    masked = volume.masked("nose")
    assert masked.describe()["cache"] == "not used: the voxels can change"
    assert not masked[...].any()


def test_a_url_takes_the_option_and_another_program_finds_the_blocks(repo: Repo, tmp_path: Path) -> None:
    address = repo.root["gray"].store.address
    for requests_left in (1, 0):
        with (
            pyvolume.open(address, cache=BlockCache(folder=tmp_path)) as volume,
            pyvolume.trace() as t,
        ):
            np.testing.assert_array_equal(volume[...], ARRAY, strict=True)
        assert t.requests == requests_left


def test_what_an_administrator_changes_is_seen_after_clear(dvid: DvidBackend, repo: Repo) -> None:
    cache = BlockCache()
    volume = repo.root.volume("gray", cache=cache)
    volume[...]
    url = f"{dvid.connection.url}/api/node/{repo.root.uuid}/gray/raw/0_1_2/32_32_32/0_0_0"
    words: dict[str, Any] = {"admintoken": dvid.admin_token}
    requests.post(url, bytes(32**3), params=words, timeout=20).raise_for_status()
    assert (volume[:, :32, :32, :32] == ARRAY[:, :32, :32, :32]).all()
    cache.clear()
    assert not volume[:, :32, :32, :32].any()
