"""The JSON Schemas of the DataStore's documents."""

from __future__ import annotations

from pyvolume.model.schemas import Schemas

SCHEMAS = Schemas(__name__)
