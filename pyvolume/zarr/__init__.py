"""Zarr and OME-Zarr: volumes in folders, in buckets and on web servers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvolume.zarr.accessor import ZarrVolume
    from pyvolume.zarr.catalogue import ZarrGroup

__all__ = ["ZarrGroup", "ZarrVolume"]

# the driver is asked for every url, also where the library is not installed
_HOMES = {"ZarrGroup": "pyvolume.zarr.catalogue", "ZarrVolume": "pyvolume.zarr.accessor"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pyvolume.zarr' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
