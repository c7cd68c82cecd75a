"""The largest label and the next new ones: maxlabel, nextlabel, set-nextlabel."""

from __future__ import annotations

from collections.abc import Sequence

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes.labels.settings import parse_label
from mockserver.dvid.wire.gojson import quoted
from mockserver.http.messages import Answer, Refused, Request, document

LARGEST_POSTED = 2**48


class NumbersApi:
    """Answers requests about label numbers.

    Parameters
    ----------
    changes : Changes
        The operations that change instances.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def largest(self, request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
        """Send the largest label of a version, or raise it."""
        match request.method.lower():
            case "get":
                return _largest(place)
            case "post" if place.instance.is_map:
                self._raise(request, place, words)
                return Answer()
        raise _unknown(request, requested=True)

    def next(self, request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
        """Send the next new label, or give new labels out."""
        numbers = place.instance.numbers
        match request.method.lower():
            case "get":
                return document(f'{{"nextlabel": {(numbers.next or numbers.largest_of_all) + 1}}}')
            case "post" if place.instance.is_map:
                if not words:
                    raise Refused("DVID requires number of requested labels to follow POST /nextlabel")
                first, last = self._make("new_labels", place, count=parse_label(words[0]))
                return document(f'{{"start": {first}, "end": {last}}}')
            case "post":
                raise Refused("POST on maxlabel is not supported yet.\n")
        raise _unknown(request, requested=True)

    def set_next(self, request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
        """Set the label that new ones follow."""
        if request.method.lower() != "post":
            raise _unknown(request, requested=False)
        _check_admin(request, "set-nextlabel")
        if not words:
            raise Refused("DVID requires a label ID to follow POST /set-nextlabel")
        label, text = parse_label(words[0]), request.query.get("ceiling", "")
        try:
            ceiling = parse_label(text) if text else None
        except Refused as refused:
            raise Refused(f"bad ceiling {quoted(text)} for POST /set-nextlabel: {refused}") from None
        self._make("set_next_label", place, label=label, ceiling=ceiling)
        return Answer()

    def _raise(self, request: Request, place: Place[Labels], words: Sequence[str]) -> None:
        _check_admin(request, "maxlabel")
        if not words:
            raise Refused("DVID requires max label ID to follow POST /maxlabel")
        label = parse_label(words[0])
        if label == 0:
            raise Refused("Label 0 is protected background value and cannot be used as max label.\n")
        if label > LARGEST_POSTED:
            raise Refused(f"Posted max label {label} exceeds allowed cap {LARGEST_POSTED}")
        self._make("note_label", place, label=label)

    def _make(self, operation: str, place: Place[Labels], **arguments: int | None) -> tuple[int, int]:
        found: tuple[int, int] = self._changes.make(
            operation, uuid=place.version.uuid, name=place.instance.base.name, **arguments
        )
        return found


def _largest(place: Place[Labels]) -> Answer:
    numbers, version = place.instance.numbers, place.version.number
    largest = numbers.largest_in(place.lineage) if place.instance.is_map else numbers.largest.get(version)
    if largest is None:
        raise Refused(f"No maximum label found for {place.instance.base.name} version {version}\n")
    return document(f'{{"maxlabel": {largest}}}')


def _check_admin(request: Request, endpoint: str) -> None:
    if not request.admin:
        raise Refused(f"POST /{endpoint} requires admin privileges (admintoken or DSG admin)")


def _unknown(request: Request, *, requested: bool) -> Refused:
    target = request.target.raw_path + (f"?{request.target.raw_query}" if request.target.raw_query else "")
    return Refused(f'Unknown action "{request.method}" requested{":" if requested else " for"} {target}\n')
