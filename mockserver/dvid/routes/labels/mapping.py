"""Which body a supervoxel is in: mapping, mappings."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes.labels.bodies import BAD_JSON
from mockserver.dvid.routes.labels.settings import listed, read_list
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.wire.labels.mappings import decode_mappings
from mockserver.http.messages import TEXT, Answer, Refused, Request, octets


def mapping(request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
    """Send the bodies of supervoxels."""
    if request.method.lower() != "get":
        raise Refused("Batch mapping query must be a GET request")
    wanted = read_list(request, BAD_JSON)
    labels, lineage = place.instance, place.lineage
    looked_up = request.query.get("nolookup") != "true"

    def body_of(supervoxel: int) -> int:
        found = labels.mapping.get(lineage, supervoxel)
        if found is not None:
            return found
        index = labels.body(lineage, supervoxel)
        return supervoxel if not looked_up or (index and supervoxel in index.supervoxels) else 0

    return listed(map(body_of, wanted))


class MappingsApi:
    """Answers requests for all mappings.

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

    def answer(self, request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
        """Send all mappings, or add some."""
        self._throttle.enter(request)
        match request.method.lower():
            case "post":
                self._changes.make(
                    "map_labels",
                    uuid=place.version.uuid,
                    name=place.instance.base.name,
                    pairs=decode_mappings(request.body.read()),
                )
                return Answer()
            case "get":
                return _all(request, place)
        raise Refused("only POST action allowed for /mappings endpoint")


def _all(request: Request, place: Place[Labels]) -> Answer:
    pairs = sorted((old, new) for old, new in place.instance.mapping.seen(place.lineage).items() if old != new)
    if request.query.get("format") == "binary":
        data = b"".join(struct.pack("<2Q", *pair) for pair in pairs)
        return octets((data,), len(data), content_type="application/octet-stream" if data else "")
    data = "".join(f"{old} {new}\n" for old, new in pairs).encode()
    return octets((data,), len(data), TEXT if data else "")
