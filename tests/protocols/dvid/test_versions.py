"""Servers, repositories and versions as objects, on the mock server and on a real DVID."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
import uuid as uuids
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest
from conformance_stores import DvidBackend, ramp

import pyvolume
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.version import Version
from pyvolume.dvid.versions.lookup import resolve
from pyvolume.errors import (
    AmbiguousError,
    ExistsError,
    KeyNotFoundError,
    LockedError,
    MetadataError,
    NotFoundError,
    RefusedError,
    UnsupportedError,
)
from pyvolume.volume import transfer_of

SHAPE = (1, 32, 32, 32)
_numbers = itertools.count()


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


def fresh(word: str) -> str:
    """Make a name that begins no other one: tags are names on the whole server."""
    return f"{word}-{next(_numbers):04}"


@pytest.fixture
def server(dvid: DvidBackend) -> pyvolume.dvid.Server:
    return pyvolume.dvid.Server(dvid.connection)


@pytest.fixture
def repo(server: pyvolume.dvid.Server) -> Repo:
    return server.create_repo(fresh("versions"), "a description")


@pytest.fixture
def root(repo: Repo) -> Version:
    """Give a first version, committed."""
    repo.root.commit("done", ["a line", "another line"])
    return repo.root


def fill(version: Version, value: int, name: str = "gray", x: int = 0) -> None:
    version.volume(name).post_ndarray((0, x, 0, 0), (1, x + 32, 32, 32), np.full(SHAPE, value, "uint8"))


class TestServer:
    def test_it_says_what_it_is(self, server: pyvolume.dvid.Server) -> None:
        assert "DVID Version" in server.info()
        assert repr(server) == f"<Server {server.connection.url}>"

    def test_it_says_what_it_could_store(self, server: pyvolume.dvid.Server) -> None:
        assert "uint8blk" in server.compiled_types()

    def test_it_says_what_is_in_use(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        repo.create_volume("gray", None, "uint8")
        assert "uint8blk" in server.types()

    def test_it_says_what_it_does(self, server: pyvolume.dvid.Server) -> None:
        assert server.load()["handlers active"] >= 0

    def test_it_closes_the_connection_that_it_made(self, dvid: DvidBackend) -> None:
        with pyvolume.dvid.Server(dvid.connection.url) as server:
            assert server.info()
        with pytest.raises(ValueError, match="is closed"):
            server.info()

    def test_it_leaves_open_the_connection_that_it_was_given(self, dvid: DvidBackend) -> None:
        with pyvolume.dvid.Server(dvid.connection) as server:
            pass
        assert server.info()

    @pytest.mark.parametrize("form", ["uuid", "prefix", "alias"])
    def test_a_repository_is_found_by(self, server: pyvolume.dvid.Server, repo: Repo, form: str) -> None:
        key = {"uuid": repo.root_uuid, "prefix": repo.root_uuid[:12], "alias": repo.info().alias}[form]
        assert server.repos[key] == repo
        assert key in server.repos

    def test_repositories_are_counted(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        assert repo.root_uuid in list(server.repos)
        assert len(server.repos) == len(list(server.repos))

    def test_an_unknown_repository_is_not_found(self, server: pyvolume.dvid.Server) -> None:
        for error in (KeyError, NotFoundError):
            with pytest.raises(error, match="none of"):
                server.repos["nobody has this"]
        assert "nobody has this" not in server.repos
        assert server.repos.get("nobody has this", "default") == "default"

    @pytest.mark.parametrize("key", ["", 3, None])
    def test_what_is_no_name_is_no_key(self, server: pyvolume.dvid.Server, repo: Repo, key: object) -> None:
        assert key not in server.repos

    def test_an_alias_is_taken_once(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        with pytest.raises(ExistsError, match="require_repo"):
            server.create_repo(repo.info().alias)
        assert server.repos[repo.info().alias] == repo

    def test_repositories_without_an_alias_are_many(self, server: pyvolume.dvid.Server) -> None:
        assert server.create_repo("") != server.create_repo("")

    def test_a_repository_is_made_once(self, server: pyvolume.dvid.Server) -> None:
        alias = fresh("required")
        made = server.require_repo(alias, "first")
        assert server.require_repo(alias, "second") == made == server.repos[alias]
        assert made.info().description == "first"

    def test_a_required_alias_of_two_is_ambiguous(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        alias = repo.info().alias
        other = server.create_repo(alias, duplicate_alias=True)
        with pytest.raises(AmbiguousError) as caught:
            server.require_repo(alias)
        assert caught.value.candidates == (repo.root_uuid, other.root_uuid)

    def test_programs_that_require_at_once_get_the_same(self, dvid: DvidBackend) -> None:
        alias, start = fresh("raced"), threading.Barrier(6)

        def require(_: int) -> Repo:
            auth = pyvolume.dvid.Identity(admin_token=dvid.admin_token)
            with pyvolume.Connection(dvid.connection.url, auth=auth) as connection:
                start.wait()
                return pyvolume.dvid.Server(connection).require_repo(alias)

        with ThreadPoolExecutor(6) as pool:
            (found,) = set(pool.map(require, range(6)))
        assert pyvolume.dvid.Server(dvid.connection).repos[alias] == found

    def test_an_alias_of_two_is_ambiguous(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        other = server.create_repo(repo.info().alias, duplicate_alias=True)
        with pytest.raises(AmbiguousError, match="give more of the uuid") as caught:
            server.repos[repo.info().alias]
        assert caught.value.candidates == tuple(sorted([repo.root_uuid, other.root_uuid]))
        with pytest.raises(AmbiguousError):
            server.repos.get(repo.info().alias)

    def test_a_uuid_is_taken_once(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        with pytest.raises(ExistsError, match="taken"):
            server.create_repo(fresh("again"), root=repo.root_uuid)


class TestRepo:
    def test_it_says_what_it_is(self, server: pyvolume.dvid.Server) -> None:
        alias = fresh("alias")
        repo = server.create_repo(alias, "a description")
        assert (repo.info().alias, repo.info().description, repr(repo)) == (
            alias, "a description", f"<Repo {alias!r} {repo.root_uuid[:8]}, {repo.connection.url}>",
        )  # fmt: skip

    def test_its_times_are_moments(self, repo: Repo) -> None:
        info = repo.info()
        assert abs((datetime.now(UTC) - info.created).total_seconds()) < 600
        assert info.updated >= info.created

    def test_its_log_tells_of_instances(self, repo: Repo) -> None:
        repo.create_volume("gray", None, "uint8")
        assert 'New data instance "gray"' in repo.info().log[-1]

    def test_its_instances_have_types(self, repo: Repo) -> None:
        repo.create_volume("gray", None, "uint8")
        repo.create_volume("colour", None, "uint8", channels=4)
        assert repo.info().instances == {"colour": "rgba8blk", "gray": "uint8blk"}
        assert repo.root.volumes() == ["colour", "gray"]

    def test_a_new_volume_is_ready_to_be_written(self, repo: Repo) -> None:
        volume = repo.create_volume("gray", (100, 80, 60), "uint16", resolution=(4, 4, 40), units="nanometers")
        assert (volume.shape, volume.dtype, volume.resolution) == ((1, 100, 80, 60), np.dtype("<u2"), (4.0, 4.0, 40.0))
        volume[:, 3:9] = 5
        assert volume[0, 8, 0, 0] == 5

    def test_a_new_volume_goes_into_an_open_version(self, repo: Repo, root: Version) -> None:
        child = root.new_version()
        assert repo.create_volume("gray", None, "uint8").version == child

    def test_there_is_no_place_where_everything_is_committed(self, repo: Repo, root: Version) -> None:
        with pytest.raises(LockedError, match="new_version"):
            repo.create_volume("gray", None, "uint8")

    def test_a_dtype_that_the_server_lacks_names_those_that_it_has(self, repo: Repo) -> None:
        with pytest.raises(UnsupportedError, match="uint8 × 4"):
            repo.create_volume("gray", None, "int16")

    def test_a_branch_is_found_by_the_alias_of_its_repository(self, server: pyvolume.dvid.Server) -> None:
        alias = fresh("alias")
        repo = server.create_repo(alias)
        repo.root.commit()
        dev = repo.root.branch("dev")
        assert resolve(server.connection, f"{alias}:dev") == dev.uuid
        assert resolve(server.connection, f"{alias}:dev~1") == resolve(server.connection, alias) == repo.root.uuid

    def test_the_end_of_a_branch_is_asked_for(self, repo: Repo, root: Version) -> None:
        dev = root.branch("dev")
        dev.commit()
        end = dev.new_version()
        with pyvolume.trace() as trace:
            assert resolve(repo.connection, f"{root.uuid[:12]}:dev") == end.uuid
        assert (trace.requests, trace.bytes_fetched) == (1, len(json.dumps([end.uuid, dev.uuid, root.uuid])) - 2)
        with pytest.raises(NotFoundError):
            resolve(repo.connection, f"{root.uuid[:12]}:nothing")

    def test_several_repositories_are_told_apart(self, server: pyvolume.dvid.Server) -> None:
        alias = fresh("alias")
        twins = [server.create_repo(alias, duplicate_alias=True) for _ in range(2)]
        for ref in (f"{alias}:master", alias, ":master"):
            with pytest.raises(AmbiguousError, match="several such repositories") as caught:
                resolve(server.connection, ref)
            assert {twin.root_uuid for twin in twins} <= set(caught.value.candidates)

    def test_a_shape_has_no_channels(self, repo: Repo) -> None:
        with pytest.raises(MetadataError, match=r"shape is \(x, y, z\), without the channels, not \(1, 8, 8, 8\)"):
            repo.create_volume("gray", (1, 8, 8, 8), "uint8")

    def test_a_name_is_taken_once(self, repo: Repo) -> None:
        repo.create_volume("gray", None, "uint8")
        with pytest.raises(ExistsError, match="taken"):
            repo.create_volume("gray", None, "uint8")

    def test_branches_end_where_nothing_follows(self, repo: Repo, root: Version) -> None:
        child, dev = root.new_version(), root.branch("dev")
        assert repo.branches() == {"master": child, "dev": dev}
        assert list(repo.versions()) == [root.uuid, child.uuid, dev.uuid]

    @pytest.mark.parametrize(
        ("ref", "name"),
        [("{root}", "root"), ("{prefix}", "root"), (":master", "child"), (":master~1", "root"), (":dev", "dev"),
         (":dev~1", "root"), ("{prefix}:dev", "dev"), ("{child}", "child"), (":", "root")],
    )  # fmt: skip
    def test_every_form_names_a_version(self, repo: Repo, root: Version, ref: str, name: str) -> None:
        made = {"root": root, "child": root.new_version(), "dev": root.branch("dev")}
        text = ref.format(prefix=root.uuid[:12], **{each: version.uuid for each, version in made.items()})
        assert repo.version(text) == made[name]

    @pytest.mark.parametrize("ref", [":nothing", ":master~7", "zzzz", ":nothing~1"])
    def test_a_version_that_is_not_there_is_not_found(self, repo: Repo, ref: str) -> None:
        with pytest.raises(NotFoundError):
            repo.version(ref)

    def test_a_version_of_another_repository_is_not_found(self, repo: Repo, dvid: DvidBackend) -> None:
        with pytest.raises(NotFoundError, match="another repository"):
            repo.version(dvid.uuid)

    def test_a_prefix_of_several_is_ambiguous(self, server: pyvolume.dvid.Server) -> None:
        start = uuids.uuid4().hex[:20]
        repos = [server.create_repo(fresh("twin"), root=start + end * 12) for end in "ab"]
        with pytest.raises(AmbiguousError, match="give more of the uuid"):
            repos[0].version(start)

    def test_a_branch_with_two_ends_is_ambiguous(self, repo: Repo, root: Version) -> None:
        end, left, right = root.new_version(), root.branch("left"), root.branch("right")
        left.commit()
        right.commit()
        merged = left.merge(right)  # the server puts it on master, beside the end of that
        with pytest.raises(AmbiguousError, match="give the uuid of one") as caught:
            repo.version(":master")
        assert caught.value.candidates == (end.uuid, merged.uuid)
        assert repo.version(merged.uuid[:12]) == merged

    def test_a_merge_of_branches_is_the_end_of_master(self, repo: Repo, root: Version) -> None:
        left, right = root.branch("left"), root.branch("right")
        left.commit()
        right.commit()
        merged = left.merge(right)
        assert repo.version(":master") == merged

    def test_the_way_back_stops_where_versions_were_merged(self, repo: Repo, root: Version) -> None:
        end, dev = root.new_version(), root.branch("dev")
        end.commit()
        dev.commit()
        merged = end.merge(dev)
        assert repo.version(":master") == merged
        with pytest.raises(AmbiguousError, match="several"):
            repo.version(":master~1")

    def test_a_handle_stays_and_a_follower_moves(self, repo: Repo, root: Version) -> None:
        stays, follows = repo.version(":master"), repo.version(":master", follow=True)
        child = root.new_version()
        assert (stays.uuid, follows.uuid) == (root.uuid, child.uuid)
        assert not follows.info().locked
        assert f"follows '{repo.root_uuid}:master'" in repr(follows)
        assert follows == repo.version(":master", follow=True) != child


class TestVersion:
    def test_it_says_where_it_stands(self, repo: Repo) -> None:
        version = repo.root
        opened = repr(version)
        version.commit()
        url = repo.connection.url
        assert opened == f"<Version {repo.root_uuid[:8]} on master, open, {url}>"
        assert repr(version) == f"<Version {repo.root_uuid[:8]} on master, committed, {url}>"

    def test_a_commit_leaves_a_note_and_a_log(self, root: Version) -> None:
        assert (root.info().locked, root.info().note) == (True, "done")
        assert [line.partition("  ")[2] for line in root.info().log] == ["a line", "another line"]

    def test_a_commit_without_a_note_keeps_the_one_that_is_there(self, repo: Repo) -> None:
        repo.root.set_note("before")
        repo.root.commit()
        assert repo.root.info().note == "before"

    def test_note_and_log_are_written_while_it_is_open(self, repo: Repo) -> None:
        repo.root.set_note('ünïcode "quoted"')
        repo.root.add_log(["one"])
        repo.root.add_log("two")
        assert repo.root.info().note == 'ünïcode "quoted"'
        assert [line.partition("  ")[2] for line in repo.root.info().log] == ["one", "two"]

    def test_relatives_are_versions(self, root: Version) -> None:
        child, dev = root.new_version("next"), root.branch("dev", "aside")
        assert (root.children(), child.parents, dev.parents, root.parents) == ((child, dev), (root,), (root,), ())
        assert (child.info().branch, dev.info().branch, child.info().note, dev.info().note) == (
            "master",
            "dev",
            "next",
            "aside",
        )
        assert child.created >= root.created

    def test_ancestors_come_newest_first_and_once(self, root: Version) -> None:
        left, right = root.new_version(), root.branch("dev")
        left.commit()
        right.commit()
        merged = left.merge(right)
        assert list(merged.ancestors()) == [right, left, root]

    def test_the_same_version_is_equal_and_hashes_so(self, repo: Repo, root: Version, dvid: DvidBackend) -> None:
        assert {root, repo.version(":master"), repo.root} == {root}
        assert root != root.new_version()
        assert root != root.uuid

    def test_a_volume_is_that_of_the_version(self, repo: Repo) -> None:
        repo.create_volume("gray", None, "uint8", block_shape=(32, 32, 32))
        root = repo.root
        fill(root, 1)
        root.commit()
        child, dev = root.new_version(), root.branch("dev")
        fill(child, 2)
        fill(dev, 3)
        assert [each.volume("gray")[0, 5, 5, 5] for each in (root, child, dev)] == [1, 2, 3]

    def test_a_volume_takes_options(self, repo: Repo) -> None:
        repo.create_volume("gray", None, "uint8")
        volume = repo.root.volume("gray", mode="r")
        with pytest.raises(UnsupportedError, match="reading only"):
            volume[...] = 0

    def test_a_volume_that_is_not_there_is_not_found(self, repo: Repo) -> None:
        with pytest.raises(NotFoundError, match="no volume"):
            repo.root.volume("nothing")

    def test_a_tag_is_a_committed_version_of_that_name(self, repo: Repo, root: Version) -> None:
        name = fresh("v")
        tag = root.tag(name)
        assert (tag.uuid, tag.info().locked, tag.parents) == (name, True, (root,))
        assert repo.version(name) == tag

    def test_a_merge_sees_both_sides(self, repo: Repo) -> None:
        repo.create_volume("gray", (64, 32, 32), "uint8", block_shape=(32, 32, 32))
        root = repo.root
        root.commit()
        left, right = root.branch("left"), root.branch("right")
        fill(left, 1, x=0)
        fill(right, 2, x=32)
        left.commit()
        right.commit()
        merged = left.merge([":right"], "both")
        volume = merged.volume("gray")
        assert (volume[0, 5, 5, 5], volume[0, 40, 5, 5]) == (1, 2)
        assert (merged.parents, merged.info().note, merged.info().locked) == ((left, right), "both", False)


class TestRefusals:
    def test_committing_twice(self, root: Version) -> None:
        with pytest.raises(LockedError, match="committed already") as caught:
            root.commit()
        assert caught.value.version == root.uuid

    @pytest.mark.parametrize("way", ["new_version", "branch", "tag"])
    def test_an_open_version_has_no_children(self, repo: Repo, way: str) -> None:
        arguments = () if way == "new_version" else (fresh("name"),)
        with pytest.raises(RefusedError, match=r"commit it first \(can't branch an unlocked node\)$"):
            getattr(repo.root, way)(*arguments)
        assert repo.root.children() == ()

    def test_a_second_child_on_a_branch(self, root: Version) -> None:
        root.new_version()
        with pytest.raises(ExistsError, match=r"branch\(name\)"):
            root.new_version()
        assert len(root.children()) == 1

    def test_a_second_branch_of_that_name(self, root: Version) -> None:
        root.branch("dev")
        with pytest.raises(ExistsError, match="a branch of this name"):
            root.branch("dev")
        assert len(root.children()) == 1

    def test_a_branch_called_master(self, root: Version) -> None:
        with pytest.raises(ExistsError, match="new_version"):
            root.branch("master")

    @pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", "a~1", "ä?b", ".."])
    @pytest.mark.parametrize("way", ["branch", "tag"])
    def test_a_name_that_could_not_be_looked_up(self, root: Version, way: str, name: str) -> None:
        with pytest.raises(MetadataError, match="expected a name"):
            getattr(root, way)(name)
        assert root.children() == ()

    def test_a_tag_twice(self, root: Version) -> None:
        name = fresh("v")
        root.tag(name)
        with pytest.raises(ExistsError, match="begins"):
            root.tag(name)
        assert len(root.children()) == 1

    def test_a_tag_that_hides_another(self, root: Version) -> None:
        name = fresh("v")
        root.tag(name)
        with pytest.raises(ExistsError, match="begins"):
            root.tag(name + ".1")
        assert root.children()[0].uuid == name

    def test_a_tag_in_place_of_a_version(self, root: Version) -> None:
        child = root.new_version("open")
        with pytest.raises(ExistsError, match="begins"):
            root.tag(child.uuid)
        assert (child.info().locked, child.info().note) == (False, "open")

    def test_a_merge_with_an_open_parent_leaves_nothing_behind(self, repo: Repo, root: Version) -> None:
        left, right = root.new_version(), root.branch("dev")
        left.commit()
        with pytest.raises(RefusedError, match=f"{right.uuid[:8]} is open; commit it first"):
            left.merge(right)
        assert len(repo.versions()) == 3

    def test_a_merge_with_itself(self, repo: Repo, root: Version) -> None:
        with pytest.raises(MetadataError, match="each once"):
            root.merge(root)
        assert len(repo.versions()) == 1

    def test_a_merge_of_two_repositories(self, repo: Repo, root: Version, server: pyvolume.dvid.Server) -> None:
        other = server.create_repo(fresh("other")).root
        other.commit()
        with pytest.raises(NotFoundError, match="no such version"):
            root.merge(other)
        assert len(repo.versions()) == 1

    @pytest.mark.parametrize("way", ["set_note", "add_log"])
    def test_writing_to_a_committed_version(self, root: Version, way: str) -> None:
        with pytest.raises(LockedError, match="committed"):
            getattr(root, way)("too late")
        assert root.info().note == "done"


class TestVolume:
    @pytest.fixture
    def volume(self, repo: Repo) -> pyvolume.dvid.VoxelsAccessor:
        volume = repo.create_volume("gray", None, "uint8", block_shape=(32, 32, 32))
        volume.post_ndarray((0, 0, 0, 0), SHAPE, ramp(SHAPE))
        return volume

    def test_a_volume_knows_its_version(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        assert volume.version == repo.root

    def test_the_same_instance_in_another_version(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        volume.version.commit()
        child = volume.version.branch("dev")
        other = volume.at(child)
        other[:, :5] = 0
        assert (other.version, volume.at(":dev").version, volume.at(":master").version) == (child, child, repo.root)
        same(volume[...], ramp(SHAPE))

    def test_options_go_along(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        options = {"throttle": True, "retry_timeout": 7, "mode": "r", "casting": "safe", "partial_blocks": "raise"}
        given = pyvolume.dvid.VoxelsAccessor(
            repo.connection, repo.root_uuid, "gray", {"scale": "0"}, **cast("Any", options)
        )
        other = given.at(repo.root_uuid)
        first, second = (transfer_of(each, "compare") for each in (given, other))
        assert dataclasses.replace(second, store=first.store, known=first.known) == first
        assert (other.store.query, other.store.throttle) == ({"scale": "0"}, True)


class TestNamesInBrackets:
    @pytest.fixture
    def volume(self, repo: Repo) -> pyvolume.dvid.VoxelsAccessor:
        repo.create_roi("nose")
        return repo.create_volume("gray", (32, 32, 32), "uint8")

    @pytest.mark.parametrize("kind", ["repo", "version", "follower"])
    def test_a_name_opens_a_volume(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor, kind: str) -> None:
        places: dict[str, Repo | Version] = {"repo": repo, "version": repo.root, "follower": repo.version(follow=True)}
        place = places[kind]
        place["gray"][0, 3] = 5
        assert (volume[0, 3, 0, 0], place["gray"].version) == (5, repo.root)

    def test_it_opens_the_version_that_can_be_written(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        repo.root.commit()
        assert repo["gray"].version == repo.root
        dev = repo.root.branch("dev")
        assert repo["gray"].version == dev
        child = repo.root.new_version()
        assert repo["gray"].version == child

    @pytest.mark.parametrize("error", [KeyError, KeyNotFoundError, NotFoundError])
    def test_a_name_that_is_not_there_is_a_missing_key(
        self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor, error: type[Exception]
    ) -> None:
        for place in (repo, repo.root):
            with pytest.raises(error, match="did you mean 'gray'") as caught:
                place["grey"]
            assert isinstance(caught.value, KeyNotFoundError)
            assert (caught.value.status, caught.value.action) == (400, "open grey")

    def test_a_branch_with_two_ends_is_no_missing_key(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        repo.root.commit()
        follower = repo.version(follow=True)
        repo.root.new_version()
        left, right = repo.root.branch("left"), repo.root.branch("right")
        left.commit()
        right.commit()
        left.merge(right)
        with pytest.raises(AmbiguousError) as caught:
            follower["gray"]
        assert not isinstance(caught.value, KeyError)

    def test_a_region_is_no_volume(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        with pytest.raises(UnsupportedError, match="nose"):
            repo.root["nose"]

    def test_names_are_asked_for_and_listed(self, repo: Repo, volume: pyvolume.dvid.VoxelsAccessor) -> None:
        for place in (repo, repo.root):
            assert ("gray" in place, "grey" in place, "nose" in place, 3 in place) == (True, False, False, False)
            assert list(place) == ["gray"]
