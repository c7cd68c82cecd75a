"""A server that wants a token: whoever has none, or a bad one, is told so, on the mock server and on a real DVID."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import real_dvid

import pyvolume
from mockserver import MockServer
from mockserver.dvid.tokens import make_token
from pyvolume.dvid import general
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.repo import Repo
from pyvolume.dvid.versions import changes
from pyvolume.errors import ForbiddenError
from pyvolume.transport.bearer import Bearer


@pytest.fixture(scope="module", params=["mock", *real_dvid.if_own()])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "mock":
        with MockServer(admin_token=real_dvid.ADMIN_TOKEN, auth="token", jwt_secret=real_dvid.JWT_SECRET) as mock:
            yield mock.url
    else:
        with real_dvid.running(tmp_path_factory.mktemp("dvid"), sections='[auth]\nenforce = "token"\n') as server:
            yield server.url


def token(seconds: float = 600, secret: str = real_dvid.JWT_SECRET, **claims: Any) -> str:
    return make_token(secret, {"user": "anna", "exp": time.time() + seconds} | claims)


@pytest.fixture(scope="module")
def repo(url: str) -> Iterator[Repo]:
    with pyvolume.Connection(
        url, auth=pyvolume.dvid.Identity(token=token(), admin_token=real_dvid.ADMIN_TOKEN)
    ) as connection:
        repo = pyvolume.dvid.Server(connection).create_repo("guarded")
        repo.create_volume("gray", (32, 32, 32), "uint8", block_shape=(16, 16, 16))
        repo.create_keyvalue("notes")
        yield repo


BAD: dict[str, Callable[[], str | None]] = {
    "none": lambda: None,
    "expired": lambda: token(-60),
    "of another secret": lambda: token(secret="another" * 10),
    "of nobody": lambda: token(user=7),
    "garbage": lambda: "garbage",
}

ASKS: dict[str, Callable[[pyvolume.Connection, Repo], object]] = {
    "list": lambda connection, _: list(pyvolume.dvid.Server(connection).repos),
    "count": lambda connection, _: len(pyvolume.dvid.Server(connection).repos),
    "look in": lambda connection, repo: repo.root_uuid in pyvolume.dvid.Server(connection).repos,
    "find": lambda connection, repo: pyvolume.dvid.Server(connection).repos.get(repo.root_uuid),
    "pydvid": lambda connection, _: general.get_repos_info(connection),
    "open": lambda connection, repo: pyvolume.dvid.VoxelsAccessor(connection, repo.root_uuid, "gray"),
    "commit": lambda connection, repo: changes.commit(connection, repo.root_uuid, "", ()),
    "key": lambda connection, repo: "a" in KeyValue.of(Instance(connection, repo.root_uuid, "notes")),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("ask", ASKS)
def test_a_bad_token_is_an_error_that_tells_what_to_do(url: str, repo: Repo, bad: str, ask: str) -> None:
    with (
        pyvolume.Connection(url, auth=pyvolume.dvid.Identity(token=BAD[bad]())) as connection,
        pytest.raises(ForbiddenError, match="token"),
    ):
        ASKS[ask](connection, repo)


SAYS = {"none": "none was sent", "expired": "does not accept", "of another secret": "does not accept"}


@pytest.mark.parametrize("bad", SAYS)
@pytest.mark.parametrize("ask", ["list", "find", "open", "commit"])
def test_a_wrong_token_and_none_are_told_apart(url: str, repo: Repo, bad: str, ask: str) -> None:
    with (
        pyvolume.Connection(url, auth=pyvolume.dvid.Identity(token=BAD[bad]())) as connection,
        pytest.raises(ForbiddenError, match=SAYS[bad]) as caught,
    ):
        ASKS[ask](connection, repo)
    assert ("PYVOLUME_TOKEN" in str(caught.value)) == (bad == "none")


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        (None, "none was sent"),
        (pyvolume.dvid.Identity(), "none was sent"),
        (Bearer("abc"), "none was sent"),
        (pyvolume.dvid.Identity(admin_token="wrong"), "does not accept"),
    ],
    ids=["nobody", "no token", "a bearer", "a wrong token"],
)
def test_a_wrong_admin_token_and_none_are_told_apart(url: str, auth: Any, says: str) -> None:
    with pyvolume.Connection(url, auth=auth) as connection, pytest.raises(ForbiddenError, match=says) as caught:
        pyvolume.dvid.Server(connection).create_repo("never")
    assert ("DVID_ADMIN_TOKEN" in str(caught.value)) == (says == "none was sent")
    assert "wrong" not in str(caught.value)


def test_python_code_reads_no_token_of_the_environment(url: str, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYVOLUME_TOKEN", token())
    monkeypatch.setenv("DVID_ADMIN_TOKEN", real_dvid.ADMIN_TOKEN)
    with pytest.raises(ForbiddenError):
        pyvolume.open(f"dvid://{url}/{repo.root_uuid}/gray")
    with pyvolume.dvid.Server(url) as server, pytest.raises(ForbiddenError):
        server.create_repo("never")


def test_a_good_token_opens_everything(repo: Repo) -> None:
    volume = repo.root.volume("gray")
    volume[...] = 3
    assert (volume[0, 1, 2, 3], "guarded" in pyvolume.dvid.Server(repo.connection).repos) == (3, True)
