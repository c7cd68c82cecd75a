"""Mikro: images of microscopes with names, tags and sizes in a catalogue, and their voxels in a bucket."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvolume.mikro.accessor import Image
    from pyvolume.mikro.datasets import Dataset
    from pyvolume.mikro.documents import ImageFacts
    from pyvolume.mikro.lists import Images
    from pyvolume.mikro.server import Mikro

__all__ = ["Dataset", "Image", "ImageFacts", "Images", "Mikro"]

# the driver is asked for every url, also where the libraries are not installed
_HOMES = {
    "Dataset": "pyvolume.mikro.datasets",
    "Image": "pyvolume.mikro.accessor",
    "ImageFacts": "pyvolume.mikro.documents",
    "Images": "pyvolume.mikro.lists",
    "Mikro": "pyvolume.mikro.server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pyvolume.mikro' has no attribute {name!r}")
    from pyvolume.model.extras import require

    for library in ("zarr", "obstore"):
        require(library, extra="mikro", action=f"pyvolume.mikro.{name}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
