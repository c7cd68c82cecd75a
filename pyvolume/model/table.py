"""Tables for notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence


def html_table(rows: Mapping[str, str]) -> str:
    """Return names and texts as a table of HTML; a name without a text is left out.

    Examples
    --------
    >>> html_table({"unit": "<µm>", "note": ""})
    '<table><tr><th style="text-align:left">unit</th>...&lt;µm&gt;</td></tr></table>'
    """
    return _table([_cell("th", name) + _cell("td", text)] for name, text in rows.items() if text)


def html_listing(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return texts as a table of HTML, a line for each row below the headings."""
    return _table([[_cell("th", each) for each in headings], *([_cell("td", each) for each in row] for row in rows)])


def _table(lines: Iterable[Iterable[str]]) -> str:
    rows = "".join(f"<tr>{''.join(cells)}</tr>" for cells in lines)
    return f"<table>{rows}</table>"


def _cell(tag: str, text: str) -> str:
    return f'<{tag} style="text-align:left">{html.escape(text)}</{tag}>'
