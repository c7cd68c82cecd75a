"""Exchanges recorded from a real HPC DataStore, replayed in order; record_hpc.py says what the names in braces mean."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import urllib.parse
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mockserver import DataStoreServer

STORY = [json.loads(line) for line in (Path(__file__).parent / "hpc.jsonl").read_text().splitlines()]
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TOO_LARGE = 413
"""The server answers it before the body is read."""

PARSER = "com.fasterxml.jackson"
"""What the JSON library of the real server says is not compared: ours is another one."""


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

    names: dict[str, str]
    replies: dict[str, Reply] = field(default_factory=dict)

    def fill_in(self, text: str) -> str:
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def mask(self, text: str) -> str:
        for name, value in reversed(self.names.items()):
            text = text.replace(value, "{" + name + "}")
        text = re.sub(rf"Error id {UUID}-\d+", "Error id {ERROR_ID}", text)
        text = re.sub(r"((?:Exception: |directory: '))(?:\{ROOT\}|datasets)/(?:\{UUID\}/)?", r"\1{ROOT}/", text)
        return re.sub(UUID, "{UUID}", text)

    def run(self, row: dict[str, Any]) -> None:
        asked = row["request"]
        reply = self.ask(asked, sends_body=row["response"]["status"] != TOO_LARGE)
        self.replies[row["name"]] = reply
        for name, where in row.get("binds", {}).items():
            location = urllib.parse.urlsplit(reply.headers.get("location", "")).netloc
            self.names[name] = location if where == "location" else reply.body.decode()

    def ask(self, asked: dict[str, Any], *, sends_body: bool) -> Reply:
        body = unpack(asked["body"])
        host = self.fill_in(asked.get("host", "{HOST}"))
        connection = http.client.HTTPConnection(host, timeout=60)
        headers = asked["headers"]
        connection.putrequest(
            asked["method"], self.fill_in(asked["path"]), skip_host="Host" in headers, skip_accept_encoding=True
        )
        for key, value in headers.items():
            connection.putheader(key, value)
        if asked.get("chunked"):
            connection.putheader("Transfer-Encoding", "chunked")
        elif body is not None or asked["method"] == "POST":
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders()
        if body and sends_body:
            connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if asked.get("chunked") else body)
        answer = connection.getresponse()
        found = Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        connection.close()
        return found


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with DataStoreServer(allowed_hosts=["images.example"]) as server:
        made = Replay({"HOST": server.url.removeprefix("http://")})
        for row in STORY:
            made.run(row)
        yield made


@pytest.mark.parametrize("row", STORY, ids=[row["name"] for row in STORY])
def test_mock_answers_as_recorded(row: dict[str, Any], replay: Replay) -> None:
    recorded = row["response"]
    expected = Reply(recorded["status"], recorded["headers"], unpack(recorded["body"]) or b"")
    found = replay.replies[row["name"]]
    assert found.status == expected.status
    body, is_exact = comparable(found, replay)
    assert body == comparable(expected, replay)[0]
    for name, value in expected.headers.items():
        if name != "content-length" or is_exact:
            assert replay.mask(found.headers.get(name, "")) == value, name


def test_useless_levels_are_accepted() -> None:
    level = {"resolutions": [1, 1], "blockDimensions": [4, 4]}
    document = {"voxelType": "uint8", "dimensions": [4, 4, 4], "voxelResolution": [1, 1, 1], "compression": "raw"}
    with DataStoreServer() as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        statuses = []
        for levels in ([], [level]):
            body = json.dumps(document | {"resolutionLevels": levels})
            connection.request("POST", "/datasets", body, {"Content-Type": "application/json"})
            uuid = connection.getresponse().read().decode()
            for path in (uuid, f"{uuid}/1/1/1/0/read", f"{uuid}/1/1/1/0/0/0/0/0/0/0"):
                connection.request("GET", f"/datasets/{path}")
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
        connection.close()
    assert statuses == [200, 404, 500] * 2


def comparable(reply: Reply, replay: Replay) -> tuple[Any, bool]:
    """Return what of a body has to be the same, and whether that is all of it."""
    kind = reply.headers.get("content-type", "")
    if kind.startswith("image/"):
        picture = pytest.importorskip("PIL.Image").open(io.BytesIO(reply.body))
        return (picture.format, picture.mode, picture.size), False
    try:
        text = replay.mask(reply.body.decode())
    except UnicodeDecodeError:
        return reply.body, True
    if kind.startswith("text/html"):
        heading = re.search(r"<title>(.*?)</title>|<h1>(.*?)</h1>", text)
        return (heading.groups() if heading else text.partition(PARSER)[1]), False
    if kind == "application/json" and text.startswith("{"):
        document = json.loads(text)
        return document | {"versions": sorted(document.get("versions", []))}, False
    return text, not {"{HOST}", "{ROOT}", "{UUID}"} & set(re.findall(r"\{\w+\}", text))
