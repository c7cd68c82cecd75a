"""JSON as Go writes it, and Go's texts for bad JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, Self

import numpy as np

from mockserver.http.messages import Refused


class Number(float):
    """A number with its text, as the client wrote it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text)


_COMPLAINTS = (
    ("no.*", "invalid character 'o' in literal null (expecting 'u')"),
    (r"\{.*,\}", "invalid character '}' looking for beginning of object key string"),
    (r"\{'.*", r"invalid character '\'' looking for beginning of object key string"),
    (r"\{.*\} y", "invalid character 'y' after top-level value"),
)
"""Go's texts for the bad JSON in the recorded exchanges."""

MOST_DIGITS = 308
"""Each number of so many digits is a float64."""

_OTHER = "invalid character in JSON"
"""The text for all other bad JSON; Go names the character and the place."""

_ESCAPES = dict(zip('\a\b\f\n\r\t\v\\"', (rf"\{letter}" for letter in 'abfnrtv\\"'), strict=True))
_KINDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", Number: "number"}


def encode(value: Any) -> str:
    """Return compact JSON with the escapes that Go writes; bytes that are not UTF-8 become U+FFFD."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = re.sub("[\udc80-\udcff]", "\\\\ufffd", text)
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text)


def number(value: float) -> int | float:
    """Return the shortest number that reads as this float32; a whole number is an int."""
    shortest = float(str(np.float32(value)))
    return int(shortest) if shortest.is_integer() and abs(shortest) < 1e21 else shortest


def decode(data: bytes) -> Any:
    """Parse a whole body, like Go's ``json.Unmarshal``."""
    text = data.decode(errors="replace")
    try:
        return _in_unicode(json.loads(text, parse_constant=_no_constant, parse_float=Number, parse_int=_whole))
    except RecursionError:
        raise Refused(_too_deep(text)) from None
    except json.JSONDecodeError as error:
        raise Refused(_complaint(text, error, at_end="unexpected end of JSON input")) from None


def decode_first(data: bytes) -> Any:
    """Parse the first value of a body and ignore the rest, like Go's ``json.Decoder``; an empty body is None."""
    text = data.decode(errors="replace").lstrip()
    if not text:
        return None
    decoder = json.JSONDecoder(parse_constant=_no_constant, parse_float=Number, parse_int=_whole)
    try:
        return _in_unicode(decoder.raw_decode(text)[0])
    except RecursionError:
        raise Refused(_too_deep(text)) from None
    except json.JSONDecodeError as error:
        raise Refused(_complaint(text, error, at_end="unexpected EOF")) from None


def _in_unicode(value: Any) -> Any:
    """Return a value without lone surrogates, which JSON can escape; like Go, with U+FFFD in their place."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_in_unicode(each) for each in value]
        case dict():
            return {_in_unicode(key): _in_unicode(each) for key, each in value.items()}
    return value


def _whole(text: str) -> int | Number:
    """Return a number without a fraction; one that no Go type can hold keeps its text."""
    return int(text) if len(text) <= MOST_DIGITS else Number(text)


def _too_deep(text: str) -> str:
    """Return Go's text for nesting of more than 10000; Python's limit is lower."""
    return f"invalid character '{text.lstrip()[0]}' exceeded max depth"


def _complaint(text: str, error: json.JSONDecodeError, *, at_end: str) -> str:
    if error.pos >= len(text.rstrip()):
        return at_end
    return next((words for pattern, words in _COMPLAINTS if re.fullmatch(pattern, text, re.DOTALL)), _OTHER)


def kind(value: Any) -> str:
    """Return Go's name for the type of a JSON value."""
    return _KINDS.get(type(value), "null")


def show(value: Any) -> str:
    """Return a parsed value as Go's ``%v`` prints it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return f"map[{' '.join(f'{key}:{show(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(map(show, value))}]"
        case int() | float():
            return _show_float(float(value))
    return str(value)


def quoted(text: str) -> str:
    """Return a text as Go's ``%q`` prints it; a surrogate is a byte that is not UTF-8."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _show_float(value: float) -> str:
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if math.isfinite(value) and 1e-4 <= abs(value) < 1e21:
        return repr(value)
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def _no_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError("no such constant", name, 0)
