"""Release: which pyvolume this is."""

from __future__ import annotations

import functools
import importlib.metadata


@functools.cache
def release() -> str:
    """Return the version of the distribution."""
    return importlib.metadata.version("pyvolume-sdk")
