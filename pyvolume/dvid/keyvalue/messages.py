"""Keys and values: which ones are possible, and their form in requests.

A request for several keys has DVID's protobuf messages KeyValues and Keys, whose fields are all bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from pyvolume.errors import MetadataError
from pyvolume.model.arguments import brief

Bytes: TypeAlias = bytes | bytearray | memoryview
"""Also an array in C order, and every other object with a buffer."""

AROUND = 100
"""Characters of a long key that a message shows beside a place in it."""

MOST_KEY_BYTES = 60_000
"""The server stores keys up to 65000 bytes, with something of its own in them."""

FIRST, SECOND = b"\x0a", b"\x12"
"""The tags of the fields 1 and 2, with a length before their bytes."""


def encode_pairs(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the message KeyValues."""
    return b"".join(_field(FIRST, _field(FIRST, key.encode()) + _field(SECOND, value)) for key, value in pairs)


def encode_keys(keys: Iterable[str]) -> bytes:
    """Return the message Keys."""
    return b"".join(_field(FIRST, key.encode()) for key in keys)


def decode_pairs(message: bytes) -> Iterator[tuple[str, bytes]]:
    """Read the message KeyValues; an empty value may be left out.

    Raises
    ------
    ValueError
        If it ends early, or holds something else.
    """
    view = memoryview(message)
    for _, pair in _fields(view):
        fields = dict(_fields(pair))
        yield str(fields.get(FIRST, b""), "utf-8"), bytes(fields.get(SECOND, b""))


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _fields(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at < len(view):
        tag = bytes(view[at : at + 1])
        length, at = _read_varint(view, at + 1)
        if tag not in {FIRST, SECOND} or at + length > len(view):
            raise ValueError(f"not a list of pairs at byte {at}")
        yield tag, view[at : at + length]
        at += length


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(view):
            break
        digit = view[at]
        at += 1
        number |= (digit & 0x7F) << shift
        if digit < 0x80:
            return number, at
    raise ValueError(f"not a length at byte {at}")


def can_be(key: str) -> bool:
    """Whether the server can distinguish a key from all others, and find it again."""
    try:
        nbytes = len(key.encode())
    except UnicodeEncodeError:
        return False
    return key not in {".", ".."} and 0 < nbytes <= MOST_KEY_BYTES and not {"/", "\0"} & set(key)


def check_key(action: str, key: str) -> None:
    """Refuse a key that is not possible.

    Raises
    ------
    MetadataError
    """
    if not isinstance(key, str):
        raise TypeError(f"{action}: a key is text, not {key!r}")
    if not can_be(key):
        found = shown(key)
        bad = [i for i, letter in enumerate(key) if letter in "/\0" or "\ud800" <= letter <= "\udfff"]
        if bad and len(key) > 4 * AROUND:
            found += f" with {key[bad[0]]!r} behind {key[max(0, bad[0] - AROUND) : bad[0]]!r}"
        raise MetadataError(
            f"{action}: expected a key of 1 to {MOST_KEY_BYTES} bytes without slash and NUL, not '.' or '..', "
            f"and found {found}"
        )


def shown(key: object) -> str:
    """Return a key for a message; of a long one both ends."""
    if not isinstance(key, str):
        return brief(key)
    if len(key) <= 4 * AROUND:
        return repr(key)
    return f"{key[:AROUND]!r} … {key[-AROUND:]!r} of {len(key)} characters"


def as_bytes(action: str, value: Bytes) -> memoryview:
    """Return a flat view of the bytes of a value."""
    try:
        view = memoryview(value)
        return view.cast("B") if view.nbytes else memoryview(b"")
    except TypeError:
        raise TypeError(
            f"{action}: a value is bytes, or an array in C order, not {type(value).__name__}; see keyvalue.json"
        ) from None
