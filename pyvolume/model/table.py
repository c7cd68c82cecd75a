"""Tables for notebooks."""

from __future__ import annotations

import html
from collections.abc import Mapping


def html_table(rows: Mapping[str, str]) -> str:
    """Return names and texts as a table of HTML; a name without a text is left out.

    Examples
    --------
    >>> html_table({"unit": "<µm>", "note": ""})
    '<table><tr><th style="text-align:left">unit</th>...&lt;µm&gt;</td></tr></table>'
    """
    cells = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for name, text in rows.items()
        if text
    )
    return f"<table>{cells}</table>"
