from __future__ import annotations

from typing import Any

import pytest

from mockserver.dvid.wire import gojson
from mockserver.http.messages import Refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unexpected end of JSON input"),
        (" ", "unexpected end of JSON input"),
        ('{"a":', "unexpected end of JSON input"),
        ("nonsense", "invalid character 'o' in literal null (expecting 'u')"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
        ('{"a":1} y', "invalid character 'y' after top-level value"),
    ],
)
def test_bad_json_of_the_recordings_gets_the_text_of_go(text: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        gojson.decode(text.encode())
    assert str(caught.value) == words


@pytest.mark.parametrize(
    "text", ["[1,]", '{"a" 1}', "[1 2]", '"\x01"', r'"\q"', "-x", "1.x", "NaN", "Infinity", "{} x", "xyz"]
)
def test_other_bad_json_is_refused_too(text: str) -> None:
    with pytest.raises(Refused, match="JSON"):
        gojson.decode(text.encode())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", '"a"'),
        ('"\n\\', r'"\"\n\\"'),
        ("\x01\udcff", r'"\x01\xff"'),
        ("\u200b", r'"\u200b"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_quotes_as_go_does(text: str, shown: str) -> None:
    assert gojson.quoted(text) == shown


def test_a_decoder_ignores_what_follows() -> None:
    assert gojson.decode_first(b'{"a": 1} and so on') == {"a": 1}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1.5, 2, True, None, "x"], "[1.5 2 true <nil> x]"),
        ({"b": 1, "a": [2]}, "map[a:[2] b:1]"),
        (1e30, "1e+30"),
        (32.0, "32"),
    ],
)
def test_shows_values_as_go_does(value: Any, shown: str) -> None:
    assert gojson.show(value) == shown


def test_escapes_what_go_escapes() -> None:
    assert gojson.encode({"a": "<é&>"}) == '{"a":"\\u003cé\\u0026\\u003e"}'


def test_whole_numbers_have_no_point() -> None:
    assert gojson.encode([gojson.number(8.0), gojson.number(4.2)]) == "[8,4.2]"
