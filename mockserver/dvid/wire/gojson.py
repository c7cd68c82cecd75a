"""JSON as Go reads and writes it: what a DVID client sees in documents and complaints."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, Self

import numpy as np

from mockserver.dvid.wire.gosyntax import complaint
from mockserver.http.messages import Refused


class Number(float):
    """A number that remembers how it was written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text)


_KINDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", Number: "number"}


def encode(value: Any) -> str:
    """Return compact JSON, with the characters escaped that Go escapes; bytes that are no UTF-8 are lost."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = re.sub("[\udc80-\udcff]", "\\\\ufffd", text)
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", text)


def number(value: float) -> int | float:
    """Return a float32 as the shortest number that stands for it, whole numbers without a point."""
    shortest = float(str(np.float32(value)))
    return int(shortest) if shortest.is_integer() and abs(shortest) < 1e21 else shortest


def decode(data: bytes) -> Any:
    """Parse a whole body, as Go's ``json.Unmarshal``."""
    if not data.strip():
        raise Refused("unexpected end of JSON input")
    text = data.decode(errors="replace")
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=Number)
    except json.JSONDecodeError:
        raise Refused(complaint(data.decode("latin-1"), at_end="unexpected end of JSON input", whole=True)) from None


def decode_first(data: bytes) -> Any:
    """Parse the first value of a body and ignore the rest, as Go's ``json.Decoder``; nothing is None."""
    text = data.decode(errors="replace").lstrip()
    if not text:
        return None
    try:
        return json.JSONDecoder(parse_constant=_no_constant, parse_float=Number).raw_decode(text)[0]
    except json.JSONDecodeError:
        raise Refused(complaint(data.decode("latin-1"), at_end="unexpected EOF", whole=False)) from None


def kind(value: Any) -> str:
    """Return Go's word for the kind of a JSON value."""
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


def _show_float(value: float) -> str:
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if math.isfinite(value) and 1e-4 <= abs(value) < 1e21:
        return repr(value)
    mantissa, _, exponent = f"{value:e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def _no_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError("no such constant", name, 0)
