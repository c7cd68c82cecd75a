"""DVID: versioned volumes of connectomics, over REST.

Examples
--------
>>> from mockserver import MockServer
>>> from pyvolume.dvid import Server
>>> with MockServer() as mock, Server(mock.url) as server:
...     repo = server.create_repo("demo")
...     volume = repo.create_volume("gray", (256, 192, 128), "uint8")
...     volume.dtype
dtype('uint8')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvolume.dvid.auth import Identity
    from pyvolume.dvid.keyvalue.mapping import KeyValue
    from pyvolume.dvid.labels.accessor import LabelVolume
    from pyvolume.dvid.labels.body import Body
    from pyvolume.dvid.repo import Repo
    from pyvolume.dvid.roi.region import Roi
    from pyvolume.dvid.server import Server
    from pyvolume.dvid.version import Version
    from pyvolume.dvid.voxels.accessor import VoxelsAccessor

__all__ = ["Body", "Identity", "KeyValue", "LabelVolume", "Repo", "Roi", "Server", "Version", "VoxelsAccessor"]

_HOMES = {
    "Body": "pyvolume.dvid.labels.body",
    "Identity": "pyvolume.dvid.auth",
    "KeyValue": "pyvolume.dvid.keyvalue.mapping",
    "LabelVolume": "pyvolume.dvid.labels.accessor",
    "Repo": "pyvolume.dvid.repo",
    "Roi": "pyvolume.dvid.roi.region",
    "Server": "pyvolume.dvid.server",
    "Version": "pyvolume.dvid.version",
    "VoxelsAccessor": "pyvolume.dvid.voxels.accessor",
}
"""The module of each name, imported when the name is used."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pyvolume.dvid' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
