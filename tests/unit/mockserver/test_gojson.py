from __future__ import annotations

from typing import Any

import pytest

from mockserver.dvid.wire import gojson
from mockserver.http.messages import Refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unexpected end of JSON input"),
        ('{"a":', "unexpected end of JSON input"),
        ("nonsense", "invalid character 'o' in literal null (expecting 'u')"),
        ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ('"\x01"', r"invalid character '\x01' in string literal"),
        (r'"\q"', "invalid character 'q' in string escape code"),
        (r'"\u12g4"', r"invalid character 'g' in \u hexadecimal character escape"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
    ],
)
def test_complains_as_go_does(text: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        gojson.decode(text.encode())
    assert str(caught.value) == words


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
