"""Blocks of labels: blocks, specificblocks, ingest-supervoxels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes.labels.settings import scale_of, view_of
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.wire.geometry import Point, parse_box, parse_integer, show, wrapped
from mockserver.dvid.wire.labels import native
from mockserver.dvid.wire.labels.compression import gzipped, lz4_block
from mockserver.dvid.wire.labels.frames import frame
from mockserver.dvid.wire.octets import as_bytes
from mockserver.http.messages import Answer, Declined, Refused, Request, octets

Packer = Callable[[NDArray[np.uint64]], bytes]

_PACKERS: Mapping[str, Packer] = {
    "lz4": lambda block: lz4_block(as_bytes(block)),
    "gzip": lambda block: gzipped(as_bytes(block)),
    "blocks": lambda block: gzipped(native.encode(block[0])),
    "uncompressed": lambda block: bytes(as_bytes(block)),
}


class BlocksApi:
    """Answers requests for blocks.

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

    def blocks(self, request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
        """Send the blocks of a box, or store blocks."""
        labels = place.instance
        self._throttle.enter(request)
        scale = scale_of(request, "bad scale specified: ") if labels.has_scales else 0
        if request.method.lower() != "get" and labels.has_scales:
            return self._store(request, place, scale)
        if len(words) < 2:
            raise Refused("must specify size and offset with GET /blocks endpoint")
        box = parse_box(words[1], words[0])
        if not box.aligned_to(labels.block_size):
            word = "blocks" if labels.is_map else "block"
            corners = f"{show(box.start)} -> {show(box.last)}"
            raise Refused(f"cannot use labels via '{word}' endpoint in non-block aligned geometry {corners}")
        if request.method.lower() != "get":
            raise Refused(f"DVID does not accept the {request.method.lower()} action on the 'blocks' endpoint")
        pack = _packer(request, "lz4") if labels.has_scales else _old_packer(request)
        cells = labels.level(scale).stored_cells(place.lineage, box)
        return octets(_frames(request, place, scale, cells, pack), None)

    def specific(self, request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
        """Send the blocks of a list."""
        labels = place.instance
        scale = scale_of(request)
        if request.method.lower() != "get":
            raise Refused(f"DVID does not accept the {request.method.lower()} action on the 'specificblocks' endpoint")
        pack = _packer(request, "blocks") if labels.is_map else _PACKERS["blocks"]
        listed = request.query.get("blocks", "")
        words = listed.split(",") if listed else []
        if len(words) % 3:
            raise Refused("block query string should be three coordinates per block")
        values = [wrapped(parse_integer(word, function="Atoi", bits=64), 32) for word in words]
        cells = list(zip(values[::3], values[1::3], values[2::3], strict=True))
        return octets(_frames(request, place, scale, cells, pack), None)

    def ingest(self, request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
        """Store blocks and nothing else."""
        scale = scale_of(request, "bad scale specified: ")
        _check_stored_form(place.instance)
        self._changes.make_with(
            "ingest_blocks",
            request.body.read(),
            uuid=place.version.uuid,
            name=place.instance.base.name,
            scale=scale,
        )
        return Answer()

    def _store(self, request: Request, place: Place[Labels], scale: int) -> Answer:
        downres = request.query.get("downres") == "true"
        if downres and scale:
            raise Refused("cannot downscale blocks of scale > 0")
        if request.query.get("compression", "") not in {"", "blocks"}:
            raise Refused('compression must be "blocks" (default) at this time')
        if not place.instance.base.compression.startswith("gzip"):
            place.repository.count_mutation()  # also of a refused request
        _check_stored_form(place.instance)
        self._changes.make_with(
            "write_blocks",
            request.body.read(),
            uuid=place.version.uuid,
            name=place.instance.base.name,
            scale=scale,
            downres=downres,
            index=request.query.get("noindexing") != "true",
        )
        return Answer()


def _check_stored_form(labels: Labels) -> None:
    stored_as = labels.base.compression.partition(",")[0]
    if not stored_as.startswith("gzip"):
        name = f'{labels.kind.type.name} "{labels.base.name}"'
        raise Refused(f"{name} cannot accept GZIP /blocks POST since it internally uses {stored_as}")


def _packer(request: Request, default: str) -> Packer:
    asked = request.query.get("compression", "") or default
    if asked not in _PACKERS:
        raise Refused('compression must be "lz4" (default), "gzip", "blocks" or "uncompressed"')
    return _PACKERS[asked]


def _old_packer(request: Request) -> Packer:
    asked = request.query.get("compression", "") or "lz4"
    if asked not in {"lz4", "uncompressed"}:
        raise Refused(f"don't understand 'compression' query string value: {asked}")
    return _PACKERS[asked]


def _frames(
    request: Request, place: Place[Labels], scale: int, cells: Iterable[Point], pack: Packer
) -> Iterator[bytes]:
    labels, lineage = place.instance, place.lineage
    view = view_of(request, place)
    level = labels.level(scale)
    for cell in cells:
        block = level.block(lineage, cell)
        if block is not None:
            if labels.has_scales and labels.base.compression.startswith("LZ4"):
                raise Declined(501, "a real server sends damaged blocks of labels that it stores as LZ4")
            yield frame(cell, pack(view(block)))
