"""What is known of bodies: their sizes, their supervoxels, their last change."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from mockserver.dvid.model.labels.index import Index
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes.labels.settings import label_in, listed, parse_label, read_list, wants_supervoxels
from mockserver.dvid.wire.gojson import quoted
from mockserver.dvid.wire.labels.indices import encode_indices
from mockserver.http.messages import Answer, Declined, Refused, Request, document, octets

AS_BODY = "queried as body.\n"
AS_VOLUME = "used as sparse volume.\n"
BAD_JSON = "Bad mapping request JSON"
MOST_LISTED = 10_000_000


def index_of(place: Place[Labels], label: int, *, supervoxel: bool) -> Index | None:
    """Return the index of a body, or of the body of a supervoxel; None if there is none.

    Raises
    ------
    Refused
        If the supervoxel was split.
    """
    if supervoxel:
        label, wanted = place.instance.mapped(place.lineage, label), label
        if label == 0:
            words = f"cannot get label for supervoxel {wanted}"
            raise Refused(f"{words}, which has been split and doesn't exist anymore")
    return place.instance.body(place.lineage, label)


def size(request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send the size of a body or a supervoxel."""
    label = label_in(words, "DVID requires label to follow 'size' command", AS_BODY)
    supervoxel = wants_supervoxels(request)
    try:
        index = index_of(place, label, supervoxel=supervoxel)
    except Refused as refused:
        raise Refused(f"unable to get label {label} size: {refused}") from None
    voxels = 0 if index is None else index.supervoxels.get(label, 0) if supervoxel else index.size
    return document(f'{{"voxels": {voxels}}}') if voxels else Answer(404)


def sizes(request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
    """Send the sizes of bodies or supervoxels."""
    if request.method.lower() != "get":
        raise Refused("Batch sizes query must be a GET request")
    labels, lineage = place.instance, place.lineage
    wanted = read_list(request, BAD_JSON)
    if not wants_supervoxels(request):
        found = (labels.body(lineage, label) for label in wanted)
        return listed(index.size if index else 0 for index in found)
    bodies = {label: labels.body(lineage, label) for label in {labels.mapped(lineage, each) for each in wanted}}
    counts = {label: index.supervoxels if index else {} for label, index in bodies.items()}
    return listed(counts[labels.mapped(lineage, each)].get(each, 0) for each in wanted)


def supervoxels(_: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send the supervoxels of a body."""
    label = label_in(words, "DVID requires label to follow 'supervoxels' command", AS_BODY)
    index = index_of(place, label, supervoxel=False)
    return listed(index.supervoxels) if index and index.blocks else Answer(404)


def supervoxel_sizes(_: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send the supervoxels of a body, and their sizes."""
    label = label_in(words, "DVID requires label to follow 'supervoxels' command", AS_BODY)
    index = index_of(place, label, supervoxel=False)
    if not (index and index.blocks):
        return Answer(404)
    names, counts = (",".join(map(str, part)) for part in (index.supervoxels, index.supervoxels.values()))
    return document(f'{{\n  "supervoxels": [{names}],\n  "sizes": [{counts}]\n}}')


def last_change(_: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send who changed a body last."""
    label = label_in(words, "DVID requires label to follow 'lastmod' command", AS_BODY)
    index = index_of(place, label, supervoxel=False)
    if not (index and index.blocks):
        return Answer(404)
    changed = index.changed
    names = zip(("user", "app", "time"), (changed.user, changed.app, changed.time), strict=True)
    texts = ", ".join(f'"last mod {name}": {quoted(value)}' for name, value in names)
    return document(f'{{"mutation id": {changed.mutation}, {texts} }}')


def indices(request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
    """Send the indices of bodies, also of those that are not there."""
    if request.method.lower() != "get":
        raise Declined(501, "this mock server takes no indices")
    labels = read_list(request, "error getting protobuf label indices: expected JSON label list")
    found = ((label, place.instance.body(place.lineage, label)) for label in labels)
    data = encode_indices((label, index.blocks if index else {}) for label, index in found)
    return octets((data,), len(data))


def sparse_size(request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
    """Send size and box of a body."""
    label = label_in(words, "ERROR: DVID requires label ID to follow 'sparsevol-size' command", AS_VOLUME)
    if request.method.lower() != "get":
        raise Refused(f"DVID does not support {request.method} on /sparsevol-size endpoint")
    supervoxel = wants_supervoxels(request) and place.instance.is_map
    index = index_of(place, label, supervoxel=supervoxel)
    if index is not None and supervoxel:
        index = index.of_supervoxel(label)
    if not (index and index.blocks):
        if place.instance.is_map:
            return Answer(404)
        index = Index({(0, 0, 0): {}})  # a labelarray sends the box of the first block
    blocks = sum(1 for counts in index.blocks.values() if counts)
    sides = place.instance.block_size
    low = [min(axis) * side for axis, side in zip(zip(*index.blocks, strict=True), sides, strict=True)]
    high = [(max(axis) + 1) * side - 1 for axis, side in zip(zip(*index.blocks, strict=True), sides, strict=True)]
    box = f'"numblocks": {blocks}, "minvoxel": {low}, "maxvoxel": {high}'
    if not place.instance.is_map:
        text = f"{{{box}}}".encode()
        return octets((text,), len(text))
    return document(f'{{"voxels": {index.size}, {box}}}')


def existing(request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
    """Send the labels of all bodies."""
    if request.method.lower() != "get":
        raise Refused("only GET action allowed for /existing-labels endpoint")
    return listed(sorted(place.instance.bodies.seen(place.lineage)))


def list_labels(request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
    """Send a range of labels as numbers of 64 bits, and their sizes if they are wanted."""
    start, number = (_number(request, key, default) for key, default in (("start", 0), ("number", MOST_LISTED)))
    if request.method.lower() != "get":
        raise Refused("only GET actions allowed for /listlabels endpoint")
    found = sorted(
        (label, index) for label, index in place.instance.bodies.seen(place.lineage).items() if label >= start
    )
    return _words(found[: min(number, MOST_LISTED)], sized=request.query.get("sizes") == "true")


def _words(found: Iterable[tuple[int, Index]], *, sized: bool) -> Answer:
    data = b"".join(
        struct.pack("<2Q", label, index.size) if sized else struct.pack("<Q", label) for label, index in found
    )
    return octets((data,), len(data))


def _number(request: Request, key: str, default: int) -> int:
    text = request.query.get(key, "")
    return parse_label(text) if text else default
