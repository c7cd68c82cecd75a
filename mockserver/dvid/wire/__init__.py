"""Parsing and printing like Go."""
