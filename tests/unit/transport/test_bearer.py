"""Bearer tokens: where they come from, and when they are renewed."""

from __future__ import annotations

import json
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import web_tokens
from scripted import ScriptedServer, answer

from pyvolume import Bearer, ClientCredentials, Connection
from pyvolume.errors import AnswerError, ForbiddenError, RefusedError
from pyvolume.transport.bearer import as_auth, only_auth
from pyvolume.transport.request import Request

REQUEST = Request("look", "GET", "/")
EXPIRED = ForbiddenError("look: no", status=401)


def sent(auth: Any) -> str:
    return str(auth.apply(REQUEST).headers.get("Authorization", ""))


def test_a_text_is_a_bearer_token() -> None:
    auth = as_auth("abc")
    assert sent(auth) == "Bearer abc"
    assert auth is not None
    assert auth.refresh(EXPIRED) is False
    assert repr(auth) == "Bearer(…)"
    with pytest.raises(TypeError, match="expected token= or auth=, and found both"):
        only_auth("open", "a", "b")


def test_a_token_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Bearer("a\nb")
    with pytest.raises(TypeError, match="not int"):
        Bearer(7)  # type: ignore[arg-type]


def test_a_variable_is_read_anew_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = Bearer.of_variable("LAB_TOKEN")
    with pytest.raises(ForbiddenError, match="LAB_TOKEN, and it is not set"):
        sent(auth)
    monkeypatch.setenv("LAB_TOKEN", "old")
    assert sent(auth) == "Bearer old"
    assert auth.refresh(EXPIRED) is False
    monkeypatch.setenv("LAB_TOKEN", "new")
    assert (auth.refresh(ForbiddenError("no role", status=403)), sent(auth)) == (False, "Bearer old")
    sent(auth)
    assert (auth.refresh(EXPIRED), sent(auth)) == (True, "Bearer new")


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    auth = Bearer.of_file(path)
    with pytest.raises(ForbiddenError, match="expected one in the file"):
        sent(auth)
    path.write_text("abc\n")
    assert sent(auth) == "Bearer abc"
    assert sent(pickle.loads(pickle.dumps(auth))) == "Bearer abc"


def test_a_token_is_renewed_before_it_ends_by_one_thread() -> None:
    calls: list[int] = []

    def provider() -> tuple[str, float]:
        calls.append(1)
        time.sleep(0.01)
        return f"token{len(calls)}", 3600.0 if len(calls) > 1 else 0.0

    auth = Bearer(provider)
    assert sent(auth) == "Bearer token1"
    threads = [threading.Thread(target=sent, args=(auth,)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(calls), sent(auth)) == (2, "Bearer token2")


def test_a_web_token_tells_its_end() -> None:
    tokens = [web_tokens.web_token(exp=int(time.time()) + 1), web_tokens.web_token()]
    calls: list[str] = []

    def provider() -> str:
        calls.append(tokens[min(len(calls), 1)])
        return calls[-1]

    auth = Bearer(provider)
    sent(auth)
    deadline = time.monotonic() + 5
    while len(calls) == 1 and time.monotonic() < deadline:
        sent(auth)
    assert sent(auth) == f"Bearer {tokens[1]}"


@pytest.mark.parametrize("pickle_secrets", [True, False])
def test_a_text_travels_only_if_it_may(pickle_secrets: bool) -> None:
    auth = Bearer("abcdef", pickle_secrets=pickle_secrets)
    data = pickle.dumps(auth)
    assert (b"abcdef" in data) == pickle_secrets
    again = pickle.loads(data)
    assert (sent(again), again.left_behind) == (("Bearer abcdef", False) if pickle_secrets else ("", True))


class TestClientCredentials:
    def test_asks_the_identity_server(self) -> None:
        document = json.dumps({"access_token": "abc", "token_type": "Bearer", "expires_in": 60}).encode()
        with ScriptedServer([answer(document, "Content-Type: application/json")]) as server:
            auth = Bearer(ClientCredentials(f"{server.url}/o/token/", "viewer", "s3cret&"))
            assert (sent(auth), sent(auth)) == ("Bearer abc", "Bearer abc")
            assert server.heads[0].startswith("POST /o/token/ HTTP/1.1")
            assert server.bodies == [b"grant_type=client_credentials&client_secret=s3cret%26&scope=openid"]
            assert "s3cret" not in repr(auth)
            assert b"s3cret" not in pickle.dumps(auth)
            assert pickle.loads(pickle.dumps(auth)).left_behind

    def test_shows_nothing_of_a_refusal_but_its_code(self) -> None:
        document = json.dumps({"error": "invalid_client", "error_description": "s3cret is wrong"}).encode()
        refusals = [answer(document, status="401 No"), answer(b"s3cret", status="500 No")]
        with ScriptedServer(refusals, closing=[0]) as server:
            provider = ClientCredentials(f"{server.url}/token", "viewer", "s3cret")
            with pytest.raises(ForbiddenError, match=r"answered 401: invalid_client$"):
                provider()
            with pytest.raises(RefusedError, match=r"answered 500$"):
                provider()

    def test_refuses_another_document(self) -> None:
        other = answer(b"{}", "Content-Type: application/json")
        with (
            ScriptedServer([other]) as server,
            pytest.raises(AnswerError, match="expected a document with access_token"),
        ):
            ClientCredentials(f"{server.url}/token", "viewer", "s3cret")()


def test_every_driver_takes_an_auth() -> None:
    with Connection("localhost:1", auth="abc") as connection:
        assert sent(connection.auth) == "Bearer abc"
