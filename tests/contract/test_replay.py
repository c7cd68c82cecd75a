"""Recorded exchanges, replayed in order; README.md says how answers are compared."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import re
import select
import tarfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import label_bodies
import numpy as np
import pytest
from real_dvid import RealDvid

FOLDER = Path(__file__).parent
VARYING = frozenset({"Created", "Updated", "DataUUID", "KVStore", "LogStore"})
COMPARED_HEADERS = ("content-type", "transfer-encoding", "content-encoding", "connection", "content-length")
PATIENCE = 10.0
"""Seconds that a replay waits for what a server does in the background."""
# Bit depth and colour type in the header of a PNG.
DEEP_COLOUR = bytes([16, 6])
# In other texts: the address of the server, a blank that a build of protobuf chooses, ids and addresses in panics.
CHANCE = (
    (rb"http://[^/]+/", b"http://HOST/"),
    (rb"proto:(\xc2\xa0| )", b"proto: "),
    (rb"(?s)Panic detected on request [^:]*:(.*)IP: [^,]*,", rb"Panic detected:\1"),
)

Document = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Exchange:
    """One line of a recording."""

    label: str
    section: str
    method: str
    path: str
    body: bytes | None
    answer: Reply
    holds: int = 0
    headers: Document = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The recording, and its section."""
        return f"{self.label.partition(':')[0]} {self.section}"


@dataclass(frozen=True)
class Story:
    """The exchanges of one recording, in order."""

    exchanges: list[Exchange]


def load(name: str) -> Story:
    lines = (FOLDER / name).read_text().splitlines()
    return Story([read_line(f"{name}:{number}", json.loads(line)) for number, line in enumerate(lines, 1)])


def read_line(place: str, row: Document) -> Exchange:
    asked, answer = row["request"], row["response"]
    return Exchange(
        f"{place} {row['name']}",
        row["section"],
        asked["method"],
        asked["path"],
        unpack(asked["body"]),
        Reply(answer["status"], answer["headers"], unpack(answer["body"]) or b""),
        row.get("holds", 0),
        asked.get("headers", {}),
    )


def unpack(body: Document | None) -> bytes | None:
    if body is None:
        return None
    return body["text"].encode() if "text" in body else zlib.decompress(base64.b64decode(body["zlib64"]))


STORIES = [load(f"{name}.jsonl") for name in ("dvid", "dvid_extra", "dvid_objects", "dvid_labels")]
SECTIONS = sorted({each.place for story in STORIES for each in story.exchanges})


@pytest.fixture(scope="module")
def replies(start_server: Callable[[], AbstractContextManager[RealDvid]]) -> dict[str, Reply]:
    found: dict[str, Reply] = {}
    for story in STORIES:
        with start_server() as server:
            replay(Asker(server.url.removeprefix("http://"), server.admin_token or "", found), story)
    return found


@pytest.mark.parametrize("place", SECTIONS)
def test_server_answers_as_recorded(place: str, replies: dict[str, Reply]) -> None:
    exchanges = [each for story in STORIES for each in story.exchanges if each.place == place]
    pairs = {each.label: (comparable(replies[each.label], each), comparable(each.answer, each)) for each in exchanges}
    assert {label: pair for label, pair in pairs.items() if pair[0] != pair[1]} == {}


