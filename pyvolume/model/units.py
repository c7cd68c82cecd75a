"""Units of length and of bytes: pyvolume's words for them, and the symbols in files."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from pyvolume.model import arguments

_WORDS = {
    "pm": ("picometers", "picometer", "picometre", "picometres"),
    "Å": ("angstroms", "angstrom", "ångström", "ångströms"),
    "nm": ("nanometers", "nanometer", "nanometre", "nanometres"),
    "µm": ("micrometers", "micrometer", "micrometre", "micrometres", "microns", "micron", "um"),
    "mm": ("millimeters", "millimeter", "millimetre", "millimetres"),
    "cm": ("centimeters", "centimeter", "centimetre", "centimetres"),
    "m": ("meters", "meter", "metre", "metres"),
}


def _plain(unit: str) -> str:
    """Return one spelling of signs that Unicode has twice: the micro sign and the angstrom sign."""
    return unicodedata.normalize("NFKC", unit.strip())


_SYMBOLS = {_plain(word): symbol for symbol, words in _WORDS.items() for word in (symbol, *words)}

MILLIMETERS = {"pm": 1e-9, "Å": 1e-7, "nm": 1e-6, "µm": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3}
"""How many millimetres each unit has, by its symbol."""


_TIMES = {
    "ns": ("nanoseconds", "nanosecond"),
    "µs": ("microseconds", "microsecond", "us"),
    "ms": ("milliseconds", "millisecond", "msec"),
    "s": ("seconds", "second", "sec"),
    "min": ("minutes", "minute"),
    "h": ("hours", "hour"),
    "d": ("days", "day"),
}

_TIME_SYMBOLS = {_plain(word): symbol for symbol, words in _TIMES.items() for word in (symbol, *words)}

SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""How many seconds each unit of time has, by its symbol."""


def time_symbol_of(unit: str) -> str:
    """Return the symbol of a unit of time, in whatever spelling; empty where it is not known.

    Examples
    --------
    >>> [time_symbol_of(unit) for unit in ("seconds", "sec", "Minute", "us", "um")]
    ['s', 's', 'min', 'µs', '']
    """
    word = _plain(unit)
    return _TIME_SYMBOLS.get(word) or _TIME_SYMBOLS.get(word.lower(), "")


def symbol_of(unit: str) -> str:
    r"""Return the symbol of a unit of length, in whatever spelling; empty where it is not known.

    Examples
    --------
    >>> [symbol_of(unit) for unit in ("meters", "um", "\u03bcm", "\u00b5m", "ab")]
    ['m', 'µm', 'µm', 'µm', '']
    """
    word = _plain(unit)
    return _SYMBOLS.get(word) or _SYMBOLS.get(word.lower() if len(word) > 2 else word, "")


def name_of(unit: str) -> str:
    """Return pyvolume's word for a unit, for any spelling of it; what is no unit of length stays as it is.

    Examples
    --------
    >>> name_of("nm"), name_of("parsec")
    ('nanometers', 'parsec')
    """
    symbol = symbol_of(unit)
    return _WORDS[symbol][0] if symbol else unit


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
    return [size * MILLIMETERS.get(symbol_of(unit), math.nan) for size, unit in zip(sizes, units, strict=False)]


_SIZES = {
    prefix + "B" if base == 1000 else prefix + "iB": base**power
    for base in (1000, 1024)
    for power, prefix in enumerate("KMGTPE", 1)
} | {"B": 1, "": 1}


def bytes_of(size: object, action: str, name: str) -> int:
    """Return a number of bytes that is given as one, or as a text such as ``"1 GiB"``.

    Raises
    ------
    TypeError
        If it is neither a whole number nor a text.
    ValueError
        If it is below 0, or a text without a number and a unit.

    Examples
    --------
    >>> [bytes_of(size, "cache", "memory") for size in ("1.5 KiB", "2MB", 7)]
    [1536, 2000000, 7]
    """
    if not isinstance(size, str):
        return arguments.integer(size, action, name, 0)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Z]?i?B|)", size.strip(), re.IGNORECASE | re.ASCII)
    units = {unit.lower(): nbytes for unit, nbytes in _SIZES.items()}
    if found is None or found[2].lower() not in units:
        expected = f"expected {name} as a number of bytes, or a text such as '1 GiB',"
        raise ValueError(f"{action}: {expected} and found {arguments.brief(size)}")
    return int(float(found[1]) * units[found[2].lower()])


def readable(nbytes: float) -> str:
    """Return a number of bytes as text for people.

    Examples
    --------
    >>> readable(3 << 20)
    '3 MiB'
    """
    value, unit = float(nbytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"):
        if value < 1024 or unit == "YiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"
