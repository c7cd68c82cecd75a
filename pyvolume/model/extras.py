"""Libraries that come with an extra."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, *, extra: str, action: str) -> ModuleType:
    """Import a module of a library that the core does not need.

    Parameters
    ----------
    module : str
        The dotted name.
    extra : str
        The extra of pyvolume-sdk that installs the library.
    action : str
        What needs it, for the message.

    Raises
    ------
    ImportError
        If the library is missing; the message names the extra.

    Examples
    --------
    >>> require("no_library", extra="images", action="a thumbnail")
    Traceback (most recent call last):
    ImportError: a thumbnail needs no_library: pip install "pyvolume-sdk[images]"
    """
    library = module.partition(".")[0]
    try:
        importlib.import_module(library)
        return importlib.import_module(module)
    except ImportError:
        raise missing(library, extra=extra, action=action) from None


def missing(library: str, *, extra: str, action: str) -> ImportError:
    """Return the error for a library that is not installed.

    Parameters
    ----------
    library : str
        The name of the library.
    extra : str
        The extra of pyvolume-sdk that installs it.
    action : str
        What needs it.
    """
    return ImportError(f'{action} needs {library}: pip install "pyvolume-sdk[{extra}]"', name=library)
