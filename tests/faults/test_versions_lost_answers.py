"""Changes of versions over a bad line: nothing is done twice, and the outcome is told as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.version import Version, find_version
from pyvolume.errors import (
    AnswerError,
    BusyTimeoutError,
    LockedError,
    NotFoundError,
    RefusedError,
    StoreError,
    TransportError,
)

Change = Callable[[Repo], Any]


@pytest.fixture
def repo(connection: pyvolume.Connection) -> Repo:
    """Give a repository with committed ends of two branches, and an open version on a third."""
    repo = pyvolume.dvid.Server(connection).create_repo("lines")
    repo.root.commit()
    for name in ("left", "right"):
        repo.root.branch(name).commit()
    repo.root.branch("open")
    return repo


def commit(repo: Repo) -> None:
    repo.version(":open").commit("done", ["a line"])


def new_version(repo: Repo) -> Version:
    return repo.version(":left").new_version("made")


def branch(repo: Repo) -> Version:
    return repo.version(":left").branch("dev", "made")


def tag(repo: Repo) -> Version:
    return repo.version(":left").tag("v1")


def merge(repo: Repo) -> Version:
    return repo.version(":left").merge(repo.version(":right"), "made")


def create(repo: Repo) -> Repo:
    return pyvolume.dvid.Server(repo.connection).create_repo("made")


def add_log(repo: Repo) -> None:
    repo.version(":open").add_log(["a line"])


CHANGES: dict[str, Change] = {
    "commit": commit, "newversion": new_version, "branch": branch, "tag": tag, "merge": merge, "repos": create,
    "log": add_log,
}  # fmt: skip


def test_a_server_without_repositories_is_not_asked_for_a_branch() -> None:
    """A real one panics, and creates no repository any more."""
    with MockServer() as server, pyvolume.Connection(server.url) as connection:
        with pytest.raises(NotFoundError, match="holds no repository"):
            find_version(connection, ":master")
        assert [request.path.partition("?")[0] for request in server.requests] == [
            "/api/repos/info",
            "/api/server/types",
        ]


each_change = pytest.mark.parametrize("endpoint", CHANGES)


def state(repo: Repo) -> tuple[int, int, list[str]]:
    """Return what a change can change: how many repositories and versions, and what is written about the open one."""
    opened = repo.version(":open")
    lines = [line.partition("  ")[2] for line in opened.info().log]
    return len(pyvolume.dvid.Server(repo.connection).repos), len(repo.versions()), [str(opened.info().locked), *lines]


def after(endpoint: str) -> tuple[int, int, list[str]]:
    """Return the state when the change has been made once."""
    return {
        "commit": (2, 4, ["True", "a line"]),
        "log": (2, 4, ["False", "a line"]),
        "repos": (3, 4, ["False"]),
    }.get(endpoint, (2, 5, ["False"]))


BEFORE = (2, 4, ["False"])


def asked(server: MockServer, endpoint: str) -> int:
    return sum(record.method == "POST" and record.path.split("?")[0].endswith(endpoint) for record in server.requests)


def add(server: MockServer, endpoint: str, kind: str, times: int | None = 1, **facts: Any) -> int:
    """Add a fault, and return how often the change was asked for until now."""
    server.faults.add(Fault(kind, times=times, method="POST", path=f".*/{endpoint}", **facts))
    return asked(server, endpoint)


@each_change
@pytest.mark.parametrize("kind", ["lost", "truncate", "short", "long"])
def test_a_lost_answer_is_looked_for(server: MockServer, repo: Repo, endpoint: str, kind: str) -> None:
    if kind == "short" and endpoint == "log":
        pytest.skip("an empty answer has nothing to leave out")
    before = add(server, endpoint, kind)
    made = CHANGES[endpoint](repo)
    assert (asked(server, endpoint) - before, state(repo)) == (1, after(endpoint))
    if isinstance(made, Version):
        assert made in repo.versions().values()


@each_change
@pytest.mark.parametrize("status", [502, 503])
def test_what_a_gateway_hides_is_looked_for(server: MockServer, repo: Repo, endpoint: str, status: int) -> None:
    before = add(server, endpoint, "gateway", status=status)
    CHANGES[endpoint](repo)
    assert (asked(server, endpoint) - before, state(repo)) == (1, after(endpoint))


@each_change
@pytest.mark.parametrize("kind", ["reset", "close", "stall", "garbage"])
def test_what_did_not_happen_is_an_error(server: MockServer, repo: Repo, endpoint: str, kind: str) -> None:
    before = add(server, endpoint, kind)
    with pytest.raises(TransportError, match="may have been carried out"):
        CHANGES[endpoint](repo)
    assert (asked(server, endpoint) - before, state(repo)) == (1, BEFORE)


@each_change
def test_what_failed_may_be_tried_again(server: MockServer, repo: Repo, endpoint: str) -> None:
    add(server, endpoint, "reset")
    with pytest.raises(TransportError):
        CHANGES[endpoint](repo)
    CHANGES[endpoint](repo)
    assert state(repo) == after(endpoint)


@each_change
@pytest.mark.parametrize("kind", ["busy", "refuse"])
def test_a_busy_server_is_asked_again(server: MockServer, repo: Repo, endpoint: str, kind: str) -> None:
    before = add(server, endpoint, kind, times=3)
    CHANGES[endpoint](repo)
    assert (asked(server, endpoint) - before, state(repo)) == (4, after(endpoint))


@each_change
def test_a_server_that_stays_busy_has_done_nothing(server: MockServer, repo: Repo, endpoint: str) -> None:
    policy = pyvolume.RetryPolicy(patience=0.05, interval=0.005, max_interval=0.01)
    with pyvolume.Connection(server.url, retry=policy) as connection:
        add(server, endpoint, "busy", times=None)
        with pytest.raises(BusyTimeoutError):
            CHANGES[endpoint](Repo(connection, repo.root_uuid, "lines"))
    server.faults.clear()
    assert state(repo) == BEFORE


@each_change
def test_busy_and_then_lost_is_done_once(server: MockServer, repo: Repo, endpoint: str) -> None:
    before = add(server, endpoint, "busy", times=2)
    add(server, endpoint, "lost")
    CHANGES[endpoint](repo)
    assert (asked(server, endpoint) - before, state(repo)) == (3, after(endpoint))


@each_change
@pytest.mark.parametrize(("status", "error"), [(504, StoreError), (503, StoreError), (500, RefusedError)])
def test_a_gateway_that_gave_up_is_not_asked_again(
    server: MockServer, repo: Repo, endpoint: str, status: int, error: type[StoreError]
) -> None:
    before = add(server, endpoint, "error", status=status)
    with pytest.raises(error, match="may have been carried out") as caught:
        CHANGES[endpoint](repo)
    assert caught.value.uncertain
    assert (asked(server, endpoint) - before, state(repo)) == (1, BEFORE)


@pytest.mark.parametrize("endpoint", ["newversion", "branch", "tag", "merge"])
def test_the_page_of_a_proxy_is_no_child(server: MockServer, repo: Repo, endpoint: str) -> None:
    add(server, endpoint, "html")
    with pytest.raises(AnswerError, match="expected the child"):
        CHANGES[endpoint](repo)
    assert state(repo) == BEFORE


def test_a_commit_of_somebody_else_is_not_taken_for_ours(server: MockServer, repo: Repo) -> None:
    version = repo.version(":open")
    repo.version(":open").commit("theirs")
    add(server, "commit", "reset")
    with pytest.raises(LockedError, match="theirs"):
        version.commit("ours")


@pytest.mark.parametrize("kind", ["reset", "busy", "html", "error"])
def test_a_server_that_cannot_be_asked_leaves_the_outcome_open(server: MockServer, repo: Repo, kind: str) -> None:
    version = repo.version(":open")
    add(server, "commit", "lost")
    server.faults.add(Fault(kind, times=None, method="GET"))
    with pytest.raises(TransportError, match="may have been carried out"):
        version.commit()
