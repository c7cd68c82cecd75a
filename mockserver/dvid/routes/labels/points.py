"""Labels at points: label, labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes.labels.settings import hashed, listed, scale_of, view_of
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import arrays
from mockserver.dvid.wire.geometry import Point, parse_integer, parse_point
from mockserver.dvid.wire.gojson import quoted
from mockserver.dvid.wire.labels.native import SIDE
from mockserver.http.messages import Answer, Declined, Refused, Request, document

BAD_SCALE = "bad scale specified: "


def label(request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send the label at a point."""
    if not words:
        raise Refused("DVID requires coord to follow 'label' command")
    point = parse_place(words[0]) if place.instance.is_map else parse_point(words[0])
    scale = _scale(request, place)
    if len(point) != 3:
        raise Declined(501, "this mock server knows labels at points of three axes only")
    return document(f'{{"Label": {at(request, place, [point], scale)[0]}}}')


def labels(request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
    """Send the labels at many points."""
    if request.method.lower() != "get":
        raise Refused("Batch labels query must be a GET request")
    scale = _scale(request, place)
    data = hashed(request)
    try:
        points = arrays(gojson.decode(data), "dvid.Point3d", 3)
    except Refused as refused:
        raise Refused(f"Bad labels request JSON: {refused}") from None
    return listed(at(request, place, points, scale))


def parse_place(text: str) -> Point:
    """Parse a point of three numbers."""
    numbers = text.split("_")
    if len(numbers) != 3:
        raise Refused(f"String {quoted(text)} cannot be converted to a 3d point")
    return tuple(parse_integer(number.strip()) for number in numbers)


def at(
    request: Request, place: Place[Labels], points: Sequence[Sequence[int]], scale: int, *, rounded: bool = True
) -> list[int]:
    """Return the labels at points.

    Parameters
    ----------
    request : Request
        Says whether supervoxels are wanted.
    place : Place
        The labels.
    points : sequence of three int
        In voxels of the scale.
    scale : int
        The scale.
    rounded : bool
        True to look for a block below 0 where a labelmap looks: it rounds towards 0.

    Raises
    ------
    Declined
        Where a real labelmap answers with the label of another place.
    """
    instance, lineage = place.instance, place.lineage
    if not points:
        return []
    found = np.zeros(len(points), np.uint64)
    wanted = np.array(points, np.int64)
    sides = np.array(instance.block_size)
    cells = np.trunc(wanted / sides).astype(np.int64) if rounded and instance.is_map else wanted // sides
    view = view_of(request, place)
    for cell in np.unique(cells, axis=0):
        at_cell = tuple(map(int, cell))
        block = instance.level(scale).block(lineage, at_cell)
        if block is None:
            continue
        chosen = np.flatnonzero((cells == cell).all(axis=1))
        inside = wanted[chosen] - cell * sides
        found[chosen] = _in_block(view(block), inside)
    return [int(value) for value in found]


def _in_block(block: NDArray[np.uint64], inside: NDArray[np.int64]) -> NDArray[np.uint64]:
    if (inside >= 0).all():
        x, y, z = inside.T
        found: NDArray[np.uint64] = block[0, x, y, z]
        return found
    if (block == block.flat[0]).all():
        return np.full(len(inside), block.flat[0], np.uint64)
    return np.array([_misplaced(block[0], point) for point in inside], np.uint64)


def _misplaced(block: NDArray[np.uint64], point: NDArray[np.int64]) -> int:
    """Return what DVID finds at a coordinate below 0: the sub-block of a number that it computes from it."""
    if (point >= 0).all():
        return int(block[tuple(point)])
    counts = [side // SIDE for side in block.shape]
    x, y, z = (int(at) // SIDE for at in point)
    number = (z * counts[1] + y) * counts[0] + x
    if not 0 <= number < counts[0] * counts[1] * counts[2]:
        return 0
    low = [SIDE * at for at in (number % counts[0], number // counts[0] % counts[1], number // counts[0] // counts[1])]
    part = block[tuple(slice(at, at + SIDE) for at in low)]
    if (part != part.flat[0]).any():
        raise Declined(501, "a real server answers with the label of another place for this coordinate below 0")
    return int(part.flat[0])


def _scale(request: Request, place: Place[Labels]) -> int:
    return scale_of(request, BAD_SCALE) if place.instance.has_scales else 0
