"""The protobuf messages of the index of bodies.

| message      | fields                                                                      |
|--------------|-----------------------------------------------------------------------------|
| LabelIndices | 1 repeated LabelIndex                                                       |
| LabelIndex   | 1 map of block to SVCount, 2 uint64 label, 3 uint64 mutation, 4 to 6 texts  |
| SVCount      | 1 map of supervoxel to voxels                                               |

A block is a number of three fields of 21 bits, z, y and x, each a sign and a magnitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockserver.dvid.wire.geometry import Point
from mockserver.dvid.wire.protobuf import field

Blocks = Mapping[Point, Mapping[int, int]]
"""The voxels of each supervoxel in each block."""

BITS = 20


def encode_indices(indices: Iterable[tuple[int, Blocks]]) -> bytes:
    """Return a LabelIndices message of labels and their blocks."""
    return b"".join(field(1, _index(label, blocks)) for label, blocks in indices)


def _index(label: int, blocks: Blocks) -> bytes:
    entries = (field(1, field(1, _key(cell)) + field(2, _counts(counts))) for cell, counts in blocks.items())
    return b"".join(entries) + (field(2, label) if label else b"")


def _counts(counts: Mapping[int, int]) -> bytes:
    return b"".join(field(1, field(1, supervoxel) + field(2, count)) for supervoxel, count in counts.items())


def _key(cell: Point) -> int:
    x, y, z = ((abs(at) | (at < 0) << BITS) for at in cell)
    return z << 2 * (BITS + 1) | y << BITS + 1 | x
