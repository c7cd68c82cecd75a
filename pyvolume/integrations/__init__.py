"""Volumes as arrays of other libraries."""
