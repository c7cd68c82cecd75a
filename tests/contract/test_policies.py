"""Tokens, read-only servers, other origins: the mock server answers as a real one that is configured alike."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import real_dvid

from mockserver import MockServer

ROOT = "a" * 32
NODE = f"/api/node/{ROOT}"
TOKEN_NEEDED = '[auth]\nenforce = "token"\n'
HEADERS = (
    "Content-Type", "Content-Length", "Allow", "Vary", "Access-Control-Allow-Origin", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers", "Access-Control-Allow-Credentials",
)  # fmt: skip
REQUESTED = [{}, *({"Access-Control-Request-Headers": text} for text in ("authorization", "content-type, accept", "x"))]


@dataclass(frozen=True)
class Setup:
    """A policy, as the real server's configuration and as arguments of the mock server."""

    settings: str = ""
    sections: str = ""
    options: dict[str, Any] = field(default_factory=dict)


SETUPS = {
    "any origin": Setup('corsDomains = ["*"]', options={"cors": ["*"]}),
    "origins": Setup(
        'corsDomains = ["https://a.org", "https://B.org"]', options={"cors": ["https://a.org", "https://B.org"]}
    ),
    "token": Setup(sections=TOKEN_NEEDED, options={"auth": "token"}),
    "token and origins": Setup('corsDomains = ["a.org"]', TOKEN_NEEDED, {"auth": "token", "cors": ["a.org"]}),
    "read only": Setup('rwmode = "readonly"', options={"read_only": True}),
}


@dataclass(frozen=True)
class Question:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ \"]*")
"""A time in an answer: the two servers do the same thing one second apart."""

Answer = tuple[int, dict[str, list[str] | None], bytes]
Ask = Callable[[Question], Answer]
Pair = tuple[Ask, Ask]


def asker(url: str) -> Ask:
    def ask(question: Question) -> Answer:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        path = question.path.replace("ADMIN", real_dvid.ADMIN_TOKEN)
        connection.request(question.method, path, question.body, question.headers)
        answer = connection.getresponse()
        found = {name: answer.headers.get_all(name) for name in HEADERS}
        body = MOMENT.sub(b"MOMENT", answer.read())
        connection.close()
        return answer.status, found, body

    return ask


def fill(ask: Ask) -> None:
    root = json.dumps({"root": ROOT, "alias": "policies"}).encode()
    ask(Question("POST", "/api/repos?admintoken=ADMIN", body=root))
    keys = json.dumps({"typename": "keyvalue", "dataname": "kv"}).encode()
    ask(Question("POST", f"/api/repo/{ROOT}/instance", body=keys))
    ask(Question("POST", f"{NODE}/kv/key/a", body=b"value"))


