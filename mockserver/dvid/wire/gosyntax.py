"""What Go's JSON parser says about text that is no JSON."""

from __future__ import annotations

import re

_WORDS = {"t": "true", "f": "false", "n": "null"}
_ESCAPES = dict(zip('\a\b\f\n\r\t\v\\"', (rf"\{letter}" for letter in 'abfnrtv\\"'), strict=True))
_SPACE = " \t\r\n"


class NotJson(Exception):  # noqa: N818 - a result, not a failure
    """Raised with Go's complaint at the first character that cannot stand where it is; empty at the end."""


def complaint(text: str, *, at_end: str, whole: bool) -> str:
    """Return Go's words for what is wrong with a text.

    Parameters
    ----------
    text : str
        Text that Python's parser refused, one character for each byte, as Go looks at bytes.
    at_end : str
        Words for a text that ends too early.
    whole : bool
        Whether anything behind the first value is wrong, too.
    """
    try:
        end = _value(text, 0)
        if whole:
            _refuse(text, _skip(text, end), "after top-level value")
    except NotJson as problem:
        return str(problem) or at_end
    return at_end


def _refuse(text: str, at: int, where: str) -> None:
    if at >= len(text):
        raise NotJson
    character = text[at]
    shown = r"\'" if character == "'" else _quoted(character)
    raise NotJson(f"invalid character '{shown}' {where}")


def _quoted(character: str) -> str:
    if character in _SPACE or character == "\\":
        return {"\t": r"\t", "\r": r"\r", "\n": r"\n", "\\": r"\\"}.get(character, character)
    return character if character.isprintable() else f"\\x{ord(character):02x}"


def quoted(text: str) -> str:
    """Return a text as Go's ``%q`` prints it; a surrogate stands for a byte that is no UTF-8."""
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


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _value(text: str, at: int) -> int:
    at = _skip(text, at)
    first = text[at : at + 1]
    if first == "{":
        return _members(text, at + 1)
    if first == "[":
        return _elements(text, at + 1)
    if first == '"':
        return _string(text, at + 1)
    if first in _WORDS and first:
        return _word(text, at, _WORDS[first])
    if first and first in "-0123456789":
        return _number(text, at)
    _refuse(text, at, "looking for beginning of value")
    return at


def _word(text: str, at: int, word: str) -> int:
    for offset, expected in enumerate(word):
        if text[at + offset : at + offset + 1] != expected:
            _refuse(text, at + offset, f"in literal {word} (expecting '{expected}')")
    return at + len(word)


def _number(text: str, at: int) -> int:
    at += text[at] == "-"
    if not text[at : at + 1].isdigit():
        _refuse(text, at, "in numeric literal")
    at = at + 1 if text[at] == "0" else _digits(text, at)
    if text[at : at + 1] == ".":
        at = _needed_digits(text, at + 1, "after decimal point in numeric literal")
    if text[at : at + 1] in {"e", "E"}:
        at += 1 + (text[at + 1 : at + 2] in {"+", "-"})
        at = _needed_digits(text, at, "in exponent of numeric literal")
    return at


def _needed_digits(text: str, at: int, where: str) -> int:
    if not re.match("[0-9]", text[at:]):
        _refuse(text, at, where)
    return _digits(text, at)


def _digits(text: str, at: int) -> int:
    return at + len(re.match("[0-9]*", text[at:]).group())  # type: ignore[union-attr]


def _string(text: str, at: int) -> int:
    while text[at : at + 1] != '"':
        if at >= len(text) or text[at] < " ":
            _refuse(text, at, "in string literal")
        at = _escape(text, at + 1) if text[at] == "\\" else at + 1
    return at + 1


def _escape(text: str, at: int) -> int:
    if text[at : at + 1] != "u":
        if text[at : at + 1] not in set('bfnrt\\/"'):
            _refuse(text, at, "in string escape code")
        return at + 1
    for place in range(at + 1, at + 5):
        if not re.match("[0-9a-fA-F]", text[place:]):
            _refuse(text, place, r"in \u hexadecimal character escape")
    return at + 5


def _members(text: str, at: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "}":
        return at + 1
    while True:
        at = _skip(text, at)
        if text[at : at + 1] != '"':
            _refuse(text, at, "looking for beginning of object key string")
        at = _skip(text, _string(text, at + 1))
        if text[at : at + 1] != ":":
            _refuse(text, at, "after object key")
        at = _skip(text, _value(text, at + 1))
        if text[at : at + 1] == "}":
            return at + 1
        if text[at : at + 1] != ",":
            _refuse(text, at, "after object key:value pair")
        at += 1


def _elements(text: str, at: int) -> int:
    at = _skip(text, at)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        at = _skip(text, _value(text, at))
        if text[at : at + 1] == "]":
            return at + 1
        if text[at : at + 1] != ",":
            _refuse(text, at, "after array element")
        at += 1
