"""Tables for notebooks: the facts about a volume, and lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyvolume.model.table import html_listing, html_table
from pyvolume.model.units import readable


def table_of(facts: Mapping[str, Any]) -> str:
    """Return the facts about a volume, as from `Volume.describe`, as a table of HTML."""
    return html_table(rows_of(facts))


def listing(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return values of JSON, a row for each list of them, as a table of HTML."""
    return html_listing(headings, (list(map(text_of, row)) for row in rows))


def rows_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts as text for people."""
    rows = {name: text_of(value) for name, value in facts.items()}
    sizes = zip(facts["resolution"], facts["units"], strict=True)
    changed = {
        "start": rows["start"] if any(facts["start"]) else "",
        "stop": " × ".join(map(str, facts["stop"])),
        "bytes": readable(facts["bytes"]),
        "chunks": " × ".join(map(str, facts["chunks"])),
        "resolution": ", ".join(f"{size:g} {unit}".rstrip() for size, unit in sizes),
        "units": "",
    }
    return rows | changed


def text_of(value: object) -> str:
    """Return a value of JSON as text: a list without brackets."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
