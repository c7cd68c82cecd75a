"""Blocks of labels in a stream: place, length, data."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mockserver.dvid.wire.geometry import Point
from mockserver.dvid.wire.labels.compression import gunzipped
from mockserver.dvid.wire.labels.native import Block, decode
from mockserver.http.messages import Refused

HEAD = struct.Struct("<3iI")


@dataclass(frozen=True)
class Positioned:
    """A block and its place in the grid of blocks."""

    cell: Point
    block: Block


def frame(cell: Point, data: bytes) -> bytes:
    """Return the place of a block, the length of its data, and its data."""
    return HEAD.pack(*cell, len(data)) + data


def frames(stream: bytes, sides: Sequence[int]) -> Iterator[Positioned]:
    """Yield the native blocks of a stream, which have these sides, up to its end or its first fault.

    Raises
    ------
    Refused
        With DVID's text for the fault.
    """
    at = 0
    while at < len(stream):
        if at + HEAD.size > len(stream):
            raise Refused("unexpected EOF")
        *cell, size = HEAD.unpack_from(stream, at)
        shown = show(tuple(cell))
        if size == 0:
            raise Refused(f"illegal zero length block at block {shown} detected")
        at += HEAD.size
        data = stream[at : at + size]
        if len(data) < size:
            problem = "unexpected EOF" if data else "EOF"
            raise Refused(f"error reading {size} bytes for block {shown}: {len(data)} actually read ({problem})")
        yield Positioned(tuple(cell), decode(_unpacked(data, shown), sides))
        at += size


def show(cell: Point) -> str:
    """Return the place of a block as DVID prints it: ``(0, 0, 1)``."""
    return f"({', '.join(map(str, cell))})"


def _unpacked(data: bytes, shown: str) -> bytes:
    try:
        return gunzipped(data)
    except Refused as refused:
        if data[:2] == b"\x1f\x8b" and len(data) >= 10:
            raise Refused(f"can't read all {len(data)} bytes from gzipped block {shown}: {refused}") from None
        raise Refused(f"can't initiate gzip reader on compressed data of length {len(data)}: {refused}") from None
