"""Voxels of labels as boxes and planes: raw, isotropic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model import masks, oblique
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.labels.instance import Labels, View
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.regions import Blocks
from mockserver.dvid.routes.labels.settings import scale_of, view_of
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.wire import images
from mockserver.dvid.wire.geometry import (
    MAX_REQUEST_BYTES,
    PLANES,
    VOLUMES,
    Box,
    Point,
    cell_of,
    parse_box,
    parse_point,
    show,
)
from mockserver.dvid.wire.labels import compression
from mockserver.dvid.wire.octets import as_bytes, repeated
from mockserver.http.messages import Answer, Panic, Refused, Request, octets


class RawApi:
    """Answers requests for boxes and planes.

    Parameters
    ----------
    changes : Changes
        The operations that change instances.
    throttle : Throttle
        The slots for throttled requests.
    unset_block_fails : bool
        True if a request for exactly one block that is not stored fails, as on DVID.
    """

    def __init__(self, changes: Changes, throttle: Throttle, *, unset_block_fails: bool) -> None:
        self._changes = changes
        self._throttle = throttle
        self._unset_block_fails = unset_block_fails

    def answer(self, request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
        """Return the answer to a request."""
        keyword = request.path.split("/")[5]
        if len(words) < 3:
            raise Refused(f"'{keyword}' must be followed by shape/size/offset")
        shape, size, offset, *_ = words
        is_plane = shape.lower().replace(",", "_") in PLANES
        if not is_plane and shape.lower() != "arb" and shape.lower() not in VOLUMES:
            raise Refused(f"Unknown data shape specification ({shape})")
        scale = scale_of(request, "bad scale specified: ") if place.instance.has_scales else 0
        if is_plane:
            return self._plane(request, place, words, scale)
        if shape.lower() == "arb":
            raise Refused("DVID currently supports shapes of only 2 and 3 dimensions")
        self._throttle.enter(request)
        box = parse_box(offset, size)
        if request.method.lower() == "get":
            return self._read(request, place, box, scale)
        if keyword == "isotropic":
            raise Refused("can only POST 'raw' not 'isotropic' images")
        return self._write(request, place, box)

    def _read(self, request: Request, place: Place[Labels], box: Box, scale: int) -> Answer:
        self._check_block(request, place, box, scale)
        sight = _look(request, place, box, scale, str(box))
        asked, nbytes = request.query.get("compression", ""), 8 * box.size
        if min(box.shape) < 0:  # the product of two negative sizes is positive, and DVID sends this number of zeros
            return octets(repeated(0, nbytes), nbytes)
        if asked:
            return compression.compressed(asked, lambda: sight.array(box)[0], nbytes)
        slabs = box.slabs(8, place.instance.block_size)
        return octets((as_bytes(sight.array(slab)) for slab in slabs), nbytes)

    def _check_block(self, request: Request, place: Place[Labels], box: Box, scale: int) -> None:
        """Fail like DVID for exactly one block that is not stored."""
        labels = place.instance
        if not (self._unset_block_fails and labels.is_map) or request.query.get("roi"):
            return
        if box.shape != labels.block_size or not box.aligned_to(labels.block_size):
            return
        cell = tuple(map(cell_of, box.start, labels.block_size))
        if labels.level(scale).block(place.lineage, cell) is not None:
            return
        if request.query.get("compression"):
            raise Refused(f"unable to get label block ({', '.join(map(str, cell))})")
        raise Panic("runtime error: invalid memory address or nil pointer dereference")

    def _plane(self, request: Request, place: Place[Labels], words: Sequence[str], scale: int) -> Answer:
        axes, size, offset, *image_format = words
        start, shape = parse_point(offset), _plane_size(size)
        if len(start) != 3:
            raise Refused(f"Offset must be 3d coordinate, not {len(start)}-d coordinate")
        if request.method.lower() != "get":
            raise Refused("DVID does not permit 2d mutations, only 3d block-aligned stores")
        plane = PLANES[axes.lower().replace(",", "_")]
        wanted, isotropic = shape, request.path.split("/")[5] == "isotropic"
        if isotropic:
            shape = oblique.square_size(place.instance.voxel_size, plane, shape)
        box = images.plane_box(plane, start, shape)
        label = "".join("XYZ"[axis] for axis in plane)
        sight = _look(
            request, place, box, scale, f"{label} slice @ offset {show(start)}, size ({shape[0]}, {shape[1]})"
        )
        images.check_pixels(8 * max(math.prod(shape), math.prod(wanted)))
        rows = images.rows_of(sight.array(box), plane)
        if isotropic:
            rows = oblique.stretched(rows, wanted)
        return images.picture(rows, image_format[0] if image_format else "")

    def _write(self, request: Request, place: Place[Labels], box: Box) -> Answer:
        data = compression.received(request, box)
        _check_written(place, box, len(data))
        masks.find(request, place)
        self._changes.make_with(
            "write_labels",
            data,
            uuid=place.version.uuid,
            name=place.instance.base.name,
            start=box.start,
            shape=box.shape,
            region=request.query.get("roi", ""),
            mutate=request.query.get("mutate") == "true",
        )
        return Answer()


def _check_written(place: Place[Labels], box: Box, length: int) -> None:
    """Refuse a box of other than whole blocks, and a wrong length; a labelblk looks at the length first."""
    labels, expected = place.instance, 8 * box.size
    aligned = box.aligned_to(labels.block_size)
    corners = f"non-block aligned geometry {show(box.start)} -> {show(box.last)}"
    if not labels.has_scales:
        if length != expected:
            raise Refused(f"labels data was {length} bytes, expected {expected} bytes for {box}")
        if not aligned:
            place.repository.count_mutation()  # also of a refused request
            raise Refused(f"cannot store voxels in {corners}")
        return
    data = f'data "{labels.base.name}"'
    if not aligned:
        raise Refused(f"cannot store labels for {data} in {corners}")
    if length != expected:
        raise Refused(f"expected {expected} bytes for {data} label PUT but only received {length} bytes")


@dataclass(frozen=True)
class _Sight:
    """How a request sees voxels: at a scale, as bodies or as supervoxels, through a region."""

    place: Place[Labels]
    scale: int
    view: View
    region: Blocks | None

    def array(self, box: Box) -> NDArray[np.uint64]:
        """Return the voxels of a box, channel first."""
        level = self.place.instance.level(self.scale)
        return self.view(level.array(self.place.lineage, box, self._masked if self.region else None))

    def _masked(self, cell: Point, block: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return block if self.region and cell in self.region else np.zeros_like(block)


def _look(request: Request, place: Place[Labels], box: Box, scale: int, words: str) -> _Sight:
    """Check a box, and return how a request sees it."""
    labels = place.instance
    lower = labels.is_map
    if box.size <= 0:
        raise Refused(f"{'i' if lower else 'I'}llegal geometry requested: {words}")
    if 8 * box.size > MAX_REQUEST_BYTES:
        limit = f"this DVID server's set limit ({MAX_REQUEST_BYTES})"
        raise Refused(f"{'r' if lower else 'R'}equested payload ({8 * box.size} bytes) exceeds {limit}")
    region = masks.find(request, place)
    if region is not None and scale:
        raise Refused("DVID does not currently support ROI masks on lower-scale GETs")
    return _Sight(place, scale, view_of(request, place), region)


def _plane_size(text: str) -> tuple[int, ...]:
    if text.count("_") != 1:
        raise Refused("cannot parse into a 2d point")
    return parse_point(text)
