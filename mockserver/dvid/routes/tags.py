"""Requests for the tags of an instance."""

from __future__ import annotations

from typing import Any

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.place import Place
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import read_map
from mockserver.http.messages import Answer, Refused, Request, document


def answer(request: Request, place: Place[Any], changes: Changes) -> Answer:
    """Return the tags, or add to them; all versions share them."""
    base = place.instance.base
    if request.method.lower() != "post":
        return document(gojson.encode({"Tags": base.tags}))
    try:
        given = read_map(request, str, "string")
    except Refused as refused:
        problem = str(refused).removeprefix("Malformed JSON request in body: ")
        raise Refused(f"Malformed JSON request in tags setter: {problem}") from None
    before = {} if request.query.get("replace") == "true" else base.tags or {}
    changes.make("set_tags", uuid=place.version.uuid, name=base.name, tags=before | given)
    return Answer()
