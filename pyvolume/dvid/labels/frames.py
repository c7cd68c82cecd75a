"""Frames: blocks of labels one after the other, each behind its coordinates and its length."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from pyvolume.dvid.labels.wire import broken
from pyvolume.transport.answer import Answer

HEAD = struct.Struct("<3iI")
"""The coordinates of a block, in blocks, and the number of bytes that follow."""

Place = tuple[int, int, int]


def read_frames(
    answer: Answer, first: Sequence[int], counts: Sequence[int], most: int, action: str
) -> Iterator[tuple[Place, bytes]]:
    """Receive frames in the order in which they arrive.

    Parameters
    ----------
    answer : Answer
        Its body is frames, and nothing else.
    first, counts : sequence of int
        The first block that was asked for, and how many along each axis.
    most : int
        Bytes of the longest frame that is possible.
    action : str
        For messages.

    Yields
    ------
    tuple of int, bytes
        The place of the block from `first` on, and its data.

    Raises
    ------
    AnswerError
        If a frame is cut short, longer than possible, of a block that was not asked for, or of one that has come
        already.
    """
    seen: set[Place] = set()
    while head := answer.read(HEAD.size):
        if len(head) != HEAD.size:
            raise broken(action, "frames of blocks", head, "the last one is cut short")
        x, y, z, length = HEAD.unpack(head)
        place = (x - first[0], y - first[1], z - first[2])
        is_asked = all(0 <= at < count for at, count in zip(place, counts, strict=True))
        if not is_asked or place in seen:
            why = "came twice" if is_asked else "was not asked for"
            raise broken(action, "the blocks that were asked for", head, f"the block {(x, y, z)} {why}")
        if length > most:
            raise broken(action, f"frames of up to {most} bytes", head, f"{length} bytes of the block {(x, y, z)}")
        data = answer.read(length)
        if len(data) != length:
            why = f"{len(data)} of {length} bytes of the block {(x, y, z)}"
            raise broken(action, "whole frames", head, why)
        seen.add(place)
        yield place, data


def frames_of(blocks: Iterable[tuple[Place, bytes]]) -> bytes:
    """Return the frames of blocks, which are given with their coordinates."""
    return b"".join(HEAD.pack(*place, len(data)) + data for place, data in blocks)
