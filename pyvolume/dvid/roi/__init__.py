"""Regions of interest of DVID."""

from __future__ import annotations

from pyvolume.dvid.roi.region import Part, Roi, RoiMaskAccessor, create_new

__all__ = ["Part", "Roi", "RoiMaskAccessor", "create_new"]
