"""Labels of DVID: segmentations and their bodies."""

from __future__ import annotations

from pyvolume.dvid.labels.accessor import LabelVolume
from pyvolume.dvid.labels.body import Body
from pyvolume.dvid.labels.edits import Cleave, Merge, Renumbering, Split

__all__ = ["Body", "Cleave", "LabelVolume", "Merge", "Renumbering", "Split"]
