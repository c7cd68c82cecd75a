"""Extents: where a volume of DVID begins and ends, and which coordinates the server has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pyvolume.errors import SelectionError
from pyvolume.model.box import Box

INT32 = range(-(2**31), 2**31)

LONGEST = 2**31 - 1
"""The longest axis: a longer one has a negative size in the documents of the server."""

DECLARED = "pyvolume-bounds"
"""The tag of an instance that holds the bounds which were declared when it was created."""


def check_coordinates(action: str, box: Box) -> None:
    """Refuse a box that DVID's 32-bit coordinates cannot name.

    Raises
    ------
    SelectionError
    """
    for low, high in zip(box.start, box.stop, strict=True):
        if low not in INT32 or high - 1 not in INT32 or high - low not in INT32:
            raise SelectionError(f"{action}: coordinates of DVID are 32-bit integers, {low}:{high} is outside")


def limits_of(blocks: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the first voxel that the server stores on each axis, and the one behind the last.

    The server divides with a subtraction that overflows in the lowest block: it accepts a write there, and stores
    nothing.
    """
    return tuple((-((2**31 + 1) // side - 1) * side, 2**31 // side * side) for side in blocks)


def check_bounds(action: str, box: Box, blocks: Sequence[int]) -> None:
    """Refuse bounds that hold blocks which the server cannot store, or that it cannot describe.

    Raises
    ------
    SelectionError
    """
    check_coordinates(action, box)
    whole = box.aligned_to((1, *blocks))
    for low, high, (lowest, highest) in zip(whole.start[1:], whole.stop[1:], limits_of(blocks), strict=True):
        if low < lowest or high > highest or high - low > LONGEST:
            raise SelectionError(
                f"{action}: DVID stores the voxels {lowest}:{highest}, at most {LONGEST} along an axis; "
                f"{low}:{high} is outside"
            )


def extents_document(box: Box) -> dict[str, list[int]]:
    """Return the document that declares the extents of an instance: the first voxel and the last."""
    return {"MinPoint": list(box.start[1:]), "MaxPoint": [stop - 1 for stop in box.stop[1:]]}


def declared_text(box: Box) -> str:
    """Return the value of the tag `DECLARED`; its axes are those behind the channel."""
    return ":".join("_".join(map(str, corner[1:])) for corner in (box.start, box.stop))


def declared_box(tags: Mapping[str, str], channels: int, ndim: int) -> Box | None:
    """Read the bounds that were declared at the creation, from the tags of an instance.

    An axis can have the length 0, which the extents of the server cannot say.
    """
    point = "_".join(["(-?[0-9]{1,10})"] * ndim)
    match = re.fullmatch(f"{point}:{point}", tags.get(DECLARED, ""))
    if match is None:
        return None
    start, stop = tuple(map(int, match.groups()[:ndim])), tuple(map(int, match.groups()[ndim:]))
    pairs = list(zip(start, stop, strict=True))
    if start == stop or any(not INT32.start <= low <= high <= INT32.stop for low, high in pairs):
        return None
    return Box((0, *start), (channels, *stop))


def shown(extents: Box, declared: Box, blocks: Sequence[int]) -> Box:
    """Return the bounds of a volume with declared bounds: these, and what the server has beyond their blocks.

    The server knows whole blocks only, and forgets what was declared with the first write.
    """
    if not extents.size:
        return declared
    whole = declared.aligned_to((1, *blocks))
    start = tuple(a if a < outer else b for a, b, outer in zip(extents.start, declared.start, whole.start, strict=True))
    stop = tuple(a if a > outer else b for a, b, outer in zip(extents.stop, declared.stop, whole.stop, strict=True))
    return Box(start, stop)
