"""The three protobuf messages of keyvalue instances.

| message   | fields                                                       |
|-----------|--------------------------------------------------------------|
| KeyValue  | 1 string key, 2 bytes value                                  |
| KeyValues | 1 repeated KeyValue                                          |
| Keys      | 1 repeated string keys, 2 repeated KeyRange                  |
| KeyRange  | 1 string key, 2 uint64 first byte, 3 uint64 last byte        |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mockserver.http.messages import Refused

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MALFORMED = "proto:\u00a0cannot parse invalid wire-format data"

Field = tuple[int, int | bytes]


def encode_keyvalues(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a KeyValues message.

    Raises
    ------
    Refused
        If the bytes of a key are not UTF-8.
    """
    return b"".join(_field(1, _field(1, _checked(key)) + _field(2, value), always=True) for key, value in pairs)


def decode_keyvalues(data: bytes) -> list[tuple[str, bytes]]:
    """Read a KeyValues message."""
    found = []
    for number, message in fields(data):
        if number == 1 and isinstance(message, bytes):
            pair = dict(fields(message))
            found.append((_text(pair.get(1, b"")), _bytes(pair.get(2, b""))))
    return found


def decode_keys(data: bytes) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Read a Keys message: the keys of whole values, and the keys with a range of bytes."""
    keys, ranges = [], []
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            keys.append(_text(value))
        elif number == 2 and isinstance(value, bytes):
            part = dict(fields(value))
            ranges.append((_text(part.get(1, b"")), _number(part.get(2, 0)), _number(part.get(3, 0))))
    return keys, ranges


def _field(number: int, data: bytes, *, always: bool = False) -> bytes:
    if not (data or always):
        return b""
    return _varint(number << 3 | BYTES) + _varint(len(data)) + data


def field(number: int, value: int | bytes) -> bytes:
    """Return a field of a message: a number, or bytes."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    return _field(number, value, always=True)


def _varint(value: int) -> bytes:
    head = bytearray()
    while value > 0x7F:
        head.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*head, value])


def fields(data: bytes) -> Iterator[Field]:
    """Yield number and value of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise Refused(MALFORMED)
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield number, value
            continue
        size = {FIXED64: 8, FIXED32: 4}.get(kind)
        if kind == BYTES:
            size, at = read_varint(data, at)
        if size is None or at + size > len(data):
            raise Refused(MALFORMED)
        yield number, data[at : at + size]
        at += size


def varints(data: bytes) -> list[int]:
    """Return the packed numbers of a repeated field."""
    found, at = list[int](), 0
    while at < len(data):
        value, at = read_varint(data, at)
        found.append(value)
    return found


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise Refused(MALFORMED)


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError:
        raise Refused("string field contains invalid UTF-8") from None


def _checked(key: str) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError:
        raise Refused("string field contains invalid UTF-8") from None


def _bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""


def _number(value: int | bytes) -> int:
    return value if isinstance(value, int) else 0
