"""The JSON Schemas of the attributes of N5."""

from __future__ import annotations

from pyvolume.model.schemas import Schemas

SCHEMAS = Schemas(__name__)
