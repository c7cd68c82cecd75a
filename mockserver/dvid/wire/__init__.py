"""Parsing and printing as Go does it."""
