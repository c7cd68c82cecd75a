"""Voxels of DVID, under the names of pydvid."""

from __future__ import annotations

from pyvolume.dvid.roi.region import RoiMaskAccessor
from pyvolume.dvid.voxels.accessor import (
    VoxelsAccessor,
    get_metadata,
    get_ndarray,
    post_ndarray,
)
from pyvolume.dvid.voxels.creation import create_new
from pyvolume.dvid.voxels.history import Change
from pyvolume.dvid.voxels.metadata import VoxelsMetadata

__all__ = [
    "Change",
    "RoiMaskAccessor",
    "VoxelsAccessor",
    "VoxelsMetadata",
    "create_new",
    "get_metadata",
    "get_ndarray",
    "post_ndarray",
]
