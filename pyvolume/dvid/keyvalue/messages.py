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


def decode_pairs(action: str, pieces: Iterable[bytes], limit: int) -> Iterator[tuple[str, bytes]]:
    """Read the message KeyValues while it arrives; an empty value may be left out.

    Raises
    ------
    ValueError
        If it ends early, or holds something else.
    MetadataError
        If a key and its value have more bytes than `limit`.
    """
    for _, pair in _fields(action, pieces, limit):
        fields = dict(_fields(action, [pair], limit))
        yield str(fields.get(FIRST, b""), "utf-8"), fields.get(SECOND, b"")


def _field(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _fields(action: str, pieces: Iterable[bytes], limit: int) -> Iterator[tuple[bytes, bytes]]:
    message = _Message(pieces)
    while not message.has_ended():
        tag, length = message.take(1), message.take_length()
        if tag not in {FIRST, SECOND}:
            raise message.wrong("a list of pairs")
        if length > limit:
            raise MetadataError(
                f"{action}: a value is larger than {limit} bytes, the max_document of the Connection; "
                "open and read_into take values of any size"
            )
        yield tag, message.take(length)


class _Message:
    """A message that arrives in pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._arrived = bytearray()
        self._at = 0
        self._dropped = 0

    def has_ended(self) -> bool:
        return not self._holds(1)

    def _holds(self, count: int) -> bool:
        """Receive until there are so many bytes; return whether there are."""
        while len(self._arrived) - self._at < count:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            del self._arrived[: self._at]
            self._dropped, self._at = self._dropped + self._at, 0
            self._arrived += piece
        return True

    def take(self, count: int) -> bytes:
        if not self._holds(count):
            raise self.wrong("a list of pairs")
        self._at += count
        return bytes(self._arrived[self._at - count : self._at])

    def take_length(self) -> int:
        number = 0
        for shift in range(0, 35, 7):
            (digit,) = self.take(1)
            number |= (digit & 0x7F) << shift
            if digit < 0x80:
                return number
        raise self.wrong("a length")

    def wrong(self, expected: str) -> ValueError:
        return ValueError(f"not {expected} at byte {self._dropped + self._at}")


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
