"""What an error means for a shell: an exit code, and one line."""

from __future__ import annotations

from pyvolume.cli.visible import visible
from pyvolume.errors import (
    AddressError,
    BusyError,
    ForbiddenError,
    LockedError,
    NotFoundError,
    RefusedError,
    SelectionError,
    UnsupportedError,
)

CODES: tuple[tuple[type[Exception], int], ...] = (
    (BusyError, 3),
    (NotFoundError, 4),
    (RefusedError, 5),
    (UnsupportedError, 5),
    (AddressError, 2),
    (SelectionError, 2),
)
"""The first class that fits counts; everything else is 1."""

WAYS_OUT: tuple[tuple[type[Exception], str], ...] = (
    (LockedError, "pyvolume branch"),
    (ForbiddenError, "PYVOLUME_TOKEN, DVID_ADMIN_TOKEN"),
)
"""What a shell has for what the message tells a script to do."""


def exit_code(error: Exception) -> int:
    """Return the exit code of an error."""
    return next((code for kind, code in CODES if isinstance(error, kind)), 1)


def sentence(error: Exception) -> str:
    """Return an error as one line."""
    text = visible(" ".join(str(error).split()))
    tells_all = type(error).__module__.startswith(("pyvolume", "click"))
    tells_all = tells_all or (type(error).__module__ == "builtins" and not isinstance(error, KeyError))
    way_out = next((f" (in a shell: {way})" for kind, way in WAYS_OUT if isinstance(error, kind)), "")
    return (text if text and tells_all else f"{type(error).__name__}: {text}") + way_out
