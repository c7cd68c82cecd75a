"""Requests to instances of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from mockserver.dvid.model import documents
from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes import settings, tags
from mockserver.dvid.routes.labels import bodies, points, sparse
from mockserver.dvid.routes.labels.blocks import BlocksApi
from mockserver.dvid.routes.labels.edits import EditsApi
from mockserver.dvid.routes.labels.mapping import MappingsApi, mapping
from mockserver.dvid.routes.labels.numbers import NumbersApi
from mockserver.dvid.routes.labels.raw import RawApi
from mockserver.dvid.throttle import Throttle
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.answers import bad_call
from mockserver.http.messages import Answer, Declined, Refused, Request, document

Handler = Callable[[Request, Place[Labels], Sequence[str]], Answer]

OLD = frozenset({"help", "metadata", "resolution", "info", "label", "labels", "blocks", "raw", "isotropic"})
"""What a labelblk has."""

ARRAY = OLD | {
    "specificblocks", "sparsevol-size", "sparsevol", "sparsevol-by-point", "sparsevol-coarse", "sparsevols-coarse",
    "maxlabel", "nextlabel",
}  # fmt: skip
"""What a labelarray has."""

NEED_INDEX = frozenset({
    "sparsevol", "sparsevol-by-point", "sparsevol-coarse", "maxlabel", "nextlabel", "split-supervoxel", "cleave",
    "merge", "fvdb",
})  # fmt: skip
"""What instances without an index of bodies refuse."""

NOT_MADE: Mapping[str, AbstractSet[str]] = {
    "labelblk": {"pseudocolor", "sync"},
    "labelarray": {"merge", "pseudocolor", "split", "split-coarse", "sync"},
    "labelmap": {
        "fvdb", "history", "index", "index-version", "indices-compressed", "map-stats", "mutations",
        "mutations-range", "proximity", "pseudocolor", "split", "supervoxel-splits", "sync",
    },
}  # fmt: skip
"""What the real types have and this server has not."""


class LabelsApi:
    """Answers requests to instances of labels.

    Parameters
    ----------
    changes : Changes
        The operations that change instances.
    throttle : Throttle
        The slots for throttled requests.
    unset_block_fails : bool
        True if a request for exactly one block that is not stored fails, as on DVID.
    """

    def __init__(self, changes: Changes, throttle: Throttle, *, unset_block_fails: bool = True) -> None:
        raw = RawApi(changes, throttle, unset_block_fails=unset_block_fails)
        blocks = BlocksApi(changes, throttle)
        edits, numbers = EditsApi(changes), NumbersApi(changes)
        self._handlers: Mapping[str, Handler] = {
            "help": lambda _, place, __: document(f"{place.instance.kind.type.name}, as a mock\n", "text/plain"),
            "metadata": settings.metadata,
            "extents": lambda request, place, _: settings.set_extents(request, place, changes),
            "resolution": lambda request, place, _: settings.set_resolution(request, place, changes),
            "info": _info,
            "tags": lambda request, place, _: tags.answer(request, place, changes),
            "raw": raw.answer,
            "isotropic": raw.answer,
            "blocks": blocks.blocks,
            "specificblocks": blocks.specific,
            "ingest-supervoxels": blocks.ingest,
            "label": points.label,
            "labels": points.labels,
            "mapping": mapping,
            "mappings": MappingsApi(changes, throttle).answer,
            "size": bodies.size,
            "sizes": bodies.sizes,
            "supervoxels": bodies.supervoxels,
            "supervoxel-sizes": bodies.supervoxel_sizes,
            "lastmod": bodies.last_change,
            "indices": bodies.indices,
            "existing-labels": bodies.existing,
            "listlabels": bodies.list_labels,
            "sparsevol-size": bodies.sparse_size,
            "sparsevol": sparse.volume,
            "sparsevol-by-point": sparse.by_point,
            "sparsevol-coarse": sparse.coarse,
            "sparsevols-coarse": sparse.coarse_range,
            "maxlabel": numbers.largest,
            "nextlabel": numbers.next,
            "set-nextlabel": numbers.set_next,
            "merge": edits.merge,
            "cleave": edits.cleave,
            "split-supervoxel": edits.split,
            "renumber": edits.renumber,
        }

    @property
    def keywords(self) -> frozenset[str]:
        """The words that follow the name of an instance."""
        return frozenset(self._handlers)

    def answer(self, request: Request, place: Place[Labels], keyword: str, words: Sequence[str]) -> Answer:
        """Return the answer to a request."""
        labels = place.instance
        if not labels.has_scales and request.method.lower() not in {"get", "post", "delete"}:
            raise Refused("labelblk only handles GET, POST, and DELETE HTTP verbs")
        if keyword in NEED_INDEX and not labels.indexed:
            words = f'data "{labels.base.name}" is not label indexed (IndexedLabels=false)'
            raise Refused(f'{words}: "{keyword}" endpoint is not supported')
        if keyword in NOT_MADE[labels.kind.type.name]:
            raise Declined(501, f"this mock server has no {keyword}")
        known = self.keywords if labels.is_map else ARRAY if labels.has_scales else OLD
        if keyword not in known:
            return bad_call(request, labels.base.name, labels.kind.type.name)
        return self._handlers[keyword](request, place, words)


def _info(request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
    if request.method.lower() == "post" and place.instance.is_map:
        raise Declined(501, "this mock server does not change the settings of a labelmap")
    return document(gojson.encode(documents.describe_instance(place.instance, place.lineage)))
