"""Tokens of the catalogue: renewed where that helps, and only there."""

from __future__ import annotations

import json
from typing import Any

import pytest
import web_tokens
from mikro_by_hand import upload
from scripted import ScriptedServer, answer

from mockserver import MikroServer
from pyvolume import Bearer
from pyvolume.errors import ForbiddenError, RefusedError
from pyvolume.mikro import Mikro


def test_one_that_has_expired_is_renewed_and_the_request_repeated_once() -> None:
    given: list[str] = []
    old: dict[str, Any] = {"iat": 1, "exp": 2}

    def provider() -> tuple[str, float]:
        given.append(web_tokens.web_token(**({} if given else old)))
        return given[-1], 3600.0

    with (
        MikroServer(keys=web_tokens.public_keys()) as mock,
        Mikro(mock.url, auth=Bearer(provider), store=mock.store_url) as mikro,
    ):
        assert list(mikro.images) == []
        assert (len(given), len(mock.requests)) == (2, 2)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"iat": 1, "exp": 2}, r"the token has expired \(Token has expired\)"),
        ({"nbf": 1 << 40}, "the clocks of the two servers may differ"),
        ({"active_org": ...}, "the token names no organisation"),
        ({"kid": "other"}, "the server does not know this token"),
    ],
)
def test_a_wrong_one_is_told_once(claims: dict[str, Any], message: str) -> None:
    with (
        MikroServer(keys=web_tokens.public_keys()) as mock,
        Mikro(mock.url, token=web_tokens.web_token(**claims), store=mock.store_url) as mikro,
    ):
        with pytest.raises(ForbiddenError, match=message):
            mikro.connect()
        assert len(mock.requests) == 1


def test_a_role_that_is_missing_is_not_renewed() -> None:
    calls: list[int] = []

    def provider() -> str:
        calls.append(1)
        return "viewer"

    tokens = {"viewer": {"sub": "3", "roles": ["viewer"]}}
    with (
        MikroServer(tokens=tokens) as mock,
        Mikro(mock.url, auth=Bearer(provider), store=mock.store_url) as mikro,
    ):
        with pytest.raises(ForbiddenError, match="may not do that"):
            upload(mikro)
        assert (len(calls), mock.images) == (1, {})


def of_newer_server(code: str) -> bytes:
    errors = [{"message": "no", "extensions": {"code": code, "reason": "TOKEN_EXPIRED"}}]
    return answer(json.dumps({"data": None, "errors": errors}).encode(), "Content-Type: application/json")


@pytest.mark.parametrize(("code", "times"), [("UNAUTHENTICATED", 2), ("PERMISSION_DENIED", 1), ("OTHER", 1)])
def test_a_code_of_a_newer_server_counts(code: str, times: int) -> None:
    given: list[int] = []

    def provider() -> str:
        given.append(1)
        return f"token {len(given)}"

    with (
        ScriptedServer([of_newer_server(code)] * 3) as server,
        Mikro(server.url, auth=Bearer(provider), store="localhost:1") as mikro,
    ):
        with pytest.raises(RefusedError) as caught:
            mikro.image(1)
        assert isinstance(caught.value, ForbiddenError) == (code != "OTHER")
        assert (len(given), len(server.heads)) == (times, times)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "the server wants a token"),
        ({"auth": "nonsense"}, "does not know this token"),
        ({"auth": "a.b.c"}, "does not know this token"),
    ],
)
def test_none_and_nonsense_are_told(mock: MikroServer, headers: dict[str, Any], message: str) -> None:
    with Mikro(mock.url, store=mock.store_url, **headers) as mikro, pytest.raises(ForbiddenError, match=message):
        mikro.images.count()
