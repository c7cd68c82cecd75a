"""Edits of bodies: merge, cleave, split-supervoxel, renumber."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from mockserver.dvid.model.changes import Changes
from mockserver.dvid.model.labels.instance import Labels
from mockserver.dvid.model.place import Place
from mockserver.dvid.routes.labels.settings import label_in, parse_label
from mockserver.dvid.wire import gojson
from mockserver.dvid.wire.bodies import unsigned
from mockserver.http.messages import Answer, Panic, Refused, Request, document


class EditsApi:
    """Answers requests that edit bodies.

    Parameters
    ----------
    changes : Changes
        The operations that change instances.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def merge(self, request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
        """Merge bodies into the first one of a list."""
        _only_post(request, "Merge")
        into, labels = _merged(request)
        try:
            mutation = self._changes.make("merge_labels", **_who(request, place), into=into, labels=labels)
        except Refused as refused:
            raise Refused(f"Error on merge: {refused}") from None
        return document(f'{{"MutationID": {mutation}}}')

    def cleave(self, request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
        """Move supervoxels of a body into a new one."""
        _only_post(request, "Cleave")
        missing = "ERROR: DVID requires label ID to follow 'cleave' command"
        label = label_in(words, missing, "used as cleave target\n")
        data = request.body.read()
        new, mutation = self._changes.make_with("cleave_labels", data, **_who(request, place), label=label)
        return document(f'{{"CleavedLabel": {new}, "MutationID": {mutation}}}')

    def split(self, request: Request, place: Place[Labels], words: Sequence[str]) -> Answer:
        """Replace a supervoxel by two new ones."""
        _only_post(request, "Split")
        missing = "ERROR: DVID requires label ID to follow 'split' command"
        if not words:
            raise Refused(missing)
        numbers = {key: _wanted(request, key) for key in ("split", "remain")}
        supervoxel = label_in(words, missing, "used as split target\n")
        split, remain, mutation = self._changes.make_with(
            "split_supervoxel",
            request.body.read(),
            **_who(request, place),
            **numbers,
            supervoxel=supervoxel,
            downres=request.query.get("downres") != "false",
        )
        return document(f'{{"SplitSupervoxel": {split}, "RemainSupervoxel": {remain}, "MutationID": {mutation}}}')

    def renumber(self, request: Request, place: Place[Labels], _: Sequence[str]) -> Answer:
        """Give bodies other labels: the new one, the old one, and so on."""
        _only_post(request, "Renumber")
        numbers = _numbers(request, "Bad renumber op JSON, must be list of numbers")
        if len(numbers) % 2:
            raise Refused("Bad renumber op JSON, must be even list of numbers [new1, old1, new2, old2, ...]")
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        try:
            self._changes.make("renumber_labels", **_who(request, place), pairs=pairs)
        except Refused as refused:
            raise Refused(f"Error on merge: {refused}") from None
        return Answer()


def _merged(request: Request) -> tuple[int, list[int]]:
    data = request.body.read()
    value = _decoded(data, "Bad merge op JSON")
    labels = _unsigned(value, "Bad merge op JSON", "labels.MergeTuple")
    if value is not None and not labels:
        raise Panic("runtime error: index out of range [0] with length 0")
    shown = f"[{' '.join(map(str, labels))}]"
    if len(labels) < 2:
        raise Refused(f"invalid merge tuple {shown}, need at least target and to-merge labels")
    if 0 in labels[1:]:
        raise Refused(f"invalid merge tuple {shown} -- cannot contain background label 0")
    return labels[0], labels[1:]


def _numbers(request: Request, problem: str) -> list[int]:
    return _unsigned(_decoded(request.body.read(), problem), problem)


def _decoded(data: bytes, problem: str) -> Any:
    try:
        return gojson.decode(data)
    except Refused as refused:
        raise Refused(f"{problem}: {refused}") from None


def _unsigned(value: Any, problem: str, go_type: str = "[]uint64") -> list[int]:
    try:
        return unsigned(value, go_type)
    except Refused as refused:
        raise Refused(f"{problem}: {refused}") from None


def _wanted(request: Request, key: str) -> int:
    text = request.query.get(key, "")
    try:
        return parse_label(text) if text else 0
    except Refused:
        raise Refused(f"bad {key} query string provided: {text}") from None


def _only_post(request: Request, what: str) -> None:
    if request.method.lower() != "post":
        raise Refused(f"{what} requests must be POST actions.")


def _who(request: Request, place: Place[Labels]) -> dict[str, str]:
    """Return where an edit is made, by whom and when."""
    return {
        "uuid": place.version.uuid,
        "name": place.instance.base.name,
        "user": request.query.get("u", ""),
        "app": request.query.get("app", ""),
        "now": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
