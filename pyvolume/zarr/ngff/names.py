"""Names of axes and units: pyvolume's and those of OME-Zarr (NGFF)."""

from __future__ import annotations

from pyvolume.errors import UnsupportedError
from pyvolume.model.axes import AXES
from pyvolume.model.units import symbol_of, time_symbol_of
from pyvolume.zarr.ngff.documents import Axis, Image

WORDS = {word: letter for letter, word in AXES.items()} | {"channels": "c"}
"""Names of axes that are understood beside single letters."""

LENGTHS = {
    "pm": "picometer",
    "Å": "angstrom",
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
}
"""NGFF's word for each unit of length, by its symbol; pyvolume's word is the plural."""

TIMES = {
    "ns": "nanosecond",
    "µs": "microsecond",
    "ms": "millisecond",
    "s": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
"""NGFF's word for each unit of time, by its symbol; pyvolume's word is the plural."""


def letters_of(image: Image, action: str = "read OME-Zarr") -> tuple[str, ...]:
    """Return the letter of each axis on disk, in the order on disk.

    Raises
    ------
    UnsupportedError
        If an axis is none of those that a volume can have, or two have one letter.
    """
    letters = tuple(map(_letter, image.axes))
    if "" in letters or len(set(letters)) < len(letters):
        found = ", ".join(f"{axis.name} ({axis.kind or 'no type'})" for axis in image.axes)
        expected = f"expected different letters as names of axes, or {', '.join(WORDS)},"
        raise UnsupportedError(f"{action}: {expected} at {image.where}.axes and found {found}")
    return letters


def _letter(axis: Axis) -> str:
    if axis.kind in ("time", "channel"):
        return {"time": "t", "channel": "c"}[axis.kind]
    plain = axis.name.lower()
    if len(plain) == 1 and plain.isalpha():
        return plain
    return WORDS.get(plain, "" if axis.kind == "space" else "u")


def pyvolume_unit(unit: str, letter: str) -> str:
    """Return pyvolume's word for a unit of NGFF; one that is not known stays as it is.

    Examples
    --------
    >>> units = [("micrometer", "x"), ("second", "t"), ("parsec", "x")]
    >>> tuple(pyvolume_unit(unit, letter) for unit, letter in units)
    ('micrometers', 'seconds', 'parsec')
    """
    word = _known_unit(unit, letter)
    return f"{word}s" if word else unit


def ngff_unit(unit: str, letter: str) -> str:
    """Return NGFF's word for a unit, in whatever spelling; one that is not known stays as it is.

    Examples
    --------
    >>> ngff_unit("microns", "x"), ngff_unit("ms", "t"), ngff_unit("parsec", "x")
    ('micrometer', 'millisecond', 'parsec')
    """
    return _known_unit(unit, letter) or unit


def _known_unit(unit: str, letter: str) -> str:
    return TIMES.get(time_symbol_of(unit), "") if letter == "t" else LENGTHS.get(symbol_of(unit), "")
