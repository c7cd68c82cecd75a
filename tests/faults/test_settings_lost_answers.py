"""Instances and lines of a repository's log over a bad line: made once, and the outcome told as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.dvid.repo import Repo
from pyvolume.errors import AnswerError, ExistsError, TransportError

Change = Callable[[Repo], object]

CHANGES: dict[str, Change] = {
    "instance": lambda repo: repo.create_volume("made", (64, 64, 64), "uint16", tags={"a": "b"}),
    "log": lambda repo: repo.add_log(["a line", "another line"]),
}

each_change = pytest.mark.parametrize("endpoint", CHANGES)


@pytest.fixture
def repo(connection: pyvolume.Connection) -> Repo:
    repo = pyvolume.dvid.Server(connection).create_repo("lines")
    repo.add_log("before")
    return repo


def is_done(repo: Repo, endpoint: str) -> bool:
    """Whether a change has been made, exactly once."""
    if endpoint == "instance":
        return list(repo.info().instances) == ["made"]
    return [line.partition("  ")[2] for line in repo.info().log] == ["before", "a line", "another line"]


def add(server: MockServer, endpoint: str, kind: str, times: int = 1) -> None:
    server.faults.add(Fault(kind, times=times, method="POST", path=f"/api/repo/.*/{endpoint}", status=503))


@each_change
@pytest.mark.parametrize("kind", ["lost", "truncate", "long", "gateway"])
def test_a_lost_answer_is_looked_for(server: MockServer, repo: Repo, endpoint: str, kind: str) -> None:
    add(server, endpoint, kind)
    CHANGES[endpoint](repo)
    assert is_done(repo, endpoint)


@each_change
@pytest.mark.parametrize("kind", ["reset", "close", "garbage"])
def test_what_did_not_happen_is_an_error_and_may_be_tried_again(
    server: MockServer, repo: Repo, endpoint: str, kind: str
) -> None:
    add(server, endpoint, kind)
    with pytest.raises(TransportError, match="may have been carried out"):
        CHANGES[endpoint](repo)
    assert not is_done(repo, endpoint)
    CHANGES[endpoint](repo)
    assert is_done(repo, endpoint)


@each_change
def test_the_page_of_a_proxy_is_no_success(server: MockServer, repo: Repo, endpoint: str) -> None:
    add(server, endpoint, "html")
    with pytest.raises(AnswerError, match="may have been carried out"):
        CHANGES[endpoint](repo)
    assert not is_done(repo, endpoint)


@each_change
def test_a_busy_server_is_asked_again(server: MockServer, repo: Repo, endpoint: str) -> None:
    add(server, endpoint, "busy", times=3)
    CHANGES[endpoint](repo)
    assert is_done(repo, endpoint)


def test_an_instance_that_was_there_before_is_not_taken_for_the_new_one(server: MockServer, repo: Repo) -> None:
    CHANGES["instance"](repo)
    with pytest.raises(ExistsError, match="the name is taken"):
        CHANGES["instance"](repo)
    assert sum(request.path.endswith("/instance") for request in server.requests) == 1


@pytest.mark.parametrize("change", ["set_resolution", "set_extents"])
@pytest.mark.parametrize("kind", ["reset", "lost", "busy"])
def test_settings_are_sent_again(server: MockServer, connection: pyvolume.Connection, change: str, kind: str) -> None:
    volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
    server.faults.add(Fault(kind, times=2, method="POST"))
    if change == "set_resolution":
        volume.set_resolution(3)
    else:
        volume.set_extents((0, 0, 0, 0), (1, 128, 128, 128))
    assert (volume.resolution[0], volume.shape[1]) == ((3, 64) if change == "set_resolution" else (8, 128))


@pytest.mark.parametrize("kind", ["truncate", "short", "reset", "busy", "html"])
def test_a_picture_arrives_whole(server: MockServer, connection: pyvolume.Connection, kind: str) -> None:
    volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
    server.faults.add(Fault(kind, method="GET", path=".*/raw/.*"))
    assert (volume.image("xz", y=3) == volume[:, :, 3, :]).all()


def test_what_is_no_picture_is_an_error(server: MockServer, connection: pyvolume.Connection) -> None:
    volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
    server.faults.add(Fault("html", times=None, method="GET", path=".*/raw/.*"))
    with pytest.raises(AnswerError, match="expected a whole image/png and found text/html"):
        volume.image_file("xz", y=3)


@pytest.mark.parametrize("found", ["Image/PNG", "image/png; charset=binary", "IMAGE/PNG;q=1"])
def test_the_type_of_a_picture_has_no_case(server: MockServer, found: str) -> None:
    def change(response: requests.Response, **_: object) -> None:
        if response.headers.get("Content-Type") == "image/png":
            response.headers["Content-Type"] = found

    with requests.Session() as session, pyvolume.Connection(server.url, session=session) as connection:
        session.hooks["response"].append(change)
        volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
        assert volume.image_file("xz", y=3).startswith(b"\x89PNG")
