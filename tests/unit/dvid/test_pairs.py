"""Keys and values: what can be one, and the messages that hold several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyvolume.dvid.keyvalue import messages
from pyvolume.errors import MetadataError

SHORT = b"\x0a\x08\x0a\x01a\x12\x03one"


def decoded(message: bytes, size: int = 3, limit: int = 1000) -> list[tuple[str, bytes]]:
    """Return the pairs of a message that arrives in pieces."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return list(messages.decode_pairs("read keys", pieces, limit))


@given(st.lists(st.tuples(st.text(), st.binary(max_size=300))), st.integers(1, 400))
def test_pairs_come_back_from_any_pieces(given: list[tuple[str, bytes]], size: int) -> None:
    given = [(key.encode("utf-8", "replace").decode(), value) for key, value in given]
    assert decoded(messages.encode_pairs(given), size) == given


def test_a_pair_is_limited_before_it_arrives() -> None:
    several = messages.encode_pairs([("a", bytes(90))] * 20)
    assert len(decoded(several, limit=100)) == 20
    with pytest.raises(MetadataError, match="max_document"):
        decoded(several + b"\x0a\xff\xff\xff\xff\x0f", limit=100)


def test_a_message_of_protobuf() -> None:
    assert messages.encode_pairs([("a", b"one")]) == SHORT


def test_lengths_of_several_bytes() -> None:
    assert messages.encode_keys(["k" * 300]) == b"\x0a\xac\x02" + b"k" * 300


def test_an_empty_value_may_be_left_out() -> None:
    assert decoded(b"\x0a\x03\x0a\x01a") == [("a", b"")]


@pytest.mark.parametrize(
    "message", [SHORT[:-1], SHORT[:1], b"\x0a", b"\x08\x01", b"<html>", b"\x0a" + b"\xff" * 6, SHORT + b"\n"]
)
def test_what_is_no_list_of_pairs(message: bytes) -> None:
    with pytest.raises(ValueError, match="at byte"):
        decoded(message)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("a" * 500 + "/b", "'/' behind 'aaa"),
        ("a" * 500 + "\0", r"'\\x00' behind"),
        ("a/b", "'a/b'"),
        ("é" * 40_000, "of 40000 characters"),
    ],
)
def test_a_message_shows_what_is_wrong_in_a_key(key: str, words: str) -> None:
    with pytest.raises(MetadataError, match=words):
        messages.check_key("write", key)


def test_a_message_shows_both_ends_of_a_long_key() -> None:
    assert messages.shown("a" * 300) == repr("a" * 300)
    found = messages.shown("begin" + "a" * 1000 + "end")
    assert "begin" in found
    assert "end" in found
    assert len(found) < 300
