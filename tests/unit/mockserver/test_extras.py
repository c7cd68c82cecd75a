"""Without the libraries of the extra, all else works, and a request that needs one says what to install."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from plain_client import PlainClient, talking_to

from mockserver import MockServer

EXTRA = b"pyvolume-sdk[mock]"


@pytest.fixture(autouse=True)
def blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("PIL", "jwt", "png"):
        monkeypatch.setitem(sys.modules, library, None)


def test_voxels_need_none_of_them(client: PlainClient) -> None:
    assert client.at("GET", "gray/raw/0_1_2/8_8_8/0_0_0").status == 200


@pytest.mark.parametrize("path", ["gray/raw/xy/8_8/0_0_0", "gray/raw/xy/8_8/0_0_0/jpg"])
def test_an_image_needs_pillow(client: PlainClient, path: str) -> None:
    reply = client.at("GET", path)
    assert (reply.status, b"Pillow" in reply.body, EXTRA in reply.body) == (501, True, True)


def test_an_image_of_deep_colours_needs_pypng(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "PIL")
    pytest.importorskip("PIL")
    with MockServer({"deep": np.zeros((4, 8, 8, 8), np.uint16)}) as server, talking_to(server) as client:
        reply = client.at("GET", "deep/raw/xy/8_8/0_0_0")
    assert (reply.status, b"pypng" in reply.body, EXTRA in reply.body) == (501, True, True)


def test_a_token_needs_pyjwt() -> None:
    with MockServer({}, auth="token") as server, talking_to(server) as client:
        client.connection.request("GET", f"/api/node/{server.uuid}/status", headers={"Authorization": "Bearer a.b.c"})
        answer = client.connection.getresponse()
        assert (answer.status, EXTRA in answer.read()) == (501, True)
        with pytest.raises(ImportError, match=r"\[mock\]"):
            server.token()
