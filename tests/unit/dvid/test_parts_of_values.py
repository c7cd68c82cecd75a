"""Parts of values: what a server sends is what was asked for, or an error."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import ScriptedServer

import pyvolume
from pyvolume.dvid.keyvalue import files
from pyvolume.errors import AnswerError, MetadataError
from pyvolume.transport.request import Request

VALUE = b"0123456789"
POLICY = pyvolume.RetryPolicy(patience=0)


def part(said: str | None, body: bytes, start: int, stop: int | None) -> bytes:
    """Read a part of a value from a server that sends `body`, and says that it holds these bytes."""
    ranges = "" if said is None else f"Content-Range: {said}\r\n"
    head = f"HTTP/1.1 206 Partial Content\r\nContent-Type: {files.VALUE_TYPE}\r\n{ranges}\r\n"
    with (
        ScriptedServer([head.encode("latin-1") + body], closing=[0]) as server,
        pyvolume.Connection(server.url, retry=POLICY) as connection,
    ):

        def ask(_key: str, receive: Any, _empty: object, _range: object = None) -> Any:
            request = Request("read", "GET", "/", accepts=frozenset({206}))
            return connection.exchange(request, receive, connection.new_call())

        return files.read(ask, "read", "key", start, stop)


@pytest.mark.parametrize(("start", "stop", "said"), [
    (2, 5, "bytes 2-4/10"), (2, None, "bytes 2-9/10"), (2, 99, "bytes 2-9/10"),
])  # fmt: skip
def test_what_was_asked_for_is_taken(start: int, stop: int | None, said: str) -> None:
    assert part(said, VALUE[start:stop], start, stop) == VALUE[start:stop]


@pytest.mark.parametrize("said", [
    None, "bytes 2-3/10", "bytes 2-5/10", "bytes 1-4/10", "bytes 2-4/4", "bytes 2-1/10", "bytes */10", "bytes 2-4/*",
    "items 2-4/10", "bytes 2-4/10, 5-6/10", "bytes \xb2-4/10", f"bytes 2-4/{10**30}",
])  # fmt: skip
def test_another_part_is_an_error(said: str | None) -> None:
    with pytest.raises(AnswerError, match="expected the bytes from 2 to 4 and found"):
        part(said, b"234", 2, 5)


@pytest.mark.parametrize("body", [b"23", b"2345" * 1000])
def test_another_length_is_an_error(body: bytes) -> None:
    with pytest.raises(AnswerError, match="expected 3 bytes and found"):
        part("bytes 2-4/10", body, 2, 5)


def test_a_length_that_a_server_says_costs_no_memory() -> None:
    with pytest.raises(MetadataError, match="max_document"):
        part(f"bytes 2-{10**17 - 1}/{10**17}", VALUE[2:], 2, None)
