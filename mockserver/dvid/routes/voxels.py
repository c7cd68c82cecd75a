"""Requests to a data instance of voxels: ``/api/node/{version}/{name}/...``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from mockserver.dvid.model import documents, masks, oblique
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.volumes import Volume
from mockserver.dvid.routes import blocks, settings
from mockserver.dvid.routes.upload import receive
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.wire import gojson, images
from mockserver.dvid.wire.answers import bad_call
from mockserver.dvid.wire.geometry import (
    MAX_REQUEST_BYTES,
    PLANES,
    VOLUMES,
    Box,
    parse_box,
    parse_integer,
    parse_point,
    show,
)
from mockserver.dvid.wire.octets import repeated
from mockserver.http.messages import Answer, Panic, Refused, Request, document, octets

Handler = Callable[[Request, Place[Volume], list[str]], Answer]


class VoxelsApi:
    """Answers requests to instances of the imageblk family.

    Parameters
    ----------
    changes : Changes
        The operations that change instances.
    throttle : Throttle
        The slots for throttled requests.
    """

    def __init__(self, changes: Changes, throttle: Throttle) -> None:
        self._changes = changes
        self._throttle = throttle
        self._handlers: dict[str, Handler] = {
            "help": lambda *_: document("imageblk, as a mock\n", "text/plain"),
            "metadata": settings.metadata,
            "info": _info,
            "extents": self._set_extents,
            "resolution": self._set_resolution,
            "rawkey": _rawkey,
            "specificblocks": blocks.specific_blocks,
            "subvolblocks": self._subvolume_blocks,
            "blocks": self._blocks,
            "raw": self._raw,
            "isotropic": self._raw,
            "arb": self._oblique,
        }

    @property
    def keywords(self) -> frozenset[str]:
        """The words that follow the name of an instance."""
        return frozenset(self._handlers)

    def answer(self, request: Request, place: Place[Volume], keyword: str, words: list[str]) -> Answer:
        """Return the answer to a request."""
        if request.method.lower() not in {"get", "post"}:
            raise Refused(f'Data "{place.instance.base.name}" can only handle GET or POST HTTP verbs')
        _check_attenuation(request)
        handler = self._handlers.get(keyword)
        if handler is None:
            return bad_call(request, place.instance.base.name, place.instance.base.type.name)
        request = replace(request, method=request.method.upper())  # DVID accepts "post", too
        return handler(request, place, words)

    def _set_extents(self, request: Request, place: Place[Volume], _: list[str]) -> Answer:
        _only_post(request, "extents")
        return settings.set_extents(request, place, self._changes)

    def _set_resolution(self, request: Request, place: Place[Volume], _: list[str]) -> Answer:
        _only_post(request, "resolution")
        return settings.set_resolution(request, place, self._changes)

    def _raw(self, request: Request, place: Place[Volume], words: list[str]) -> Answer:
        keyword = request.path.split("/")[5]
        if len(words) < 3:
            raise Refused(f'"{keyword}" must be followed by shape/size/offset')
        shape, size, offset, *image_format = words
        if place.instance.any_box:
            return self._any_box(request, place, words)
        if shape.lower().replace(",", "_") in PLANES:
            return self._plane(request, place, words)
        if shape.lower() == "arb":
            raise Refused("DVID currently supports shapes of only 2 and 3 dimensions")
        if shape.lower() not in VOLUMES:
            raise Refused(f"Unknown data shape specification ({shape})")
        self._throttle.enter(request)
        box = parse_box(offset, size)
        if request.method == "GET":
            return _volume(request, place, box, image_format)
        if keyword == "isotropic":
            raise Refused("can only POST 'raw' not 'isotropic' images")
        return self._write(request, place, box)

    def _any_box(self, request: Request, place: Place[Volume], words: list[str]) -> Answer:
        axes, size, offset, *_ = words
        ndim = place.instance.ndim
        if axes != "_".join(map(str, range(ndim))):
            raise Refused(f"Unknown data shape specification ({axes})")
        self._throttle.enter(request)
        box = parse_box(offset, size, ndim)
        return self._write(request, place, box) if request.method == "POST" else _volume(request, place, box, [])

    def _plane(self, request: Request, place: Place[Volume], words: list[str]) -> Answer:
        axes, size, offset, *image_format = words
        start, shape = parse_point(offset), _parse_plane_size(size)
        if len(start) != 3:
            raise Refused(f"Offset must be 3d coordinate, not {len(start)}-d coordinate")
        if request.method != "GET":
            raise Refused("DVID does not permit 2d mutations, only 3d block-aligned stores")
        plane = PLANES[axes.lower().replace(",", "_")]
        wanted, isotropic = shape, request.path.split("/")[5] == "isotropic"
        if isotropic:
            shape = oblique.square_size(place.instance.voxel_size, plane, shape)
        box = images.plane_box(plane, start, shape)
        label = "".join("XYZ"[axis] for axis in plane)
        _check_size(place, box, f"{label} slice @ offset {show(start)}, size ({shape[0]}, {shape[1]})")
        images.check_pixels(place.instance.voxels.voxel_bytes * max(math.prod(shape), math.prod(wanted)))
        masked = masks.find(request, place)
        rows = images.rows_of(masks.array(place, box, masked), plane)
        if isotropic:
            rows = oblique.stretched(rows, wanted)
        return images.picture(rows, image_format[0] if image_format else "")

    def _oblique(self, request: Request, place: Place[Volume], words: list[str]) -> Answer:
        if len(words) < 4:
            raise Refused('"arb" must be followed by top-left/top-right/bottom-left/res')
        self._throttle.enter(request)
        cut, voxel_bytes = oblique.Cut.parse(*words[:4]), place.instance.voxels.voxel_bytes
        images.check_pixels(voxel_bytes * math.prod(cut.checked_size(voxel_bytes)))
        rows = oblique.cut_rows(place, cut)
        return images.picture(rows, words[4] if len(words) > 4 else "")

    def _write(self, request: Request, place: Place[Volume], box: Box) -> Answer:
        def accept() -> None:
            place.repository.count_mutation()
            masks.find(request, place)
            if not (place.instance.any_box or box.aligned_to(place.instance.block_size)):
                corners = f"{show(box.start)} -> {show(box.last)}"
                raise Refused(f"cannot store voxels in non-block aligned geometry {corners}")

        receive(request, place, box, accept, self._changes)
        return Answer()

    def _subvolume_blocks(self, request: Request, place: Place[Volume], words: list[str]) -> Answer:
        blocks.check_words(words)
        self._throttle.enter(request)
        return blocks.subvolume_blocks(request, place, words)

    def _blocks(self, request: Request, place: Place[Volume], words: list[str]) -> Answer:
        if request.method == "GET":
            return blocks.read_span(place, words)
        return blocks.write_span(request, place, words, self._changes)


def _info(request: Request, place: Place[Volume], _: list[str]) -> Answer:
    if request.method != "GET":
        raise Refused("info endpoint only supports GET HTTP verb")
    return document(gojson.encode(documents.describe_instance(place.instance, place.lineage)))


def _rawkey(_: Request, __: Place[Volume], words: list[str]) -> Answer:
    if words:
        raise Refused("rawkey endpoint should be followed by query strings (x, y, and z) giving block coord")
    return Answer()


def _volume(request: Request, place: Place[Volume], box: Box, image_format: list[str]) -> Answer:
    _check_size(place, box, str(box))
    region = masks.find(request, place)
    size = place.instance.voxels.voxel_bytes * box.size
    if place.instance.ndim < len(box.shape):
        raise Panic(f"runtime error: index out of range [2] with length {place.instance.ndim}")
    if min(box.shape) < 0 or place.instance.unusable:
        # The product of two negative sizes is positive, and DVID sends this number of zeros.
        return octets(repeated(0, size), size)
    if image_format and image_format[0] in {"jpg", "jpeg"}:
        images.check_pixels(size)
        return images.volume_image(masks.array(place, box, region))
    return octets(masks.read(place, box, region), size)


def _check_size(place: Place[Volume], box: Box, words: str) -> None:
    if box.size <= 0:
        raise Refused(f"Illegal geometry requested: {words}")
    size = place.instance.voxels.voxel_bytes * box.size
    if size > MAX_REQUEST_BYTES:
        limit = f"this DVID server's set limit ({MAX_REQUEST_BYTES})"
        raise Refused(f"Requested payload ({size} bytes) exceeds {limit}")


def _check_attenuation(request: Request) -> None:
    """Check a setting; it has no effect on the real server either."""
    if not (request.query.get("roi") and request.query.get("attenuation")):
        return
    if not 1 <= parse_integer(request.query["attenuation"], function="Atoi", bits=64) <= 7:
        raise Refused("Attenuation should be from 1 to 7 (divides by 2^n)")


def _only_post(request: Request, keyword: str) -> None:
    if request.method != "POST":
        raise Refused(f"{keyword} endpoint only supports POST HTTP verb")


def _parse_plane_size(text: str) -> tuple[int, ...]:
    if text.count("_") != 1:
        raise Refused("cannot parse into a 2d point")
    return parse_point(text)
