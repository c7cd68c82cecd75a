"""The versions of another store as commits: of the mock of DVID, of a real DVID, and of Icechunk itself."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from command import run_command
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume.dvid import Server, VoxelsAccessor
from pyvolume.dvid.version import Version
from pyvolume.errors import UnsupportedError
from pyvolume.icechunk import IcechunkVolume, Repo, bring_history

_numbers = itertools.count()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"icechunk://{tmp_path}/fly:main/gray"


@pytest.fixture
def first(dvid: DvidBackend) -> Version:
    """Give the first version of a repository with a volume of ones, committed."""
    repo = Server(dvid.connection).create_repo(f"history-{next(_numbers)}")
    volume = repo.create_volume("gray", (64, 64, 64), "uint8", resolution=8, units="nm")
    volume[...] = 1
    repo.root.commit("raw data", log=["scanned on a Monday"])
    return repo.root


def commit(version: Version, x: int | None = None, value: int = 0) -> Version:
    if x is not None:
        version.volume("gray").post_ndarray((0, x, 0, 0), (1, x + 64, 64, 64), np.full((1, 64, 64, 64), value, "uint8"))
    version.commit()
    return version


def same(source: VoxelsAccessor, url: str, versions: dict[str, str]) -> None:
    """Compare all versions with their commits."""
    for name, uuid in versions.items():
        there, here = source.at(name), pyvolume.open(url.replace(":main/", f":{uuid}/"))
        np.testing.assert_array_equal(here.read(there.bounds), there.read(there.bounds), strict=True)


def opened(url: str) -> IcechunkVolume:
    return pyvolume.open(url, kind=IcechunkVolume)


def test_each_version_is_a_commit(first: Version, url: str) -> None:
    second = commit(first.new_version("two"), 0, 2)
    third = commit(second.new_version("nothing changed"))
    source = third.volume("gray")
    versions = bring_history(source, url)
    assert list(versions) == [first.uuid, second.uuid, third.uuid]
    same(source, url, versions)
    with pyvolume.connect(url.partition(":main")[0], kind=Repo) as repo:
        log = repo.log()
        assert [node.note for node in log] == ["nothing changed", "two", "raw data", "Repository initialized"]
        assert [node.uuid for node in log[2::-1]] == list(versions.values())
        assert log[2].log == first.info().log
        facts = log[1].source
        assert (facts["uuid"], facts["parents"], facts["note"]) == (second.uuid, [first.uuid], "two")
        assert facts["created"] == second.created.isoformat()
        assert (facts["branch"], facts["state"]) == ("master", "committed")


def test_where_it_comes_from_is_in_the_attributes(first: Version, url: str) -> None:
    bring_history(first.volume("gray"), url)
    found = opened(url).source
    assert (found["version"], found["state"]) == (first.uuid, "committed")
    assert first.uuid in found["address"]


def test_sizes_and_units_come_along(first: Version, url: str) -> None:
    bring_history(first.volume("gray"), url)
    assert (opened(url).resolution, opened(url).units) == ((8.0,) * 3, ("nm",) * 3)


def test_branches_are_branches_and_tags_are_tags(first: Version, url: str) -> None:
    trial = commit(first.branch("trial"), 0, 3)
    name = f"raw-{next(_numbers)}-2026"
    first.tag(name)
    source = trial.volume("gray")
    versions = bring_history(source, url)
    same(source, url, versions)
    with pyvolume.connect(url.partition(":main")[0], kind=Repo) as repo:
        assert repo.version(":trial").uuid == versions[trial.uuid]
        assert repo.version(":main").uuid == versions[first.uuid]
        assert repo.version(name).uuid == versions[name]


def test_a_merge_comes_after_its_first_parent(first: Version, url: str) -> None:
    second = commit(first.new_version(), 0, 2)
    trial = commit(first.branch("trial"), 64, 3)
    merged = commit(second.merge([trial], "both"))
    source = merged.volume("gray")
    versions = bring_history(source, url)
    same(source, url, versions)
    version = opened(url.replace(":main/", f":{versions[merged.uuid]}/")).version
    assert [parent.uuid for parent in version.parents] == [versions[second.uuid]]
    assert version.info().source["parents"] == [second.uuid, trial.uuid]
    assert opened(url).version_name == version.uuid


def test_a_merge_that_cannot_follow_its_branch_begins_one(first: Version, url: str) -> None:
    second = commit(first.new_version(), 0, 2)
    trial = commit(first.branch("trial"), 64, 3)
    merged = commit(trial.merge([second], "the other way"))
    source = merged.volume("gray")
    versions = bring_history(source, url)
    same(source, url, versions)
    with pyvolume.connect(url.partition(":main")[0], kind=Repo) as repo:
        assert repo.version(f":main-{merged.uuid[:8]}").uuid == versions[merged.uuid]
        assert repo.version(":main").uuid == versions[second.uuid]


def test_a_second_run_goes_on(first: Version, url: str) -> None:
    before = bring_history(first.volume("gray"), url)
    count = len(opened(url).versions())
    assert bring_history(first.volume("gray"), url) == before
    assert len(opened(url).versions()) == count
    second = commit(first.new_version("two"), 64, 2)  # the volume becomes longer
    source = second.volume("gray")
    after = bring_history(source, url)
    assert after[first.uuid] == before[first.uuid]
    assert len(opened(url).versions()) == count + 1
    same(source, url, after)
    assert opened(url).shape == (1, 128, 64, 64)


def test_an_open_version_is_brought_again_when_it_has_changed(first: Version, url: str) -> None:
    second = first.new_version("open")
    volume = second.volume("gray")
    runs = [bring_history(volume, url)[second.uuid] for _ in range(2)]
    assert runs[0] == runs[1]
    volume[0, 0, 0, 0] = 9
    third = bring_history(volume, url)[second.uuid]
    assert third != runs[0]
    assert int(opened(url)[0, 0, 0, 0]) == 9
    second.commit()
    assert opened(url).version.info().source["state"] == "open"
    bring_history(volume, url)
    assert opened(url).version.info().source["state"] == "committed"


def test_only_chunks_that_changed_are_stored(first: Version, url: str, tmp_path: Path) -> None:
    second = first.new_version()
    second.volume("gray").post_ndarray((0,) * 4, (1, 128, 128, 64), ramp((1, 128, 128, 64)))
    third = commit(commit(second).new_version())
    fourth = third.new_version()
    fourth.volume("gray").post_ndarray((0, 64, 0, 0), (1, 128, 64, 64), ramp((1, 64, 64, 64), seed=1))

    def chunks() -> int:
        return len(list((tmp_path / "fly" / "chunks").iterdir()))

    bring_history(commit(fourth).volume("gray"), url)
    assert chunks() == 4 + 1


def test_a_volume_that_came_later_is_missing_before(first: Version, url: str) -> None:
    second = first.new_version()
    repo = Server(first.connection).repos[first.uuid]
    repo.create_volume("late", (64, 64, 64), "uint8")
    late = second.volume("late")
    late[...] = 5
    second.commit()
    versions = bring_history(late, url)
    assert len(versions) == 2
    assert opened(url)[...].min() == 5


def test_a_repository_of_icechunk_is_a_source(first: Version, url: str, tmp_path: Path) -> None:
    commit(first.new_version("two"), 0, 2)
    bring_history(first.volume("gray"), url)
    other = f"icechunk://{tmp_path}/other:main/gray"
    versions = bring_history(opened(url), other)
    assert len(versions) == len(opened(url).versions())
    np.testing.assert_array_equal(opened(other)[...], opened(url)[...])


def test_a_volume_without_versions_is_refused(url: str) -> None:
    with pytest.raises(UnsupportedError, match="no versions"):
        bring_history(pyvolume.from_array(np.zeros((1, 2, 2, 2))), url)


class TestCommand:
    def test_it_brings_a_history(self, first: Version, url: str) -> None:
        source = first.volume("gray").store.address
        done = run_command("cp", "--history", source, url)
        assert done.code == 0, done.err
        assert f"1 versions of {source} are in {url}" in " ".join(done.out.split())
        assert opened(url).source["version"] == first.uuid

    def test_other_options_are_refused(self, first: Version, url: str, tmp_path: Path) -> None:
        done = run_command("cp", "--history", "--verify", first.volume("gray").store.address, url)
        assert done.code == 2
        assert "expected no other option" in done.err

    def test_a_copy_is_committed(self, first: Version, url: str) -> None:
        done = run_command("cp", "--pyramid", first.volume("gray").store.address, url)
        assert done.code == 0, done.err
        assert opened(url)[...].min() == 1
        assert opened(url).version.info().note == "pyvolume cp"

    def test_it_lists_a_repository(self, first: Version, url: str) -> None:
        bring_history(first.volume("gray"), url)
        listed = run_command("ls", "--json", url.partition(":main")[0])
        assert [entry["name"] for entry in listed.document] == ["gray", "main"]
        assert run_command("info", "--json", url).document["state"] == "committed"
