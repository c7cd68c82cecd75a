"""A server that sends more than anybody wants: what it costs is bounded, in bytes that are taken and in memory."""

from __future__ import annotations

import itertools
import json
import pickle
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from scripted import ScriptedServer, answer, chunked

import pyvolume
from pyvolume.dvid import general
from pyvolume.dvid.instances import Instance
from pyvolume.dvid.keyvalue.mapping import KeyValue
from pyvolume.dvid.roi.region import Roi
from pyvolume.dvid.versions import changes
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.errors import AnswerError, MetadataError, PyVolumeError, RefusedError, StoreError, TransportError

MOST = 1 << 20
SOCKETS = 16 << 20
"""What the buffers of two sockets and the last pieces take, generously."""

JSON = "Content-Type: application/json"
OCTETS = "Content-Type: application/octet-stream"
UUID = Uuid("fd55094871494184913794dcf0a03857")
ONCE = pyvolume.RetryPolicy(patience=0)


def endless(body: bytes, *headers: str, status: str = "200 OK", framing: str = "chunked", start: bytes = b"") -> Any:
    """Make an answer that does not end: `start`, and `body` again and again."""
    lengths = {"chunked": "Transfer-Encoding: chunked", "huge": f"Content-Length: {10**17}", "none": "X-Length: none"}
    yield "\r\n".join([f"HTTP/1.1 {status}", lengths.get(framing, framing), *headers, "", ""]).encode()
    for piece in itertools.chain([start] if start else [], itertools.repeat(body)):
        yield b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece


def bomb(coding: str) -> bytes:
    """Make an answer of 64 MiB of spaces that are compressed to some KiB."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31 if coding == "gzip" else 15)
    body = b"".join([*(packer.compress(b" " * MOST) for _ in range(64)), packer.flush()])
    return answer(body, JSON, f"Content-Encoding: {coding}")


SPACES = b" " * (1 << 16)


def region(connection: pyvolume.Connection) -> Roi:
    return Roi.of(Instance(connection, UUID, "nose"), (32, 32, 32))


def keyvalue(connection: pyvolume.Connection) -> KeyValue:
    return KeyValue.of(Instance(connection, UUID, "notes"))


Ask = Callable[[pyvolume.Connection], Any]
CASES: dict[str, tuple[Callable[[], bytes | Iterable[bytes]], Ask, type[PyVolumeError]]] = {
    "a document": (lambda: endless(SPACES, JSON), general.get_server_info, MetadataError),
    "a document, announced": (lambda: endless(SPACES, JSON, framing="huge"), general.get_server_info, MetadataError),
    "a document, to the end": (lambda: endless(SPACES, JSON, framing="none"), general.get_server_info, MetadataError),
    "a document in gzip": (lambda: bomb("gzip"), general.get_server_info, MetadataError),
    "a document in deflate": (lambda: bomb("deflate"), general.get_server_info, MetadataError),
    "the answer to a change": (
        lambda: endless(SPACES, JSON),
        lambda connection: changes.new_version(connection, UUID, ""),
        AnswerError,
    ),
    "an error page": (
        lambda: endless(SPACES, "Content-Type: text/html", status="500 Oops"),
        general.get_server_info,
        RefusedError,
    ),
    "what acknowledges a write": (
        lambda: endless(SPACES),
        lambda connection: keyvalue(connection).__setitem__("a", b"1"),
        AnswerError,
    ),
    "a value": (lambda: endless(SPACES, OCTETS), lambda connection: keyvalue(connection)["a"], MetadataError),
    "a value to its end": (
        lambda: endless(SPACES, OCTETS, f"Content-Range: bytes 3-{10**17 - 1}/{10**17}", status="206 Partial Content"),
        lambda connection: keyvalue(connection).read("a", 3),
        MetadataError,
    ),
    "a value of many": (
        lambda: endless(SPACES, OCTETS, start=b"\x0a\xff\xff\xff\xff\x0f"),
        lambda connection: keyvalue(connection).get_many(["a"]),
        MetadataError,
    ),
    "a key": (
        lambda: endless(b"a" * (1 << 16), JSON, start=b'["a", "'),
        lambda connection: list(keyvalue(connection)),
        MetadataError,
    ),
    "a span": (
        lambda: endless(b"[" * (1 << 16), JSON, start=b"[[0, 0, 0, 1], "),
        lambda connection: region(connection).read_spans(),
        PyVolumeError,
    ),
}


def peak(work: Callable[[], object]) -> int:
    """Return the largest number of bytes that are allocated at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_end_costs_its_bound(name: str) -> None:
    make, ask, kind = CASES[name]
    answers = (make() for _ in range(3))
    with (
        ScriptedServer(answers, closing=range(3)) as server,
        pyvolume.Connection(server.url, retry=ONCE, max_document=MOST) as connection,
    ):

        def work() -> None:
            with pytest.raises(kind) as caught:
                ask(connection)
            assert kind is not MetadataError or "max_document" in str(caught.value)

        assert peak(work) < 6 * MOST
        assert server.bytes_sent < SOCKETS


