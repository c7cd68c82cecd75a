"""How many requests to a repository are under way at once: one bound for all its checkouts, in a bucket."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import moto_server
import numpy as np
import pytest
from conformance_stores import ramp

import pyvolume
from pyvolume.calls.holds import MOST, Lanes
from pyvolume.icechunk import Repo
from pyvolume.zarr.store import REMOTE_AT_ONCE

ARRAY = ramp((1, 16, 16, 16), "uint16")


@pytest.fixture
def bucket(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"slots-{uuid.uuid4().hex}"
    moto_server.make_bucket(moto_url, name)
    for word, value in moto_server.KEYS.items():
        monkeypatch.setenv(f"AWS_{word.upper()}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    url = f"icechunk+s3://{name}/brain"
    with pyvolume.create(f"{url}:main/gray", ARRAY.shape, "uint16", chunks=(1, 4, 4, 4)) as volume:
        volume[...] = ARRAY
        volume.commit("the voxels")  # type: ignore[attr-defined]
    return url


@pytest.fixture
def repo(bucket: str) -> Iterator[Repo]:
    with pyvolume.connect(bucket) as repo:
        yield repo


def lanes_of(volume: Any) -> Lanes:
    found = volume.store.lanes
    assert isinstance(found, Lanes)
    return found


def test_all_checkouts_of_a_repository_share_the_bound(repo: Repo) -> None:
    read, written = repo["gray"], repo.open_version()["gray"]
    assert lanes_of(read) is lanes_of(written) is repo.repository.lanes
    assert lanes_of(read).is_learnt


def test_the_plan_and_the_trace_say_it(repo: Repo) -> None:
    volume = repo["gray"]
    assert f"up to {REMOTE_AT_ONCE} at once" in repr(volume.plan(...))
    with pyvolume.trace() as trace:
        np.testing.assert_array_equal(volume[...], ARRAY, strict=True)
    assert 1 <= trace.at_once <= MOST


def test_what_is_learnt_stays_in_the_process(repo: Repo) -> None:
    volume = repo["gray"]
    again = pickle.loads(pickle.dumps(volume))
    assert lanes_of(again) is not lanes_of(volume)
    np.testing.assert_array_equal(again[0, 1], ARRAY[0, 1], strict=True)


def test_a_folder_has_no_bound_of_this_kind(tmp_path: Path) -> None:
    with pyvolume.create(f"icechunk://{tmp_path}/brain:main/gray", ARRAY.shape, "uint16") as volume:
        volume[...] = ARRAY
        assert volume.store.lanes is None  # type: ignore[attr-defined]
        volume.commit("the voxels")  # type: ignore[attr-defined]
