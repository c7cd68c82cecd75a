"""Units of length: pyvolume's words for them, and the symbols in files."""

from __future__ import annotations

_WORDS = {
    "nm": ("nanometers", "nanometer", "nanometre", "nanometres"),
    "µm": ("micrometers", "micrometer", "microns", "micron", "um", "\u03bcm"),
    "mm": ("millimeters", "millimeter", "millimetre", "millimetres"),
    "m": ("meters", "meter", "metre", "metres"),
}

SYMBOLS = {word: symbol for symbol, words in _WORDS.items() for word in (symbol, *words)}
"""The symbol of each word."""

NAMES = {word: _WORDS[symbol][0] for word, symbol in SYMBOLS.items()}
"""The plural that DVID's users write, for each word or symbol."""

MILLIMETERS = {"nm": 1e-6, "µm": 1e-3, "mm": 1.0, "m": 1e3}
"""How many millimetres a symbol stands for."""
