"""Parts of a value: the ``Range`` header, and DVID's own ``byte_start`` and ``byte_end``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mockserver.dvid.wire.gojson import quoted
from mockserver.http.messages import Refused

MAX_UINT64 = 2**64 - 1


class Unsatisfiable(Exception):  # noqa: N818 - answered with 416
    """Raised for a range without a byte of the value."""


@dataclass(frozen=True)
class ByteRange:
    """First and last byte, inclusive."""

    first: int
    last: int

    def of(self, key: str, value: bytes) -> bytes:
        """Return this part of a value; refuse a part beyond its end."""
        for name, at in (("byte_start", self.first), ("byte_end", self.last)):
            if at >= len(value):
                raise Refused(f"{name} {at} is outside value for key {quoted(key)} with {len(value)} bytes")
        return value[self.first : self.last + 1]


def checked_range(key: str, first: int, last: int) -> ByteRange:
    """Return a range; refuse one that ends before it begins."""
    if first > last:
        raise Refused(f"byte_start {first} must be <= byte_end {last} for key {quoted(key)}")
    return ByteRange(first, last)


def range_of_query(query: Mapping[str, str], key: str) -> ByteRange | None:
    """Return the range of ``byte_start`` and ``byte_end``; None without them."""
    names = ("byte_start", "byte_end")
    if not any(name in query for name in names):
        return None
    if not all(name in query for name in names):
        raise Refused(f"range read for key {quoted(key)} requires both byte_start and byte_end")
    for name in names:
        if _number(query[name]) is None:
            raise Refused(f"{name} must be an unsigned integer, got {quoted(query[name])}")
    first, last = (_number(query[name]) or 0 for name in names)
    return checked_range(key, first, last)


def range_of_header(text: str, length: int) -> ByteRange | None:
    """Return the range of a ``Range`` header for a value of `length` bytes; None if the header is not understood.

    Raises
    ------
    Unsatisfiable
        If the value has none of these bytes.
    """
    match = re.fullmatch(r"bytes=\s*([^,-]*)-([^,]*)", text)
    if not match:
        return None
    first, last = (word.strip() for word in match.groups())
    if not first:
        return _suffix(text, last, length)
    start, stop = _number(first), _number(last) if last else length - 1
    if start is not None and start >= length:
        raise Unsatisfiable(f"Range start {start} is outside value with {length} bytes")
    if start is None or stop is None or start > stop:
        return None
    return ByteRange(start, min(stop, length - 1))


def _suffix(text: str, last: str, length: int) -> ByteRange | None:
    count = _number(last)
    if count == 0:
        raise Unsatisfiable(f"Range {quoted(text)} is not satisfiable")
    return None if count is None else ByteRange(max(0, length - count), length - 1)


def _number(text: str) -> int | None:
    digits = text.lstrip("0")
    is_number = re.fullmatch("[0-9]+", text) and len(digits) <= 20  # more digits are more than 64 bits
    value = int(digits or "0") if is_number else MAX_UINT64 + 1
    return value if value <= MAX_UINT64 else None
