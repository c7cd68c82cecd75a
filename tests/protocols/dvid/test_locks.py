"""Locks: writers of one volume in several processes, versions and spellings of the url lose nothing."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conformance_stores import DvidBackend
from writers import write_rows

import pyvolume
from pyvolume.dvid import Repo

PROCESSES = 4
RUNS = 10
SHAPE = (16, 16, 16)
COUNT = itertools.count()


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    return pyvolume.dvid.Server(dvid.connection).create_repo(f"locks {next(COUNT)}", duplicate_alias=True)


def test_processes_with_a_lock_lose_nothing(dvid: DvidBackend, repo: Repo, tmp_path: Path) -> None:
    volume = repo.create_volume("v", SHAPE, "uint8", block_shape=(8, 8, 8))
    url = volume.store.address
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        for run in range(RUNS):
            value = 10 * run + 1
            started = [pool.submit(write_rows, url, tmp_path, n, PROCESSES, value + n) for n in range(PROCESSES)]
            for each in started:
                each.result()
            expected = value + np.arange(SHAPE[1]) % PROCESSES
            found = volume[0, :, :, 3:]
            np.testing.assert_array_equal(found, np.broadcast_to(expected[:, None], found.shape))


class Names:
    """A `lock=` that lists the names that it is asked for."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.taken.append(name)
        yield


def names_of(volume: pyvolume.dvid.VoxelsAccessor) -> list[str]:
    """Return the names that a small write locks; the volume has been opened with `Names`."""
    volume[0, 1, 2, 3] = 1
    lock = volume._transfer.lock
    assert isinstance(lock, Names)
    return lock.taken


@pytest.mark.parametrize("versioned", [True, False])
def test_versions_lock_the_same_only_if_they_share_the_voxels(repo: Repo, versioned: bool) -> None:
    repo.create_volume("v", SHAPE, "uint8", versioned=versioned)
    root = repo.root
    root.commit("done")
    children = root.new_version("a"), root.branch("b")
    first, second = (names_of(version.volume("v", lock=Names())) for version in children)
    assert (first == second) is (not versioned)


def test_a_name_does_not_depend_on_how_the_url_is_written(dvid: DvidBackend, repo: Repo) -> None:
    volume = repo.create_volume("v", SHAPE, "uint8")
    host, _, port = dvid.connection.url.removeprefix("http://").rpartition(":")
    other = {"localhost": "127.0.0.1", "127.0.0.1": "localhost"}[host]
    found = []
    for each in (host, other):
        with pyvolume.open(f"dvid://{each}:{port}/{volume.uuid}/v", mode="r+", lock=Names()) as opened:
            assert isinstance(opened, pyvolume.dvid.VoxelsAccessor)
            found.append(names_of(opened))
    assert found[0] == found[1] != []


def test_all_views_of_a_volume_lock_the_same(repo: Repo) -> None:
    repo.create_volume("v", SHAPE, "uint8", block_shape=(8, 8, 8))
    region = repo.create_roi("r", block_shape=(8, 8, 8))
    plain, other = (repo.root.volume("v", lock=Names()) for _ in range(2))
    assert names_of(plain.masked(region)) == names_of(other) != []


def test_threads_with_two_versions_of_an_unversioned_volume_lose_nothing(repo: Repo) -> None:
    volume = repo.create_volume("v", SHAPE, "uint8", versioned=False)
    repo.root.commit("done")
    handles = volume, volume.at(repo.root.new_version("more"))
    together = threading.Barrier(2)

    def write(n: int) -> None:
        together.wait(20)
        for y in range(n, SHAPE[1], 2):
            handles[n][0, :, y, 5] = n + 1

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    np.testing.assert_array_equal(volume[0, 0, :, 5], 1 + np.arange(SHAPE[1]) % 2)


@pytest.mark.parametrize("versioned", [True, False])
def test_the_lock_of_the_process_follows_the_voxels(repo: Repo, versioned: bool) -> None:
    volume = repo.create_volume("v", SHAPE, "uint8", versioned=versioned)
    repo.root.commit("done")
    other = volume.at(repo.root.new_version("more"))
    assert (volume._transfer.voxels == other._transfer.voxels) is (not versioned)
    assert volume._transfer.voxels == volume.at(volume.uuid)._transfer.voxels
