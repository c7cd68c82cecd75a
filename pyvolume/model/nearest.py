"""Nearest: which known name a misspelt one may mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 12
"""A message lists at most this many names."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are most like a name, the best first; upper and lower case count the same.

    Examples
    --------
    >>> nearest("grey", ["labels", "Gray"])
    ['Gray']
    """
    spelt: dict[str, list[str]] = {}
    for each in dict.fromkeys(known):
        spelt.setdefault(each.casefold(), []).append(each)
    return [each for near in difflib.get_close_matches(name.casefold(), spelt) for each in spelt[near]]


def hint(name: str, known: Iterable[str]) -> str:
    """Return what an error says about a name that is unknown: the nearest known one, or else all of them.

    Examples
    --------
    >>> hint("grey", ["labels", "gray"])
    "did you mean 'gray'?"
    >>> hint("voxels", ["labels", "gray"])
    'there are labels, gray'
    """
    names = list(dict.fromkeys(known))
    near = nearest(name, names)
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"there are {', '.join(names[:LISTED])}{more}" if names else "there are none"
