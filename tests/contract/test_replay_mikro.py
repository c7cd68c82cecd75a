"""Exchanges recorded from a real Mikro, replayed in order; record_mikro.py says what the names in braces mean."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mikro_servers
import pytest
import web_tokens
from mikro_servers import Server
from signed_requests import signed

from mockserver import MikroServer

STORY = [json.loads(line) for line in (Path(__file__).parent / "mikro.jsonl").read_text().splitlines()]
TOKENS: dict[str, dict[str, Any]] = {
    "test": {"sub": "1"},
    "other": {"sub": "2"},
    "viewer": {"sub": "3", "roles": ["viewer"]},
    "elsewhere": {"sub": "9", "active_org": "other_org"},
}
NAMES = r"\{([A-Z][A-Z0-9_]*(?:\.\w+)?)\}"
HIDDEN = ("id", "createdAt", "accessKey", "secretKey", "sessionToken", "bucket", "key", "store")
"""What the server chooses; it is compared only where an exchange has given it a name."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


def unpack(body: dict[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    return body["text"].encode() if "text" in body else zlib.decompress(base64.b64decode(body["zlib64"]))


@dataclass
class Replay:
    """Makes the exchanges with one server, and remembers what stands for what."""

    server: Server
    names: dict[str, str] = field(default_factory=dict)
    grants: dict[str, dict[str, Any]] = field(default_factory=dict)
    replies: dict[str, tuple[Reply, dict[str, str]]] = field(default_factory=dict)

    def value(self, name: str) -> str:
        grant, _, key = name.partition(".")
        return str(self.grants[grant][key]) if key else self.names[name]

    def fill_in(self, text: str) -> str:
        return re.sub(NAMES, lambda match: self.value(match[1]), text)

    def run(self, row: dict[str, Any]) -> None:
        asked = row["request"]
        body = unpack(asked["body"])
        if body is not None and b"{" in body and not body.startswith(b"{\n") and len(body) < 20_000:
            body = self.fill_in(body.decode("latin-1")).encode("latin-1")
        path = self.fill_in(asked["path"])
        headers = {name: value for name, value in asked["headers"].items() if name != "Content-MD5"}
        headers = {name: self.fill_in(value) for name, value in headers.items()}
        url = self.server.url if row["to"] == "catalogue" else self.server.store_url
        host = url.removeprefix("http://")
        if "signed" in asked:
            headers |= self.signature(asked, host, path, body or b"")
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request(asked["method"], path, body, headers)
        answer = connection.getresponse()
        reply = Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        connection.close()
        self.bind(row.get("binds", {}), reply)
        known = {**self.names, **{f"{name}.{key}": str(v) for name, g in self.grants.items() for key, v in g.items()}}
        self.replies[row["name"]] = reply, known

    def signature(self, asked: dict[str, Any], host: str, path: str, body: bytes) -> dict[str, str]:
        keys, spoilt = dict(self.grants[asked["signed"]]), asked.get("spoilt")
        if spoilt == "secret":
            keys["secretKey"] = keys["secretKey"][::-1]
        elif spoilt == "token":
            keys["sessionToken"] = keys["sessionToken"][:-4] + "AAAA"
        elif spoilt == "no token":
            keys["sessionToken"] = ""
        payload = asked.get("payload") or hashlib.sha256(b"other" if spoilt == "payload" else body).hexdigest()
        return signed(keys, asked["method"], host, path, payload, 20 if spoilt == "time" else 0)

    def bind(self, binds: dict[str, str], reply: Reply) -> None:
        for name, where in binds.items():
            if where == "UploadId":
                self.names[name] = reply.body.decode().partition("<UploadId>")[2].partition("<")[0]
                continue
            value: Any = json.loads(reply.body)["data"]
            for step in where.split("."):
                value = value[step]
            if isinstance(value, dict):
                self.grants[name] = value
            else:
                self.names[name] = str(value)


@pytest.fixture(scope="module", params=["mock", "real"])
def replay(request: pytest.FixtureRequest) -> Iterator[Replay]:
    if request.param == "real":
        if not (mikro_servers.URL and web_tokens.KEY):
            pytest.skip("PYVOLUME_MIKRO_URL and PYVOLUME_MIKRO_KEY name no fresh Mikro, see record_mikro.py")
        made = new_replay(Server(mikro_servers.URL, mikro_servers.STORE))
        for row in STORY:
            if row["section"] not in OTHER_SERVERS:
                made.run(row)
        yield made
        return
    with (
        MikroServer(tokens=TOKENS, keys=web_tokens.public_keys()) as server,
        MikroServer(tokens=TOKENS, grants="plain") as stock,
    ):
        scoped, plain = (Server(each.url, each.store_url) for each in (server, stock))
        made = new_replay(scoped)
        section = ""
        for row in STORY:
            if row["section"] != section and row["section"] in OTHER_SERVERS:
                server.advance(901)
                made.server = plain if row["section"] == "plain" else scoped
            section = row["section"]
            made.run(row)
        yield made


OTHER_SERVERS = ("plain", "expiry")
"""Sections that need a server with permanent keys, or a quarter of an hour."""


def new_replay(server: Server) -> Replay:
    made = Replay(server, {"STORE_HOST": server.store_url.removeprefix("http://")})
    token = web_tokens.web_token()
    made.names |= {name.upper(): name for name in ("other", "viewer", "elsewhere")} | {"TOKEN": "test"}
    made.names |= {
        "JWT": token,
        "JWT_EXPIRED": web_tokens.web_token(iat=1_000_000_000, exp=1_000_003_600),
        "JWT_BAD_SIGNATURE": f"{token[:-40]}{token[-40:-20][::-1]}{token[-20:]}",
        "JWT_NO_ORG": web_tokens.web_token(active_org=...),
    }
    return made


@pytest.mark.parametrize("row", STORY, ids=[row["name"] for row in STORY])
def test_a_server_answers_as_recorded(row: dict[str, Any], replay: Replay) -> None:
    if row["name"] not in replay.replies:
        pytest.skip(f"the section {row['section']} needs a server of its own")
    recorded = row["response"]
    found, known = replay.replies[row["name"]]
    assert found.status == recorded["status"]
    for name, value in recorded["headers"].items():
        assert found.headers.get(name, "") == value, name
    expected = unpack(recorded["body"])
    if expected is None:
        return
    kind = found.headers.get("content-type", "")
    if kind == "application/json":
        assert matches(json.loads(expected), json.loads(found.body), known)
    elif b"<Error>" in expected:
        assert code_of(found.body) == code_of(expected)
    elif kind == "application/xml":
        assert re.fullmatch(pattern(expected.decode(), known), found.body.decode())
    else:
        assert found.body == expected


def code_of(body: bytes) -> str:
    return body.decode().partition("<Code>")[2].partition("<")[0]


def pattern(text: str, known: dict[str, str]) -> str:
    """Return a regular expression for a recorded text with names in braces."""
    parts = re.split(NAMES, text)
    for at in range(1, len(parts), 2):
        value = known.get(parts[at])
        parts[at] = ".*?" if value is None else re.escape(value)
    return "".join(part if at % 2 else re.escape(part) for at, part in enumerate(parts))


def matches(expected: Any, found: Any, known: dict[str, str], name: str = "") -> bool:
    """Whether an answer is the recorded one; tags are a set."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return list(expected) == list(found) and all(matches(expected[key], found[key], known, key) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        if name == "tags":
            return sorted(expected) == sorted(found)
        return len(expected) == len(found) and all(
            matches(one, other, known, name) for one, other in zip(expected, found, strict=True)
        )
    if isinstance(expected, str) and isinstance(found, str):
        return re.fullmatch(pattern(expected, known), found, re.DOTALL) is not None
    return bool(expected == found)
