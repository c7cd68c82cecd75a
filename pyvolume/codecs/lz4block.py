"""The stream of lz4-java: frames that begin with ``LZ4Block``, each with the checksum of its bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAGIC = b"LZ4Block"

_HEADER = struct.Struct("<8sBiiI")
"""The magic bytes, the method with the size, the bytes that follow, the bytes that they become, the checksum."""

_RAW, _LZ4 = 0x10, 0x20

_LEAST_BITS = 10
"""The lower half of the method is the binary logarithm of the size of a frame, without this."""

_SEED, _KEPT = 0x9747B28C, 0x0FFFFFFF
"""The seed of the checksum of lz4-java, and the bits of it that are kept."""


def decompress(data: memoryview, nbytes: int) -> bytes:
    """Return the bytes of a stream.

    Parameters
    ----------
    data : memoryview
        The stream; what follows its end is not looked at.
    nbytes : int
        How many bytes it should become; never more memory is used.

    Raises
    ------
    ValueError
        If the stream is broken.
    """
    parts: list[bytes] = []
    left, at = nbytes, 0
    while left:
        part, at = _frame(data, at, left)
        if not part:
            raise ValueError(f"the stream ends {left} bytes early")
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _frame(data: memoryview, at: int, most: int) -> tuple[bytes, int]:
    """Return the bytes of the frame at a place, and the place behind it; the last frame has no bytes."""
    import lz4.block

    begin = at + _HEADER.size
    if begin > len(data):
        raise ValueError("it ends within the head of a frame")
    magic, method, stored, length, checksum = _HEADER.unpack_from(data, at)
    if magic != MAGIC:
        raise ValueError(f"expected {MAGIC!r} at the head of a frame and found {magic!r}")
    kind, largest = method & 0xF0, 1 << ((method & 0x0F) + _LEAST_BITS)
    is_possible = kind in {_RAW, _LZ4} and 0 <= length <= min(largest, most) and stored >= 0
    if not is_possible or (kind == _RAW and stored != length):
        raise ValueError(f"expected a frame of up to {min(largest, most)} bytes and found one of {length}")
    frame = data[begin : begin + stored]
    if len(frame) != stored:
        raise ValueError(f"expected a frame of {stored} bytes and found {len(frame)}")
    try:
        found = bytes(frame) if kind == _RAW else lz4.block.decompress(frame, uncompressed_size=length)
    except lz4.block.LZ4BlockError as error:
        raise ValueError(str(error)) from None
    if len(found) != length or (length and checksum_of(found) != checksum):
        raise ValueError("the checksum of a frame does not fit its bytes")
    return found, begin + stored


def compress(data: memoryview, frame_bytes: int) -> Iterator[bytes]:
    """Give the frames of a stream.

    Parameters
    ----------
    data : memoryview
        The bytes, flat.
    frame_bytes : int
        How many of them each frame holds, from 64 to 32 MiB.
    """
    import lz4.block

    bits = max(0, (frame_bytes - 1).bit_length() - _LEAST_BITS)
    for start in range(0, len(data), frame_bytes):
        part = data[start : start + frame_bytes]
        packed = lz4.block.compress(part, store_size=False)
        kind, stored = (_RAW, bytes(part)) if len(packed) >= len(part) else (_LZ4, packed)
        yield _HEADER.pack(MAGIC, kind | bits, len(stored), len(part), checksum_of(part))
        yield stored
    yield _HEADER.pack(MAGIC, _RAW | bits, 0, 0, 0)


def checksum_of(data: bytes | memoryview) -> int:
    """Return the checksum that lz4-java writes."""
    return xxhash32(data, _SEED) & _KEPT


_P1, _P2, _P3, _P4, _P5 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1
_MASK = 0xFFFFFFFF
_STRIPE = 16

_FASTEST = -65537
"""The level of compression that looks for nothing."""


def xxhash32(data: bytes | memoryview, seed: int) -> int:
    """Return the XXH32 of bytes.

    The library lz4 computes XXH32 only with the seed 0, as the checksum of its own frames. All steps of XXH32 can be
    undone. So 16 bytes in front of the data bring the state from the seed 0 to the wanted one, and the last steps, to
    which the length belongs, are undone and done again with the right length.

    Examples
    --------
    >>> hex(xxhash32(b"Nobody inspects the spammish repetition", 0))
    '0xe2293b2f'
    """
    size, tail = len(data), bytes(data[len(data) // _STRIPE * _STRIPE :])
    if size < _STRIPE:
        return _mixed(_with_tail((seed + _P5 + size) & _MASK, tail))
    state = _without_tail(_unmixed(_seedless(_stripe_to(seed), data)), tail)
    return _mixed(_with_tail((state - _STRIPE) & _MASK, tail))


def _seedless(*parts: bytes | memoryview) -> int:
    """Return the XXH32 of bytes with the seed 0."""
    import lz4.frame

    context = lz4.frame.create_compression_context()
    lz4.frame.compress_begin(context, content_checksum=True, compression_level=_FASTEST, auto_flush=True)
    for part in parts:
        lz4.frame.compress_chunk(context, part)
    return int.from_bytes(lz4.frame.compress_flush(context)[-4:], "little")


def _stripe_to(seed: int) -> bytes:
    """Return 16 bytes after which the state of the seed 0 is that of another seed before any byte."""
    begun = (_P1 + _P2, _P2, 0, -_P1)
    words = ((_rotated(((each + seed) * _inverse(_P1)) & _MASK, -13) - each) * _inverse(_P2) for each in begun)
    return struct.pack("<4I", *(word & _MASK for word in words))


def _with_tail(state: int, tail: bytes) -> int:
    for word in _words(tail):
        state = _rotated((state + word * _P3) & _MASK, 17) * _P4 & _MASK
    for byte in tail[len(tail) // 4 * 4 :]:
        state = _rotated((state + byte * _P5) & _MASK, 11) * _P1 & _MASK
    return state


def _without_tail(state: int, tail: bytes) -> int:
    for byte in reversed(tail[len(tail) // 4 * 4 :]):
        state = (_rotated(state * _inverse(_P1) & _MASK, -11) - byte * _P5) & _MASK
    for word in reversed(_words(tail)):
        state = (_rotated(state * _inverse(_P4) & _MASK, -17) - word * _P3) & _MASK
    return state


def _words(tail: bytes) -> tuple[int, ...]:
    count = len(tail) // 4
    return struct.unpack_from(f"<{count}I", tail)


def _mixed(state: int) -> int:
    state = (state ^ state >> 15) * _P2 & _MASK
    state = (state ^ state >> 13) * _P3 & _MASK
    return state ^ state >> 16


def _unmixed(state: int) -> int:
    state = (state ^ state >> 16) * _inverse(_P3) & _MASK
    state = (state ^ state >> 13 ^ state >> 26) * _inverse(_P2) & _MASK
    return state ^ state >> 15 ^ state >> 30


def _rotated(value: int, bits: int) -> int:
    return (value << bits % 32 | value >> -bits % 32) & _MASK


def _inverse(odd: int) -> int:
    return pow(odd, -1, 1 << 32)
