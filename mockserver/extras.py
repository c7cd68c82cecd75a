"""The libraries of the extras; only the requests that need one import it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MissingLibraryError(ImportError):
    """A library of an extra is not installed."""


@contextmanager
def extra(library: str, name: str = "mock") -> Iterator[None]:
    """Run an import; its failure names the extra.

    Parameters
    ----------
    library : str
        The name of the library, as in the error message.
    name : str
        The extra that installs it.

    Raises
    ------
    MissingLibraryError
        If the library is not installed.
    """
    try:
        yield
    except ImportError:
        sentence = (
            f"the mock server needs {library} for this, which is not installed: pip install 'pyvolume-sdk[{name}]'"
        )
        raise MissingLibraryError(sentence) from None
