"""The JSON Schemas of DVID's documents."""

from __future__ import annotations

from pyvolume.model.schemas import Schemas

SCHEMAS = Schemas(__name__)
