"""Copies: between two volumes, or an array and a volume, piece by piece."""

from __future__ import annotations

from pyvolume.copying.run import copy

__all__ = ["copy"]
