"""What servers say goes to a terminal as text, and never as its commands."""

from __future__ import annotations

import re


def visible(text: str) -> str:
    r"""Return a text on one line, its control characters written out.

    Examples
    --------
    >>> print(visible("a note\nwith \x1b[31mred"))
    a note\nwith \x1b[31mred
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), text)
