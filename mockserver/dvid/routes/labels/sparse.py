"""Sparse volumes of bodies: sparsevol, sparsevol-by-point, sparsevol-coarse, sparsevols-coarse."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from mockserver.dvid.model.labels.bounds import Bounds
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.labels.volumes import Body, cells_of
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes.labels.bodies import AS_VOLUME, index_of
from mockserver.dvid.routes.labels.points import BAD_SCALE, at
from mockserver.dvid.routes.labels.settings import label_in, parse_label, scale_of, wants_supervoxels
from mockserver.dvid.wire.geometry import parse_point
from mockserver.dvid.wire.gojson import quoted
from mockserver.dvid.wire.labels import sparse
from mockserver.dvid.wire.labels.compression import gzipped, lz4_block
from mockserver.dvid.wire.labels.frames import show
from mockserver.http.messages import OCTETS, Answer, Refused, Request, octets

NO_LABEL = "ERROR: DVID requires label ID to follow 'sparsevol' command"


def volume(request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send a body, or whether there is one."""
    if not words:
        raise Refused(NO_LABEL)
    scale = scale_of(request, BAD_SCALE)
    label = label_in(words, NO_LABEL, AS_VOLUME)
    bounds = _bounds(request)
    match request.method.lower():
        case "get":
            found = _volume(request, place, label, scale)
            return found or Answer(404, "" if place.instance.is_map else OCTETS)
        case "head":
            return _exists(request, place, label, bounds)
        case "post":
            raise Refused("POST of sparsevol not currently implemented\n")
    raise Refused(f"Unable to handle HTTP action {request.method} on sparsevol endpoint")


def by_point(request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send the body at a point."""
    if not words:
        raise Refused("ERROR: DVID requires coord to follow 'sparsevol-by-point' command")
    scale = scale_of(request, BAD_SCALE) if place.instance.is_map else 0
    point = parse_point(words[0])
    (label,) = at(request, place, [point], scale, rounded=False)
    if label == 0:
        raise Refused(f"Label 0 is protected background value and cannot be {AS_VOLUME}")
    return _volume(request, place, label, scale) or Answer(404, OCTETS)


def coarse(request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send the blocks of a body."""
    label = label_in(words, "DVID requires label ID to follow 'sparsevol-coarse' command", AS_VOLUME)
    supervoxel = wants_supervoxels(request) and place.instance.is_map
    blocks = _coarse_bounds(request, place)
    index = index_of(place, label, supervoxel=supervoxel)
    if index is not None and supervoxel:
        index = index.of_supervoxel(label)
    if not (index and index.blocks):
        return Answer(404)
    data = sparse.with_head(sparse.rows_of_blocks(cells_of(index, 0, blocks)))
    return octets((data,), len(data))


def coarse_range(request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send the blocks of a range of bodies."""
    if len(words) < 2:
        raise Refused("DVID requires start and end label ID to follow 'sparsevols-coarse' command")
    first, last = (parse_label(word) for word in words[:2])
    if 0 in {first, last}:
        raise Refused(f"Label 0 is protected background value and cannot be {AS_VOLUME}")
    blocks = _coarse_bounds(request, place)
    parts = []
    for label, index in sorted(place.instance.bodies.seen(place.lineage).items(), key=lambda item: item[0]):
        if first <= label <= last:
            runs = sparse.rows_of_blocks(cells_of(index, 0, blocks))
            parts.append(struct.pack("<Qi", label, len(runs) // sparse.RUN_BYTES) + runs)
    data = b"".join(parts)
    return octets((data,), len(data))


def _bounds(request: Request) -> Bounds:
    try:
        return Bounds.of_query(request.query)
    except Refused as refused:
        raise Refused(f"error parsing bounds from query string: {refused}") from None


def _coarse_bounds(request: Request, place: Place[Labels]) -> Bounds:
    try:
        return Bounds.of_query(request.query).in_blocks(place.instance.block_size)
    except Refused as refused:
        raise Refused(f"Error parsing bounds from query string: {refused}\n") from None


def _exists(request: Request, place: Place[Labels], label: int, bounds: Bounds) -> Answer:
    """Answer whether there is a body; DVID looks at the blocks outside the bounds."""
    index = index_of(place, label, supervoxel=wants_supervoxels(request))
    blocks = bounds.in_blocks(place.instance.block_size)
    found = index is not None and any(not (bounds.given and blocks.hold(cell)) for cell in index.blocks)
    return Answer(200 if found else 204, "text/html")


def _volume(request: Request, place: Place[Labels], label: int, scale: int) -> Answer | None:
    body = _body(request, place, label, scale)
    if body is None:
        return None
    match request.query.get("format"):
        case "blocks":
            return _blocks(request, body, label)
        case "srles":
            for _, block in body.stored():
                if block is None:
                    raise Refused("can't unmarshal block binary of length 0")
            data = body.runs()
            return octets((data,), len(data))
    return _runs(request, body)


def _body(request: Request, place: Place[Labels], label: int, scale: int) -> Body | None:
    labels, lineage, bounds = place.instance, place.lineage, _bounds(request)
    supervoxel = wants_supervoxels(request) and labels.is_map
    index = index_of(place, label, supervoxel=supervoxel)
    if index is not None and supervoxel:
        index = index.of_supervoxel(label)
    cells = cells_of(index, scale, bounds.in_blocks(labels.block_size)) if index else []
    if index is None or not cells:
        return None
    members = np.array(list(index.supervoxels), np.uint64)
    exact = request.query.get("exact") != "false"
    return Body(labels, lineage, members, scale, cells, bounds if exact else Bounds())


def _runs(request: Request, body: Body) -> Answer:
    runs = body.runs()
    if not runs:
        return octets((), 0)
    compression, data = request.query.get("compression", ""), sparse.with_head(runs)
    match compression:
        case "":
            return octets((data,), len(data))
        case "lz4":
            data = lz4_block(data)
        case "gzip":
            data = gzipped(data)
        case _:
            raise Refused(f"unknown compression type {quoted(compression)}")
    return octets((data,), len(data))


def _blocks(request: Request, body: Body, label: int) -> Answer:
    parts, problem = list[bytes](), ""
    for cell, block in body.stored():
        if block is None:
            problem = f"expected block {show(cell)} @ scale {body.scale} to have key-value, but found none"
            break
        if (mask := body.mask(block)).any():
            parts += [] if parts else [sparse.block_head(body.labels.block_size, label)]
            parts.append(sparse.block_of_bits(mask, body.start(cell)))
    if problem and not parts:
        raise Refused(problem)
    if problem:  # the answer has begun: the text follows the blocks
        parts.append(f"{problem} ({request.path}).\n".encode())
    data = b"".join(parts)
    return octets((data,), len(data))
