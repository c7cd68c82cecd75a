"""Lazy arrays of DVID: those of a committed version have a name that lasts."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume.dvid import Repo
from pyvolume.stores.base import never_changes

pytest.importorskip("dask.array", reason="dask comes with the extra 'dask'")

ARRAY = ramp((1, 64, 64, 64))
COUNT = itertools.count()


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    """Give a repository with a committed version and an open one, in which the volume is different."""
    made = pyvolume.dvid.Server(dvid.connection).create_repo(f"lazy {next(COUNT)}", duplicate_alias=True)
    for name, versioned in (("gray", True), ("same", False)):
        made.create_volume(name, ARRAY.shape[1:], "uint8", versioned=versioned, block_shape=(32, 32, 32))[...] = ARRAY
    made.root.commit()
    made.root.new_version()["gray"][...] = ARRAY // 2
    return made


def test_only_the_voxels_of_a_committed_version_cannot_change(dvid: DvidBackend, repo: Repo) -> None:
    root, end = repo.root, repo.version(":master")
    address = root["gray"].store.address
    fixed = [root["gray"], end["gray"].at(root), end["gray"].at(root.uuid), pyvolume.open(address)]
    assert [never_changes(volume.store) for volume in fixed] == [True] * 4
    assert len({volume.to_dask().name for volume in [*fixed, pickle.loads(pickle.dumps(fixed[0]))]}) == 1
    changing = [end["gray"], root["same"], root.volume("same")]
    assert not any(never_changes(volume.store) for volume in changing)
    fixed[-1].close()


def test_a_version_that_is_committed_later_is_opened_again(repo: Repo) -> None:
    version = repo.version(":master")
    volume = version["gray"]
    version.commit()
    assert not volume.store.traits.immutable
    assert version["gray"].store.traits.immutable


def test_the_state_costs_no_request(dvid: DvidBackend, repo: Repo) -> None:
    version = repo.root
    with pyvolume.trace() as traced:
        volume = version["gray"]
        array = volume.to_dask()
    assert traced.requests == 1  # what a volume of a known version costs
    np.testing.assert_array_equal(array[:, :5, :5, :5].compute(), ARRAY[:, :5, :5, :5], strict=True)


def test_another_version_is_read(repo: Repo) -> None:
    volume = repo.version(":master")["gray"]
    np.testing.assert_array_equal(volume.to_dask(version=":master~1").compute(), ARRAY, strict=True)
    np.testing.assert_array_equal(volume.to_dask().compute(), ARRAY // 2, strict=True)