@pytest.fixture(scope="module", params=SETUPS)
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Give a mock server and a real one, with the same policy and the same key in them."""
    if shutil.which("dvid") is None or os.environ.get("PYVOLUME_DVID_URL"):
        pytest.skip("needs real servers of its own: put `dvid` on PATH, and name no other server")
    folder, setup = tmp_path_factory.mktemp("policies"), SETUPS[request.param]
    (folder / "real").mkdir()
    for settings in (Setup(), setup):
        with ExitStack() as stack:
            pair = start(stack, folder, settings)
            if settings == setup:
                yield pair
            else:
                for ask in pair:
                    fill(ask)


def start(stack: ExitStack, folder: Path, setup: Setup) -> Pair:
    real = stack.enter_context(real_dvid.running(folder / "real", setup.settings, setup.sections))
    mock = stack.enter_context(
        MockServer(
            folder=folder / "mock",
            admin_token=real_dvid.ADMIN_TOKEN,
            jwt_secret=real_dvid.JWT_SECRET,
            **setup.options,
        )
    )
    return asker(mock.url), asker(real.url)


def packed(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims: Any, secret: str = real_dvid.JWT_SECRET, **header: Any) -> str:
    head = f"{packed({'alg': 'HS256'} | header)}.{packed(claims)}"
    kind = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(str(header.get("alg")), hashlib.sha256)
    return f"{head}.{packed(hmac.new(secret.encode(), head.encode(), kind).digest())}"


NOW = time.time()
ME = {"user": "me"}
TOKENS = {
    "good": token(ME),
    "another hash": token(ME, alg="HS512"),
    "a third hash": token(ME, alg="HS384"),
    "long valid": token(ME | {"exp": NOW + 9999, "iat": NOW - 9, "nbf": NOW - 9}),
    "without end": token(ME | {"exp": 0}),
    "expired": token(ME | {"exp": NOW - 3600}),
    "not yet": token(ME | {"nbf": NOW + 3600}),
    "from the future": token(ME | {"iat": NOW + 3600}),
    "wrong in every way": token(ME | {"exp": 1, "iat": NOW + 3600}),
    "expired and forged": token(ME | {"exp": 1}, "another"),
    "forged": token(ME, "another"),
    "words as time": token(ME | {"exp": "soon"}),
    "nobody": token({}),
    "a number as user": token({"user": 3}),
    "unsigned": token(ME, alg="none"),
    "of a key": token(ME, alg="RS256"),
    "unknown": token(ME, alg="XX"),
    "no algorithm": token(ME, alg=None),
    "a list": token([1]),
    "no JSON": token(b"no json"),
    "two parts": "a.b",
    "a letter": "x",
    "no base64": "a.b.c",
    "no letters": "ab*d.e.f",
    "nothing": "",
}


def with_token(text: str) -> dict[str, str]:
    return {"Authorization": text}


GOOD = with_token(f"Bearer {TOKENS['good']}")
PATHS = (
    ("GET", f"{NODE}/status"), ("GET", f"{NODE}/kv/key/a"), ("GET", f"{NODE}/kv/key/none"),
    ("HEAD", f"{NODE}/kv/key/a"), ("POST", f"{NODE}/kv/key/b"), ("PUT", f"{NODE}/kv/key/a"),
    ("DELETE", f"{NODE}/kv/key/none"), ("POST", f"{NODE}/note"), ("POST", f"{NODE}/kv/key/b?admintoken=ADMIN"),
    ("POST", f"{NODE}/nothing"), ("POST", f"{NODE}/none/x"), ("POST", NODE), ("OPTIONS", f"{NODE}/note"),
    ("OPTIONS", f"{NODE}/kv/key/a"), ("GET", f"{NODE}//note"), ("GET", "/api/node/fff/status"),
    ("POST", "/api/node/fff/note"), ("HEAD", f"/api/repo/{ROOT}"), ("GET", f"/api/repo/{ROOT}"),
    ("GET", f"/api/repo/{ROOT}/log"), ("POST", f"/api/repo/{ROOT}/merge"), ("POST", "/api/repos"),
    ("GET", "/api/heartbeat"), ("GET", "/api/server/types"), ("POST", "/api/server/settings?admintoken=ADMIN"),
    ("GET", "/api/nothing"), ("GET", f"{NODE}/note?admintoken=ADMIN"),
)  # fmt: skip
ORIGINS = ("https://a.org", "https://A.org", "https://b.org", "https://x.a.org", "https://c.org", "null", "a.org", "")

QUESTIONS = {
    "plain": [Question(*each) for each in PATHS],
    "with a good token": [Question(*each, GOOD) for each in PATHS],
    "tokens": [Question("GET", f"{NODE}/status", with_token(f"Bearer {text}")) for text in TOKENS.values()],
    "schemes": [
        Question("GET", f"{NODE}/status", with_token(f"{scheme}{TOKENS['good']}"))
        for scheme in ("bearer ", "Token ", "Bearer  ", "Bearer", "")
    ],
    "origins": [
        Question(method, f"{NODE}/kv/key/a", {"Origin": origin} | more)
        for origin in ORIGINS
        for method in ("GET", "HEAD", "OPTIONS", "PUT")
        for more in ({}, GOOD)
    ],
    "preflights": [
        Question("OPTIONS", path, {"Origin": origin, "Access-Control-Request-Method": method} | more)
        for origin in ORIGINS
        for path, method in ((f"{NODE}/kv/key/a", "POST"), (f"{NODE}/note", "PUT"), ("/api/heartbeat", "get"))
        for more in REQUESTED
    ],
    "a large body": [Question("POST", f"{NODE}/kv/key/large?admintoken=no", body=bytes(300_000))],
}


def is_refused_page(mock: Answer, real: Answer) -> bool:
    """Whether the mock refuses a page of a strange site, whose browser hides what the real server answers."""
    return mock[0] == 403 and real[1]["Access-Control-Allow-Origin"] is None


@pytest.mark.parametrize("kind", QUESTIONS)
def test_mock_answers_as_the_real_server(servers: Pair, kind: str) -> None:
    ask_mock, ask_real = servers
    differing = [
        (question, mock, real)
        for question in QUESTIONS[kind]
        if (mock := ask_mock(question)) != (real := ask_real(question)) and not is_refused_page(mock, real)
    ]
    assert differing == []


def test_repositories_are_listed_alike(servers: Pair) -> None:
    for headers in ({}, GOOD, with_token(f"Bearer {TOKENS['forged']}")):
        mock, real = (json.loads(ask(Question("GET", "/api/repos/info", headers))[2]) for ask in servers)
        assert mock.keys() == real.keys()


def test_the_mode_is_told_alike(servers: Pair) -> None:
    mock, real = (json.loads(ask(Question("GET", "/api/server/info"))[2]).get("Mode") for ask in servers)
    assert mock == real
