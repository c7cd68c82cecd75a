"""Labels of DVID: segmentations and their bodies."""
