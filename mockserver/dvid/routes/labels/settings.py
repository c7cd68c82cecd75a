"""What the requests to labels have in common: scales, label numbers, lists of numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from mockserver.dvid.model.labels.instance import Labels, View, as_stored
from mockserver.dvid.model.place import Place
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import unsigned
from mockserver.dvid.wire.geometry import parse_integer
from mockserver.http.messages import Answer, Refused, Request, document

MOST_DIGITS = 20
"""Digits of the largest uint64."""


def scale_of(request: Request, prefix: str = "") -> int:
    """Return the scale that a request names, as the byte that DVID makes of it."""
    text = request.query.get("scale", "")
    if not text:
        return 0
    try:
        return parse_integer(text, function="Atoi", bits=64) % 256
    except Refused as refused:
        raise Refused(f"{prefix}{refused}") from None


def wants_supervoxels(request: Request) -> bool:
    """Return whether a request is about supervoxels."""
    return request.query.get("supervoxels") == "true"


def view_of(request: Request, place: Place[Labels]) -> View:
    """Return how a request sees supervoxels: as they are, or as the bodies that they are in."""
    if wants_supervoxels(request) or not place.instance.is_map:
        return as_stored
    return place.instance.view(place.lineage)


def parse_label(text: str) -> int:
    """Parse an unsigned number of 64 bits, with Go's error texts."""
    if not re.fullmatch("[0-9]+", text):
        raise Refused(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    digits = text.lstrip("0")
    value = int(digits or "0") if len(digits) <= MOST_DIGITS else 2**64
    if value >= 2**64:
        raise Refused(f'strconv.ParseUint: parsing "{text}": value out of range')
    return value


def label_in(words: Sequence[str], missing: str, zero: str) -> int:
    """Return the label that a path names; the texts are for a path without one, and for the background."""
    if not words:
        raise Refused(missing)
    label = parse_label(words[0])
    if label == 0:
        raise Refused(f"Label 0 is protected background value and cannot be {zero}")
    return label


def read_list(request: Request, problem: str) -> list[int]:
    """Return the labels of a body, after its hash is checked; `problem` begins the error texts."""
    data = hashed(request)
    try:
        return unsigned(gojson.decode(data))
    except Refused as refused:
        raise Refused(f"{problem}: {refused}") from None


def hashed(request: Request) -> bytes:
    """Return the body of a request, after its hash is checked."""
    data = request.body.read()
    wanted = request.query.get("hash", "")
    if wanted and wanted != (found := hashlib.md5(data, usedforsecurity=False).hexdigest()):
        raise Refused(f"content hash incorrect.  expected {wanted}, got {found}")
    return data


def listed(numbers: Iterable[int]) -> Answer:
    """Answer with a JSON list."""
    return document(f"[{','.join(map(str, numbers))}]")
