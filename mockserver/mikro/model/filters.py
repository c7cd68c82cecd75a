"""Which rows a list shows: filters, order and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mockserver.mikro.model.rows import Dataset, Failed, Image, Who

PAGE = 100
"""Rows of a page that does not say its limit."""

LOOKUPS: Mapping[str, Callable[[str, Any], bool]] = {
    "exact": lambda text, given: text == given,
    "iExact": lambda text, given: text.lower() == given.lower(),
    "contains": lambda text, given: given in text,
    "iContains": lambda text, given: given.lower() in text.lower(),
    "startsWith": lambda text, given: text.startswith(given),
    "iStartsWith": lambda text, given: text.lower().startswith(given.lower()),
    "endsWith": lambda text, given: text.endswith(given),
    "iEndsWith": lambda text, given: text.lower().endswith(given.lower()),
    "regex": lambda text, given: re.search(given, text) is not None,
    "iRegex": lambda text, given: re.search(given, text, re.IGNORECASE) is not None,
    "inList": lambda text, given: text in given,
    "isNull": lambda _text, given: not given,
}


def matching_images(rows: Sequence[Image], given: Mapping[str, Any] | None, who: Who) -> list[Image]:
    """Return the images that a filter leaves."""
    return [each for each in rows if _is_image(each, given or {}, who)]


def matching_datasets(rows: Sequence[Dataset], given: Mapping[str, Any] | None) -> list[Dataset]:
    """Return the datasets that a filter leaves."""
    return [each for each in rows if _is_dataset(each, given or {})]


def paged(rows: list[Any], ordering: Sequence[Mapping[str, str]], pagination: Mapping[str, Any] | None) -> list[Any]:
    """Return a page of rows."""
    for each in reversed(ordering):
        if len(each) != 1:
            raise Failed("Exactly one key must be specified for ordering")
        ((name, way),) = each.items()
        attribute = {"createdAt": "created"}.get(name, name)
        rows = sorted(rows, key=lambda row: getattr(row, attribute), reverse=way.startswith("DESC"))
    if not ordering:
        rows = rows[1:] + rows[:1] if len(rows) > PAGE else rows  # without an order it is free
    if pagination is None:
        return rows
    offset, limit = pagination.get("offset", 0), pagination.get("limit")
    if offset < 0:
        raise Failed("Negative indexing is not supported.")
    limit = PAGE if limit is None else len(rows) if limit < 0 else limit
    return rows[offset : offset + limit]


def _is_image(image: Image, given: Mapping[str, Any], who: Who) -> bool:
    checks: Mapping[str, Callable[[Any], bool]] = {
        "ids": lambda value: str(image.id) in value,
        "id": lambda value: str(image.id) == value,
        "name": lambda value: _is_text(image.name, value),
        "search": lambda value: _has_words(image.name, value),
        "tags": lambda value: any(tag in image.tags for tag in value),
        "owner": lambda value: image.creator == value,
        "createdBefore": lambda value: image.created < datetime.fromisoformat(value),
        "createdAfter": lambda value: image.created > datetime.fromisoformat(value),
        "dataset": lambda value: image.dataset is not None and _is_dataset(image.dataset, value),
        "datasets": lambda value: image.dataset is not None and str(image.dataset.id) in value,
        "notDerived": lambda value: not value or all(view.kind != "DerivedView" for view in image.views),
        "scope": lambda value: _is_in_scope(image, value, who),
    }
    return _combined(given, checks, lambda other: _is_image(image, other, who))


def _is_dataset(dataset: Dataset, given: Mapping[str, Any]) -> bool:
    checks: Mapping[str, Callable[[Any], bool]] = {
        "ids": lambda value: str(dataset.id) in value,
        "id": lambda value: str(dataset.id) == value,
        "name": lambda value: _is_text(dataset.name, value),
        "search": lambda value: _has_words(dataset.name, value),
        "owner": lambda value: dataset.creator == value,
    }
    return _combined(given, checks, lambda other: _is_dataset(dataset, other))


def _combined(
    given: Mapping[str, Any], checks: Mapping[str, Callable[[Any], bool]], again: Callable[[Mapping[str, Any]], bool]
) -> bool:
    found = all(checks[name](value) for name, value in given.items() if name in checks and value is not None)
    if given.get("AND"):
        found = found and again(given["AND"])
    if given.get("NOT"):
        found = found and not again(given["NOT"])
    return found or again(given["OR"]) if given.get("OR") else found


def _is_text(text: str, lookup: Mapping[str, Any]) -> bool:
    return all(LOOKUPS[name](text, value) for name, value in lookup.items() if value is not None)


def _is_in_scope(image: Image, scope: str, who: Who) -> bool:
    if scope in {"PUBLIC", "SHARED"}:
        raise Failed(f"Scope {scope} is not supported")
    return scope == "ORG" or image.creator == who.sub


def _has_words(name: str, wanted: str) -> bool:
    words = {_stem(word) for word in re.findall(r"\w+", name.lower())}
    return all(_stem(word) in words for word in re.findall(r"\w+", wanted.lower()))


def _stem(word: str) -> str:
    """Return a word without the endings of English, as far as a mock needs it."""
    return re.sub(r"(?<=\w{3})(ing|ed|es|s|e)$", "", word)
