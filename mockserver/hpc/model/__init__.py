"""Datasets, their versions and blocks."""