def test_a_value_that_is_said_to_be_huge_takes_memory_when_it_arrives() -> None:
    first = f"Content-Range: bytes 0-0/{10**17}"
    some = f"Content-Range: bytes 0-{(16 << 20) - 1}/{10**17}"
    answers = [
        answer(b"a", OCTETS, first, status="206 Partial Content"),
        answer(bytes(1000), OCTETS, some, status="206 Partial Content", length=16 << 20),
    ]
    with (
        ScriptedServer(answers, closing=[1]) as server,
        pyvolume.Connection(server.url, retry=ONCE) as connection,
    ):

        def work() -> None:
            with keyvalue(connection).open("a") as file, pytest.raises(StoreError):
                file.read()

        assert peak(work) < 24 * MOST


def test_the_limit_is_that_of_the_user() -> None:
    body = json.dumps({"key": "x" * 100}).encode()
    with ScriptedServer([chunked(body, JSON)] * 5) as server:
        with pyvolume.Connection(server.url, max_document=len(body)) as connection:
            assert general.get_server_info(connection) == {"key": "x" * 100}
            assert (
                pickle.loads(pickle.dumps(connection)).max_document == connection.at("other").max_document == len(body)
            )
        with (
            pyvolume.Connection(server.url, max_document=len(body) - 1) as connection,
            pytest.raises(MetadataError, match=f"ask for server info: .* {len(body) - 1} bytes, the max_document"),
        ):
            general.get_server_info(connection)
        assert len(server.heads) == 2


@pytest.mark.parametrize(("given", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("1", TypeError)])
def test_the_limit_is_a_number_of_bytes(given: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_document"):
        pyvolume.Connection("localhost:8000", max_document=given)
    with pytest.raises(error, match="max_document"):
        pyvolume.open("dvid://localhost:8000/ab/gray", max_document=given)


def test_many_keys_take_the_memory_of_a_few() -> None:
    count = 50_000
    listing = chunked(json.dumps([f"key {i:090}" for i in range(count)]).encode(), JSON, size=1 << 16)
    with (
        ScriptedServer([listing, listing]) as server,
        pyvolume.Connection(server.url, retry=ONCE, max_document=1000) as connection,
    ):
        keys = keyvalue(connection)
        found = 0

        def iterate() -> None:
            nonlocal found
            found = sum(int(key.removeprefix("key ")) for key in keys)

        assert peak(iterate) < 7 * MOST
        assert peak(lambda: len(keys)) < 2 * MOST
        assert found == count * (count - 1) // 2


def test_keys_that_do_not_fit_on_the_disk_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = json.dumps(["k" * 1000] * 6000).encode()
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with (
        ScriptedServer([answer(listed, JSON)]) as server,
        pyvolume.Connection(server.url, retry=ONCE) as connection,
        pytest.raises(StoreError, match="list keys of notes: they do not fit into /nowhere/at/all"),
    ):
        iter(keyvalue(connection))


def test_an_absurd_document_after_a_lost_answer_does_not_hide_it() -> None:
    absurd = answer(b'{"DAG": 7}', JSON)
    with (
        ScriptedServer([answer(b"", length=10), absurd], closing=[0]) as server,
        pyvolume.Connection(server.url, retry=ONCE) as connection,
        pytest.raises(TransportError) as caught,
    ):
        changes.new_version(connection, UUID, "")
    assert caught.value.uncertain
