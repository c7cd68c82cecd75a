"""A name that is not there: the error says what is missing, and what is there under a similar name.

On the mock server and on a real DVID. A name that is there costs nothing more, an unknown one costs one request more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from conformance_stores import DvidBackend

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.dvid.repo import Repo
from pyvolume.errors import NotFoundError, UnsupportedError

_numbers = itertools.count()


@pytest.fixture
def server(dvid: DvidBackend) -> pyvolume.dvid.Server:
    return pyvolume.dvid.Server(dvid.connection)


@pytest.fixture
def repo(server: pyvolume.dvid.Server) -> Repo:
    """Give a repository with an instance of each kind, and a branch."""
    repo = server.create_repo(f"zebrafinch-{next(_numbers):03}")
    repo.create_volume("gray", None, "uint8")
    repo.create_roi("nose")
    repo.create_keyvalue("notes")
    repo.root.commit()
    repo.root.branch("trial")
    return repo


def sentence(call: Callable[[], object]) -> str:
    with pytest.raises(NotFoundError) as caught:
        call()
    return str(caught.value)


class TestInstances:
    def test_a_volume(self, repo: Repo) -> None:
        url = f"dvid://{repo.connection.url}/{repo.root_uuid}/grey"
        alias = repo.info().alias
        expected = f"open grey: no volume 'grey' in repository {alias!r}; did you mean 'gray'?"
        assert sentence(lambda: repo.root.volume("grey")) == expected
        assert sentence(lambda: pyvolume.open(url, connection=repo.connection)) == expected

    def test_a_region(self, repo: Repo) -> None:
        assert "no region 'hose'" in sentence(lambda: repo.root.roi("hose"))
        assert "did you mean 'nose'?" in sentence(lambda: repo.root.volume("gray").masked("hose"))

    def test_keys_and_values(self, repo: Repo) -> None:
        assert "did you mean 'notes'?" in sentence(lambda: repo.root.keyvalue("note"))

    def test_only_names_of_the_same_kind_are_suggested(self, repo: Repo) -> None:
        assert "there are gray" in sentence(lambda: repo.root.volume("noses"))

    def test_an_instance_of_another_kind_is_not_missing(self, repo: Repo) -> None:
        with pytest.raises(UnsupportedError):
            repo.root.volume("nose")

    def test_what_the_server_said_is_kept(self, repo: Repo) -> None:
        with pytest.raises(NotFoundError) as caught:
            repo.root.volume("grey")
        assert (caught.value.status, caught.value.reason) == (400, "invalid data instance name")


class TestRepositories:
    def test_an_alias(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        alias = repo.info().alias
        url = f"dvid://{server.connection.url}/{alias.upper()}/gray"
        assert f"did you mean {alias!r}?" in sentence(lambda: server.repos[alias.upper()])
        assert f"did you mean {alias!r}?" in sentence(lambda: pyvolume.open(url, connection=server.connection))

    def test_the_beginning_of_a_uuid(self, server: pyvolume.dvid.Server, repo: Repo) -> None:
        right = repo.root_uuid[:12]
        wrong = f"{right[:5]}{right[6]}{right[5]}{right[7:]}"
        if wrong == right:
            wrong = f"{right[:5]}{'0' if right[5] != '0' else '1'}{right[6:]}"
        assert f"did you mean {right!r}?" in sentence(lambda: server.repos[wrong])
        assert f"did you mean {right!r}?" in sentence(lambda: repo.version(wrong))


class TestBranches:
    def test_a_branch_of_the_repository(self, repo: Repo) -> None:
        assert "did you mean ':trial'?" in sentence(lambda: repo.version(":trail"))

    def test_a_branch_without_its_colon(self, repo: Repo) -> None:
        assert "did you mean the branch ':master'?" in sentence(lambda: repo.version("master"))
        assert "did you mean the branch ':trial'?" in sentence(lambda: repo.version("Trial"))

    def test_from_a_volume_or_a_version_it_is_one_of_its_repository(self, server: pyvolume.dvid.Server) -> None:
        own, other = (server.create_repo(f"of-its-own-{next(_numbers):03}") for _ in range(2))
        for repo, branch in ((own, "retouched"), (other, "retouch")):
            repo.create_volume("gray", None, "uint8")
            repo.root.commit()
            repo.root.branch(branch)
        for call in (lambda: own.root.volume("gray").at("retouch"), lambda: own.root.merge("retouch")):
            assert "did you mean the branch ':retouched'?" in sentence(call)

    def test_one_repository_needs_no_name(self) -> None:
        with MockServer({"gray": np.zeros((1, 8, 8, 8), "uint8")}) as mock:
            found = sentence(lambda: pyvolume.open(f"dvid://{mock.url}/master/gray"))
        assert "did you mean the branch ':master'?" in found

    def test_several_repositories_need_one(self, server: pyvolume.dvid.Server, repo: Repo, dvid: DvidBackend) -> None:
        url = f"dvid://{server.connection.url}/master/gray"
        assert ":master'" in sentence(lambda: pyvolume.open(url, connection=dvid.connection))


class TestTags:
    def test_a_tag_is_nearer_than_the_branch_that_the_server_makes_for_it(self, repo: Repo) -> None:
        tag = f"raw-{next(_numbers):03}-brain"
        repo.root.tag(tag)
        assert f"did you mean {tag!r}?" in sentence(lambda: repo.version(f"{tag}s"))


class TestCosts:
    @pytest.fixture
    def mock(self) -> MockServer:
        return MockServer({"gray": np.zeros((1, 8, 8, 8), "uint8")})

    def test_a_failure_costs_one_request_more(self, mock: MockServer) -> None:
        with mock, pyvolume.Connection(mock.url) as connection:
            version = pyvolume.dvid.Server(connection).repos[mock.uuid].version()
            before = len(mock.requests)
            sentence(lambda: version.volume("grey"))
            assert len(mock.requests) - before == 2

    def test_the_first_error_stays_if_nothing_more_is_learnt(self, mock: MockServer) -> None:
        with mock, pyvolume.Connection(mock.url) as connection:
            version = pyvolume.dvid.Server(connection).repos[mock.uuid].version()
            mock.faults.add(Fault("error", status=500, path="/api/repo/.*"))
            assert "invalid data instance name" in sentence(lambda: version.volume("grey"))
