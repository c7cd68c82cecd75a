"""What an error means for a shell: an exit code, and one line."""

from __future__ import annotations

from pyvolume.cli import FAILED
from pyvolume.cli.output import visible
from pyvolume.errors import (
    AddressError,
    BusyError,
    NotFoundError,
    RefusedError,
    SelectionError,
    UnsupportedError,
)
from pyvolume.stores import registry

DIFFERENT = 1
"""Two volumes differ, and nothing else, as with diff(1)."""

CODES: tuple[tuple[type[Exception], int], ...] = (
    (BusyError, 3),
    (NotFoundError, 4),
    (RefusedError, 5),
    (UnsupportedError, 5),
    (AddressError, 2),
    (SelectionError, 2),
)
"""The first class that fits counts; 2 is also wrong usage."""


def exit_code(error: Exception) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in CODES if isinstance(error, kind)), FAILED)


def sentence(error: Exception) -> str:
    """Return an error as one line."""
    text = visible(" ".join(_text(error).split()))
    tells_all = type(error).__module__.startswith(("pyvolume", "click"))
    tells_all = tells_all or (type(error).__module__ == "builtins" and not isinstance(error, KeyError))
    way_out = next((f" (in a shell: {way})" for kind, way in _ways_out() if isinstance(error, kind)), "")
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", []))
    return (text if text and tells_all else f"{type(error).__name__}: {text}") + way_out + notes


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:  # without its number
        return ": ".join(str(each) for each in (error.filename, error.strerror) if each is not None)
    return str(error)


def _ways_out() -> list[tuple[type[Exception], str]]:
    """Return what helps in a shell against a class of errors, as the drivers say."""
    return [item for _, driver in registry.importable() for item in driver.ways_out.items()]
