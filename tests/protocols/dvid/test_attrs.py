"""Attributes of volumes, on the mock server and on a real DVID."""

from __future__ import annotations

import itertools
import json
import pickle
from typing import Any

import numpy as np
import pytest
from conformance_stores import DvidBackend

import pyvolume
from pyvolume.dvid.keyvalue.attributes import INSTANCE
from pyvolume.dvid.repo import Repo
from pyvolume.errors import KeyNotFoundError, LockedError, MetadataError, UnsupportedError

_numbers = itertools.count()


@pytest.fixture
def repo(dvid: DvidBackend) -> Repo:
    return pyvolume.dvid.Server(dvid.connection).create_repo(f"attrs-{next(_numbers)}")


@pytest.fixture
def volume(repo: Repo) -> pyvolume.dvid.VoxelsAccessor:
    return repo.create_volume("gray", (64, 64, 64), "uint8")


def test_there_are_none_at_first(repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
    attrs = volume.attrs
    assert (dict(attrs), len(attrs), list(attrs.items()), "a" in attrs, attrs.get("a", 3)) == ({}, 0, [], False, 3)
    assert repo.info().instances == {"gray": "uint8blk"}


def test_they_come_back(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    volume.attrs["stain"] = "DAPI"
    volume.attrs["scan"] = {"laser": 488, "gain": [1.5, None]}
    assert dict(volume.attrs) == {"scan": {"laser": 488, "gain": [1.5, None]}, "stain": "DAPI"}


def test_it_is_a_mapping_like_any_other(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    attrs = volume.attrs
    attrs.update({"a": 1, "b": [2]}, c=None)
    assert attrs == {"a": 1, "b": [2], "c": None}
    del attrs["a"]
    assert (attrs.pop("b"), attrs.setdefault("d", "x"), list(attrs), len(attrs)) == ([2], "x", ["c", "d"], 2)
    attrs.clear()
    assert list(attrs) == []


def test_a_missing_one_is_a_key_error(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    for _ in range(2):  # without the instance and with it
        for attempt in (lambda: volume.attrs["a"], lambda: volume.attrs.__delitem__("a")):
            with pytest.raises(KeyNotFoundError, match="find attribute 'a' of gray: there is none in this version"):
                attempt()
        volume.attrs["other"] = 1


def test_a_few_requests(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    values = {f"name {i}": i for i in range(100)}
    volume.attrs["first"] = 0
    with pyvolume.trace() as trace:
        volume.attrs.update(values)
        assert dict(volume.attrs.items()) == values | {"first": 0}
    assert trace.requests == 3


def test_volumes_have_their_own(repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
    other = repo.create_volume("gray2", None, "uint8")
    volume.attrs["a"] = 1
    other.attrs["a"] = 2
    assert (dict(volume.attrs), dict(other.attrs)) == ({"a": 1}, {"a": 2})


def test_others_can_read_them(repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
    volume.attrs["a/b: 100%"] = [1, 2]
    keys = repo.root.keyvalue(INSTANCE)
    assert {key: json.loads(value) for key, value in keys.items()} == {"gray:a%2Fb: 100%25": [1, 2]}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "ü", "a:b", "%2F", "a\x00b", ";", "~", "x" * 5000])
def test_any_text_is_a_name(volume: pyvolume.dvid.VoxelsAccessor, name: str) -> None:
    volume.attrs[name] = "value"
    assert (volume.attrs[name], list(volume.attrs), name in volume.attrs) == ("value", [name], True)
    del volume.attrs[name]
    assert name not in volume.attrs


def test_what_is_no_text(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    with pytest.raises(TypeError, match="as text"):
        volume.attrs[3] = 1  # type: ignore[index]


def test_what_numpy_knows(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    volume.attrs["a"] = {"mean": np.float64(0.25), "shape": np.array([1, 2])}
    assert volume.attrs["a"] == {"mean": 0.25, "shape": [1, 2]}


@pytest.mark.parametrize("value", [float("nan"), np.inf, {"a": {1: 2}}, b"bytes"])
def test_what_json_cannot_say_is_never_sent(repo: Repo, volume: pyvolume.dvid.VoxelsAccessor, value: Any) -> None:
    with pytest.raises(MetadataError, match="write attribute 'a' of gray"):
        volume.attrs.update({"before": 1, "a": value})
    assert (dict(volume.attrs), repo.info().instances) == ({}, {"gray": "uint8blk"})


def test_versions_inherit_them(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    volume.attrs.update(a=1, b=2)
    volume.version.commit()
    child = volume.at(volume.version.new_version())
    child.attrs["a"] = "changed"
    del child.attrs["b"]
    assert (dict(child.attrs), dict(volume.attrs)) == ({"a": "changed"}, {"a": 1, "b": 2})


@pytest.mark.parametrize("existing", [False, True])
def test_a_committed_version_is_not_written(volume: pyvolume.dvid.VoxelsAccessor, existing: bool) -> None:
    if existing:
        volume.attrs["a"] = 1
    volume.version.commit()
    with pytest.raises(LockedError, match="committed"):
        volume.attrs["a"] = 2
    assert volume.attrs.get("a") == (1 if existing else None)


def test_a_volume_to_read_has_attributes_to_read(repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
    volume.attrs["a"] = 1
    reader = repo.root.volume("gray", mode="r")
    attempts: list[Any] = [lambda: reader.attrs.update(a=2), lambda: reader.attrs.__delitem__("a")]
    for attempt in attempts:
        with pytest.raises(UnsupportedError, match="reading only"):
            attempt()
    assert dict(reader.attrs) == {"a": 1}


def test_repr_and_pickle(volume: pyvolume.dvid.VoxelsAccessor) -> None:
    volume.attrs["a"] = 1
    assert dict(pickle.loads(pickle.dumps(volume.attrs))) == {"a": 1}
    with pyvolume.trace() as trace:
        assert repr(volume.attrs).startswith(f"<Attributes of 'gray' in version {volume.uuid[:8]}, http")
    assert trace.requests == 0