@dataclass
class Asker:
    """Makes exchanges with one server and keeps its replies."""

    address: str
    token: str
    replies: dict[str, Reply]
    patience: float = PATIENCE

    def ask(self, exchange: Exchange) -> Reply:
        """Make an exchange; one that reads labels again and again, until they are counted as in the recording."""
        reply, started = self._ask(exchange), monotonic()
        if exchange.section != "labels" or exchange.method not in {"GET", "HEAD"}:
            return reply
        while comparable(reply, exchange) != comparable(exchange.answer, exchange):
            if monotonic() - started > self.patience:
                self.patience = 0
                return reply
            sleep(0.02)
            reply = self._ask(exchange)
        return reply

    def _ask(self, exchange: Exchange) -> Reply:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request(exchange.method, exchange.path.replace("TOKEN", self.token), exchange.body, exchange.headers)
        return self._finish(exchange, connection)

    def hold(self, exchange: Exchange, inside: list[Exchange]) -> None:
        """Send half of a request, make the exchanges inside, send the rest."""
        deadline = monotonic() + PATIENCE
        connection = self._send_half(exchange)
        while self.ask(inside[0]).status != inside[0].answer.status:
            assert monotonic() < deadline, "the held request never took its slot"
            if _answered(connection):  # refused, because the question just asked had the slot
                connection.close()
                connection = self._send_half(exchange)
        for each in inside:
            self.ask(each)
        body = exchange.body or b""
        connection.send(body[len(body) // 2 :])
        self._finish(exchange, connection)

    def _send_half(self, exchange: Exchange) -> http.client.HTTPConnection:
        body = exchange.body or b""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.putrequest(exchange.method, exchange.path.replace("TOKEN", self.token))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[: len(body) // 2])
        _answered(connection)
        return connection

    def _finish(self, exchange: Exchange, connection: http.client.HTTPConnection) -> Reply:
        answer = connection.getresponse()
        headers = {key.lower(): value for key, value in answer.getheaders()}
        self.replies[exchange.label] = Reply(answer.status, headers, answer.read())
        connection.close()
        return self.replies[exchange.label]


def _answered(connection: http.client.HTTPConnection) -> bool:
    """Wait a moment for an answer that should not come yet."""
    readable, _, _ = select.select([connection.sock], [], [], 0.05)
    return bool(readable)


def replay(asker: Asker, story: Story) -> None:
    """Make the exchanges; those inside a hold on other connections."""
    waiting = iter(story.exchanges)
    for exchange in waiting:
        inside = [next(waiting) for _ in range(exchange.holds)]
        if inside:
            asker.hold(exchange, inside)
        else:
            asker.ask(exchange)


def comparable(reply: Reply, exchange: Exchange) -> Document:
    """Return what has to be the same in every recording."""
    headers = {name: reply.headers.get(name) for name in {*COMPARED_HEADERS, *exchange.answer.headers}}
    if exchange.method == "HEAD" and headers["content-length"]:
        headers["content-length"] = "that of a GET"
    body, is_exact = decoded(reply, exchange)
    if not is_exact:
        del headers["content-length"]
    return {"status": reply.status, "headers": headers, "body": body}


def decoded(reply: Reply, exchange: Exchange) -> tuple[Any, bool]:
    """Return what of the body has to be the same, and whether that is all of it."""
    if exchange.section == "labels" and reply.status == 200 and exchange.method == "GET":
        found = label_bodies.decoded(exchange.path, reply.body)
        if found is not None:
            return found, False
    kind, body = reply.headers.get("content-type", ""), reply.body
    if kind.startswith("image/"):
        return pixels(reply.body), False
    if kind == "application/tar":
        return members(reply.body), False
    if kind.endswith("json") and reply.body:
        with contextlib.suppress(ValueError):  # DVID sends values as they are, whether they are JSON or not
            return without_varying(json.loads(reply.body)), False
    masked = 0
    for pattern, blank in CHANCE:
        body, count = re.subn(pattern, blank, body)
        masked += count
    return body, masked == 0


def members(data: bytes) -> list[tuple[str, int, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(each.name, each.mode, archive.extractfile(each).read()) for each in archive]  # type: ignore[union-attr]


def pixels(data: bytes) -> tuple[Any, ...]:
    image = pytest.importorskip("PIL.Image")
    with image.open(io.BytesIO(data)) as picture:
        if picture.format == "JPEG":  # encoders differ, but not by much
            return picture.mode, picture.size, np.asarray(picture).astype(float).mean().round(-1)
        deep = picture.format == "PNG" and data[24:26] == DEEP_COLOUR
        return picture.mode, picture.size, deep_colours(data) if deep else picture.tobytes()


def deep_colours(data: bytes) -> bytes:
    """Return the pixels of a PNG of four colours of 16 bits; Pillow would drop the lower half of each."""
    _, _, rows, _ = pytest.importorskip("png").Reader(bytes=data).read()
    return b"".join(np.asarray(row, ">u2").tobytes() for row in rows)


def without_varying(value: Any) -> Any:
    match value:
        case dict():
            return {
                without_chance(key): "*" if key in VARYING else without_varying(each) for key, each in value.items()
            }
        case list():
            return [without_varying(each) for each in value]
        case str():
            return without_chance(value)
    return value


def without_chance(text: str) -> str:
    """Return a text without what differs from run to run: the time of a log line, a uuid the server chose."""
    if re.fullmatch("[0-9a-f]{32}", text) and len(set(text)) > 1:
        return "UUID"
    return re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+  ", "TIME  ", text)


def test_every_exchange_is_replayed(replies: dict[str, Reply]) -> None:
    assert set(replies) == {each.label for story in STORIES for each in story.exchanges}


def test_the_blank_that_a_build_of_protobuf_chooses_makes_no_difference() -> None:
    exchange = next(each for story in STORIES for each in story.exchanges if b"proto:" in each.answer.body)
    plain, other = (exchange.answer.body.replace("\u00a0".encode(), blank.encode()) for blank in (" ", "\u00a0"))
    replies = [
        Reply(400, exchange.answer.headers | {"content-length": str(len(body))}, body) for body in (plain, other)
    ]
    assert plain != other
    assert comparable(replies[0], exchange) == comparable(replies[1], exchange)
