"""Icechunk: volumes with versions, in folders and in buckets, without a server."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvolume.icechunk.accessor import IcechunkVolume
    from pyvolume.icechunk.graph import Graph, Node
    from pyvolume.icechunk.history import bring_history
    from pyvolume.icechunk.repo import Repo
    from pyvolume.icechunk.version import Version

__all__ = ["Graph", "IcechunkVolume", "Node", "Repo", "Version", "bring_history"]

# the driver is asked for every url, also where the library is not installed
_HOMES = {
    "Graph": "pyvolume.icechunk.graph",
    "IcechunkVolume": "pyvolume.icechunk.accessor",
    "Node": "pyvolume.icechunk.graph",
    "Repo": "pyvolume.icechunk.repo",
    "Version": "pyvolume.icechunk.version",
    "bring_history": "pyvolume.icechunk.history",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pyvolume.icechunk' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
