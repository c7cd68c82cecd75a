"""JSON from a server: documents, and lists that arrive in pieces."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvolume.errors import AnswerError, MetadataError, PyVolumeError
from pyvolume.transport.documents import JsonReader

READER = JsonReader("list keys", "application/json", 1 << 20)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.lists(values), st.integers(1, 60), st.booleans(), st.sampled_from([None, 1]))
def test_a_list_in_pieces_is_what_json_says(found: list[Any], size: int, ascii_only: bool, indent: int | None) -> None:
    data = json.dumps(found, ensure_ascii=ascii_only, indent=indent).encode()
    assert list(READER.entries(cut(data, size))) == found
    assert READER.document(data) == found


@given(st.lists(values, min_size=1), st.data())
def test_a_list_that_is_damaged_is_an_error_or_what_json_says(found: list[Any], draw: st.DataObject) -> None:
    data = bytearray(json.dumps(found).encode())
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.sampled_from([b"", b",", b"]", b'"', b"\xff", b" x"]))
    outcomes = []
    for read in (lambda: READER.document(bytes(data)), lambda: list(READER.entries(cut(bytes(data), 7)))):
        try:
            outcomes.append(read())
        except PyVolumeError as error:
            outcomes.append(type(error))
    document, entries = outcomes
    assert entries == document or (not isinstance(document, list) and entries is AnswerError)


@pytest.mark.parametrize(
    "data", [b"", b" ", b"[", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1 2]", b"[1]]", b"{}", b"7", b"<a>"]
)
def test_what_is_no_list_is_shown(data: bytes) -> None:
    with pytest.raises(AnswerError, match="expected a list in JSON and found application/json") as caught:
        list(READER.entries([data]))
    assert data.strip().startswith(caught.value.first_bytes) or caught.value.first_bytes in data


DEEP = 100_000


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"[" * DEEP + b"]" * DEEP, "$"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "$"),
        (b'[{"a": 1, "b": 2, "a": 3}]', "$..a"),
        (b'[["x", {"a": "\\ud800"}]]', "$[0][1].'a'"),
        (b'[{"\\udfff": 1}]', "$[0]"),
    ],
    ids=["deep lists", "deep objects", "a name twice", "half a character", "half a character as a name"],
)
def test_documents_that_no_code_survives_are_refused_with_their_path(data: bytes, path: str) -> None:
    for read in (READER.document, lambda data: list(READER.entries([data]))):
        if read is READER.document or data.startswith(b"["):
            with pytest.raises(MetadataError) as caught:
                read(data)
            assert caught.value.path == path


def test_two_halves_are_a_character() -> None:
    assert READER.document(rb'["\ud83d\ude00"]') == ["\U0001f600"]


ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "a text": lambda: iter([b'["'] + [b"x" * 1000] * 4000),
    "a list in the list": lambda: iter([b"["] + [b"[[],[]],"] + [b"["] + [b"[]," * 300] * 4000),
    "space": lambda: iter([b"["] + [b" " * 1000] * 4000),
    "space before the list": lambda: iter([b" " * 1000] * 4000),
    "a whole entry at once": lambda: iter([b'["' + b"x" * 200_000 + b'"]']),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_entry_without_end_costs_its_limit(name: str) -> None:
    taken = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken
        for piece in ENDLESS[name]():
            taken += len(piece)
            yield piece

    reader = JsonReader("list keys", "", 100_000)
    with pytest.raises(MetadataError, match="larger than 100000 bytes, the max_document of the Connection"):
        list(reader.entries(counted()))
    assert taken <= 300_000


def test_a_long_list_is_read_in_the_memory_of_a_piece() -> None:
    keys = json.dumps([f"key {i:06}" for i in range(60_000)]).encode()
    pieces = cut(keys, 1 << 12)
    tracemalloc.start()
    try:
        assert sum(len(key) for key in READER.entries(pieces)) == 10 * 60_000
        assert tracemalloc.get_traced_memory()[1] < 1 << 20  # other threads of the process may count, too
    finally:
        tracemalloc.stop()
