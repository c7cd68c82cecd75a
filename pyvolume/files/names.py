"""Axes as other programs name them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyvolume.errors import MetadataError, UnsupportedError

WORDS = {"channel": "c", "channels": "c", "time": "t"}
"""The letter of each word that is understood, in whatever case; a single letter means itself."""

NAMES = ("_ARRAY_DIMENSIONS", "axistags")
"""The attributes with which xarray and vigra name axes."""

DEFAULTS = {0: "", 1: "x", 2: "xy", 3: "xyz", 4: "cxyz", 5: "cxyzt"}
"""The axes of an array that says nothing of them, by their number."""


def axes_of(statements: Sequence[Sequence[Any] | None], ndim: int, what: str, given: str | None = None) -> str:
    """Return one letter per axis of an array, as everything that names its axes says.

    Parameters
    ----------
    statements : sequence of sequences of names, or None
        Names that libraries make up (``dim_0``) say nothing.
    ndim : int
        The number of axes.
    what : str
        The action, for messages.
    given : str, optional
        The letters, where the caller knows them; what the file says does not count then. An empty text: the file must
        say something.

    Raises
    ------
    UnsupportedError
        If a name is not understood, or the file must name its axes and does not.
    MetadataError
        If the names contradict each other, or do not fit the array.
    """
    if given:
        return fitting(given, ndim, what)
    found = {_letters(names, what) for names in statements if names and not _says_nothing(names)}
    if not found and given is not None:
        raise unnamed(what)
    if not found and ndim in DEFAULTS:
        return DEFAULTS[ndim]
    if len(found) != 1 or len(axes := found.pop()) != ndim or len(set(axes)) != ndim:
        told = ", ".join(repr(list(names)) for names in statements if names) or "no names"
        raise MetadataError(f"{what}: expected one name for each of {ndim} axes, five at most, and found {told}")
    return axes


def fitting(axes: str, ndim: int, what: str) -> str:
    """Return the letters of the axes of an array that a caller knows.

    Raises
    ------
    MetadataError
        If they do not fit the array.
    """
    if len(axes) != ndim or len(set(axes)) != ndim:
        raise MetadataError(f"{what}: expected {ndim} different letters for the axes and found {axes!r}")
    return axes


def unnamed(what: str) -> UnsupportedError:
    """Return the error for a file that does not name its axes, and must."""
    return UnsupportedError(f"{what}: nothing says what the axes are; give one letter for each, as in axes='zyx'")


def _says_nothing(names: Sequence[Any]) -> bool:
    return all(name is None or re.fullmatch(r"((phony_)?dim_?\d+)?", str(name)) for name in names)


def _letters(names: Sequence[Any], what: str) -> str:
    letters = [_letter(str(name)) for name in names]
    if "" in letters:
        raise UnsupportedError(
            f"{what}: expected axes called x, y, z, c, t or {', '.join(WORDS)} and found {list(names)}"
        )
    return "".join(letters)


def _letter(name: str) -> str:
    plain = name.lower()
    return plain if len(plain) == 1 and plain.isalpha() else WORDS.get(plain, "")


def said_by_attributes(attributes: Mapping[str, Any], ndim: int) -> list[Sequence[Any]]:
    """Return the names of the axes that the attributes of an array tell: `NAMES`, or letters called ``axes``."""
    dimensions, tags = (attributes.get(name) for name in NAMES)
    found = [] if dimensions is None else [dimensions]
    if tags is not None:
        found.append([axis["key"] for axis in json.loads(tags)["axes"]])
    letters = attributes.get("axes")
    if isinstance(letters, (str, list)) and len(letters) == ndim and all(_letter(str(each)) for each in letters):
        found.append(letters)
    return [[each.decode() if isinstance(each, bytes) else each for each in names] for names in found]
