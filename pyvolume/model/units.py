"""Units of length and of bytes: pyvolume's words for them, and the symbols in files."""

from __future__ import annotations

import math
from collections.abc import Sequence

_WORDS = {
    "nm": ("nanometers", "nanometer", "nanometre", "nanometres"),
    "µm": ("micrometers", "micrometer", "microns", "micron", "um", "\u03bcm"),
    "mm": ("millimeters", "millimeter", "millimetre", "millimetres"),
    "m": ("meters", "meter", "metre", "metres"),
}

SYMBOLS = {word: symbol for symbol, words in _WORDS.items() for word in (symbol, *words)}
"""The symbol of each word."""

NAMES = {word: _WORDS[symbol][0] for word, symbol in SYMBOLS.items()}
"""The plural name of a unit, for each word or symbol."""

MILLIMETERS = {"nm": 1e-6, "µm": 1e-3, "mm": 1.0, "m": 1e3}
"""How many millimetres each unit has, by its symbol."""


def agree(sizes: Sequence[float], units: Sequence[str], others: Sequence[float], other_units: Sequence[str]) -> bool:
    """Whether voxels have the same size, as far as both are known; some formats round it.

    Examples
    --------
    >>> agree([8.0, 8.0], ["nanometers"] * 2, [0.008, 0.008], ["microns"] * 2)
    True
    """
    lengths = (_millimeters(sizes, units), _millimeters(others, other_units))
    return all(
        math.isclose(a, b, rel_tol=1e-4) for a, b in zip(*lengths, strict=False) if not math.isnan(a) | math.isnan(b)
    )


def _millimeters(sizes: Sequence[float], units: Sequence[str]) -> list[float]:
    return [size * MILLIMETERS.get(SYMBOLS.get(unit, ""), math.nan) for size, unit in zip(sizes, units, strict=False)]


def readable(nbytes: float) -> str:
    """Return a number of bytes as text for people.

    Examples
    --------
    >>> readable(3 << 20)
    '3 MiB'
    """
    value, unit = float(nbytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024 or unit == "PiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"
