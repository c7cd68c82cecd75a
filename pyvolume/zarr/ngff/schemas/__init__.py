"""The JSON Schemas of the metadata of OME-Zarr."""

from __future__ import annotations

from pyvolume.model.schemas import Schemas

SCHEMAS = Schemas(__name__)
