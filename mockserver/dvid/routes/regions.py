"""Requests to a roi instance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from mockserver.dvid.model import documents
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.partition import partition
from mockserver.dvid.model.place import Place
from mockserver.dvid.model.regions import Region
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.answers import bad_call
from mockserver.dvid.wire.bodies import arrays
from mockserver.dvid.wire.geometry import MAX_REQUEST_BYTES, PLANES, VOLUMES, parse_box, parse_integer, wrapped
from mockserver.dvid.wire.octets import as_bytes, repeated
from mockserver.http.messages import Answer, Panic, Refused, Request, document, octets

Handler = Callable[[Request, Place[Region], Sequence[str]], Answer]


class RegionsApi:
    """Answers requests to roi instances.

    Parameters
    ----------
    changes : Changes
        The operations that change instances.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._handlers: dict[str, Handler] = {
            "help": lambda *_: document("roi, as a mock\n", "text/plain"),
            "info": lambda _, place, __: document(
                gojson.encode(documents.describe_instance(place.instance, place.lineage))
            ),
            "roi": self._spans,
            "mask": _mask,
            "ptquery": _query,
            "partition": _partition,
        }

    @property
    def keywords(self) -> frozenset[str]:
        """The words that follow the name of an instance."""
        return frozenset(self._handlers)

    def answer(self, request: Request, place: Place[Region], keyword: str, words: Sequence[str]) -> Answer:
        """Return the answer to a request."""
        handler = self._handlers.get(keyword)
        if handler is None:
            return bad_call(request, place.instance.base.name, "roi")
        return handler(request, place, words)

    def _spans(self, request: Request, place: Place[Region], _: Sequence[str]) -> Answer:
        match request.method.lower():
            case "get":
                return document(gojson.encode(place.instance.spans_in(place.lineage)))
            case "post":
                self._replace(place, _parse_spans(request.body.read()))
            case "delete":
                self._replace(place, [])
        return Answer()

    def _replace(self, place: Place[Region], spans: list[list[int]]) -> None:
        self._changes.make("set_spans", uuid=place.version.uuid, name=place.instance.base.name, spans=spans)


def _parse_spans(data: bytes) -> list[list[int]]:
    try:
        return arrays(gojson.decode(data), "dvid.Span", 4)
    except Refused as refused:
        raise Refused(f"Error trying to parse POSTed JSON: {refused}") from None


def _mask(request: Request, place: Place[Region], words: Sequence[str]) -> Answer:
    if request.method.lower() != "get":
        raise Refused("ROI mask only supports GET")
    if len(words) < 3:
        raise Refused('"mask" must be followed by shape/size/offset')
    shape, size, offset = words[0].lower(), words[1], words[2]
    if shape.replace(",", "_") in PLANES or shape == "arb":
        raise Refused("Currently only 3d masks ('0_1_2' shape) is supported")
    if shape not in VOLUMES:
        raise Refused(f"Unknown data shape specification ({words[0]})")
    box = parse_box(offset, size)
    if box.size < 0:
        raise Panic("runtime error: makeslice: len out of range")
    if box.size > MAX_REQUEST_BYTES:
        raise Panic("runtime error: makeslice: a mask of this size ends a real server")
    if box.size == 0 or min(box.shape) < 0:
        return octets(repeated(0, box.size), box.size)
    return octets((as_bytes(place.instance.mask(place.lineage, box)),), box.size)


def _query(request: Request, place: Place[Region], _: Sequence[str]) -> Answer:
    method = request.method.lower()
    if method == "get":
        raise Refused("ptquery requires POST with list of points")
    if method != "post":
        return Answer()
    blocks, sides = place.instance.blocks(place.lineage), place.instance.block_size
    points = arrays(gojson.decode(request.body.read()), "dvid.Point3d", 3)
    if points and 0 in sides:
        raise Panic("runtime error: integer divide by zero")
    inside = [tuple(a // side for a, side in zip(point, sides, strict=True)) in blocks for point in points]
    return document(gojson.encode(inside))


def _partition(request: Request, place: Place[Region], _: Sequence[str]) -> Answer:
    if request.method.lower() != "get":
        raise Refused("partition only supports GET request")
    try:
        size = parse_integer(request.query.get("batchsize", ""), function="Atoi", bits=64)
    except Refused as refused:
        raise Refused(f"Error reading batchsize query string: {refused}") from None
    optimized = request.query.get("optimized") in {"true", "on"}
    found = partition(place.instance, place.lineage, wrapped(size, 32), optimized=optimized)
    return document(json.dumps(found, indent=4))
