"""The protobuf messages of mappings.

| message    | fields                                                             |
|------------|--------------------------------------------------------------------|
| MappingOps | 1 repeated MappingOp                                               |
| MappingOp  | 1 uint64 mutation, 2 uint64 mapped, 3 repeated uint64 original     |
"""

from __future__ import annotations

from mockserver.dvid.wire.protobuf import fields, varints


def decode_mappings(data: bytes) -> list[tuple[int, int]]:
    """Read a MappingOps message; return the supervoxels and their bodies."""
    found = []
    for number, message in fields(data):
        if number == 1 and isinstance(message, bytes):
            body, originals = _operation(message)
            found += [(original, body) for original in originals]
    return found


def _operation(message: bytes) -> tuple[int, list[int]]:
    body, originals = 0, list[int]()
    for number, value in fields(message):
        if number == 2 and isinstance(value, int):
            body = value
        elif number == 3:
            originals += [value] if isinstance(value, int) else varints(value)
    return body, originals
