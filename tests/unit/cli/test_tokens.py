"""Tokens of the environment: the command sends them to the servers that the environment names, and to no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from command import Run
from numpy.typing import NDArray

from mockserver import Fault, MockServer
from pyvolume.stores.tokens import token_for, why_withheld

TOKEN, ADMIN = "open-sesame", "shut-sesame"


@pytest.fixture
def other(voxels: NDArray[Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[MockServer]:
    """Give a server that the environment does not name."""
    monkeypatch.setenv("PYVOLUME_TOKEN", TOKEN)
    monkeypatch.setenv("DVID_ADMIN_TOKEN", ADMIN)
    monkeypatch.delenv("PYVOLUME_TOKEN_HOST", raising=False)
    with MockServer({"gray": voxels}) as server:
        yield server


def secrets_at(server: MockServer) -> set[str]:
    sent = "".join(f"{request.path} {request.headers}" for request in server.requests)
    return {secret for secret in (TOKEN, ADMIN) if secret in sent}


ASKS = {
    "a volume": ["info", "dvid://SERVER/:master/gray"],
    "a link that somebody sent": ["info", "LINK"],
    "a server": ["ls", "SERVER"],
    "a version of DVID": ["log", "dvid://SERVER/:master"],
    "a new repository": ["create", "SERVER", "--repo", "fly"],
    "both ends of a copy": ["cp", "dvid://SERVER/:master/gray", ":master/gray"],
}


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("host", ["", "SERVER"])
def test_a_token_goes_to_a_server_of_the_environment_only(
    run: Run, server: MockServer, other: MockServer, monkeypatch: pytest.MonkeyPatch, ask: str, host: str
) -> None:
    monkeypatch.setenv("PYVOLUME_TOKEN_HOST", host.replace("SERVER", other.url))
    state = {"layers": [{"source": f"dvid://{other.url}/:master/gray"}]}
    link = f"https://neuroglancer-demo.appspot.com/#!{quote(json.dumps(state))}"
    assert run(*(word.replace("SERVER", other.url).replace("LINK", link) for word in ASKS[ask])).code == 0
    expected = {TOKEN, ADMIN} if ask == "a new repository" else {TOKEN}
    assert secrets_at(other) == (expected if host else set())
    assert TOKEN in secrets_at(server) or ask != "both ends of a copy"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_says_which_token_was_not_sent(run: Run, server: MockServer, other: MockServer, status: int) -> None:
    other.faults.add(Fault("error", status=status, path=".*/info", times=None))
    said = run("info", f"dvid://{other.url}/:master/gray").err
    assert f"PYVOLUME_TOKEN was not sent to {other.url}: it is for PYVOLUME_URL={server.url}" in said
    assert (said.count("\n"), "sesame" in said) == (1, False)


def test_a_token_that_was_sent_is_not_called_withheld(run: Run, server: MockServer, other: MockServer) -> None:
    server.faults.add(Fault("error", status=403, path=".*/info", times=None))
    assert "was not sent" not in run("info", f"dvid://{server.url}/:master/gray").err


def test_completion_sends_no_token_elsewhere(run: Run, other: MockServer) -> None:
    words = {"COMP_WORDS": f"pyvolume info {other.url}/", "COMP_CWORD": "2", "_PYVOLUME_COMPLETE": "zsh_complete"}
    assert "master" in run(env=words).out
    assert secrets_at(other) == set()


@pytest.mark.parametrize(
    ("named", "server", "goes"),
    [
        ({"PYVOLUME_URL": "http://host:8000"}, "http://host:8000", True),
        ({"PYVOLUME_URL": "host:8000/:master"}, "http://HOST:8000/prefix", True),
        ({"PYVOLUME_URL": "dvid://https://host/:master/gray"}, "https://host:443", True),
        ({"PYVOLUME_URL": "http://host:8000"}, "http://host:8001", False),
        ({"PYVOLUME_URL": "https://host"}, "http://host:443", False),
        ({"PYVOLUME_URL": "http://host:8000"}, "http://host.example:8000", False),
        ({"PYVOLUME_URL": "cells.h5"}, "http://host", False),
        ({"PYVOLUME_URL": "http://me:sesame@host"}, "http://host", False),
        ({"PYVOLUME_TOKEN_HOST": "host"}, "https://host", True),
        ({"PYVOLUME_TOKEN_HOST": "host"}, "http://host", True),
        ({"PYVOLUME_TOKEN_HOST": "host"}, "http://host:8000", False),
        ({"PYVOLUME_TOKEN_HOST": "host:8000"}, "http://host:8000", True),
        ({"PYVOLUME_TOKEN_HOST": "https://host"}, "http://host", False),
        ({"PYVOLUME_TOKEN_HOST": "host", "PYVOLUME_URL": "http://another"}, "http://another", True),
        ({}, "http://host", False),
    ],
)
def test_scheme_host_and_port_say_where_a_token_goes(
    monkeypatch: pytest.MonkeyPatch, named: dict[str, str], server: str, goes: bool
) -> None:
    for name in ("PYVOLUME_URL", "PYVOLUME_TOKEN_HOST"):
        monkeypatch.setenv(name, named.get(name, ""))
    monkeypatch.setenv("PYVOLUME_TOKEN", TOKEN)
    token = token_for(server, "PYVOLUME_TOKEN")
    assert (token, TOKEN in repr(token)) == (TOKEN if goes else None, False)
    said = why_withheld(server, "PYVOLUME_TOKEN")
    assert (said == "", "sesame" in said) == (goes, False)
