"""Sums, extremes and counts of volumes that no memory holds."""
