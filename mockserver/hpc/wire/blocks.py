"""Blocks on the wire: three int32 and the voxels, big-endian; places in a path."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence

from mockserver.hpc.model.datasets import Block, Place
from mockserver.hpc.wire.answers import Crashed, Failed, empty_crash

HEADER = struct.Struct(">3i")

MISSING = HEADER.pack(-1, -1, -1)
"""What stands for a block that is not stored."""

LARGEST_INT = 2**31 - 1

GROUP = re.compile(r"(\d+)/(\d+)/(\d+)/(\d+)/(\d+)/(\d+)")
"""A further block in a path: the server looks for the next one and skips what is between."""


def places(first: Place, rest: str) -> list[Place]:
    """Return the places in a path: the first one, and those found in the rest."""
    found = [first]
    for match in GROUP.finditer(rest):
        numbers = [_int32(text) for text in match.groups()]
        found.append((numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]))
    return found


def _int32(text: str) -> int:
    if int(text) > LARGEST_INT:
        raise Failed(400, f'For input string: "{text}"')
    return int(text)


def packed(block: Block | None) -> bytes:
    """Return a block as it is sent."""
    return MISSING if block is None else HEADER.pack(*block.shape) + block.voxels


def unpacked(data: bytes, count: int, largest: Sequence[int], itemsize: int, *, strict: bool) -> Iterator[Block]:
    """Yield the blocks of a body; a payload that is cut short is filled with zeros, unless the server is strict.

    Raises
    ------
    Failed, Crashed
        For sizes that are not those of a block, and for fewer blocks than were announced.
    """
    at = 0
    for _ in range(count):
        if len(data) < at + HEADER.size:
            raise empty_crash()
        x, y, z = HEADER.unpack_from(data, at)
        at += HEADER.size
        if x * y * z < 0:
            raise Crashed(f"java.lang.NegativeArraySizeException: {x * y * z}")
        if not all(0 <= n <= most for n, most in zip((x, y, z), largest, strict=True)):
            limits = ",".join(f"0-{most}" for most in largest)
            raise Failed(400, f"Block dimension should be [{limits}] but is [{x},{y},{z}]")
        nbytes = x * y * z * itemsize
        voxels = data[at : at + nbytes]
        if strict and len(voxels) < nbytes:
            raise Failed(400, f"expected {nbytes} bytes of voxels, got {len(voxels)}")
        yield Block((x, y, z), voxels.ljust(nbytes, b"\0"))
        at += nbytes
