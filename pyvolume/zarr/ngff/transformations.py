"""The coordinate transformations of OME-Zarr (NGFF): scales and translations, one after the other."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model.arguments import brief


class Affine(NamedTuple):
    """A scale, empty if none is said, and then a translation; one number per axis."""

    scale: tuple[float, ...]
    translation: tuple[float, ...]

    def then(self, after: Affine) -> Affine:
        """Apply another one to the result."""
        factors = after.scale or (1.0,) * len(self.translation)
        moved = zip(self.translation, factors, after.translation, strict=True)
        scale = tuple(map(operator.mul, self.scale, factors)) if self.scale else after.scale
        return Affine(scale, tuple(a * b + c for a, b, c in moved))


def affine_of(document: Mapping[str, Any], ndim: int, where: str, action: str) -> Affine:
    """Read the transformations of an image or of a level, which come one after the other.

    Raises
    ------
    MetadataError
        If a vector does not fit the axes, or a scale is not above 0.
    UnsupportedError
        If there are others than numbers of scales and translations.
    """
    zeros = (0.0,) * ndim
    found = Affine((), zeros)
    for number, each in enumerate(document.get("coordinateTransformations") or ()):
        here, kind = f"{where}.coordinateTransformations[{number}]", each["type"]
        if kind == "scale" and kind in each:
            found = found.then(Affine(_vector(each, ndim, here, action), zeros))
        elif kind == "translation" and kind in each:
            found = found.then(Affine((), _vector(each, ndim, here, action)))
        elif kind != "identity":
            told = f"{kind} by path" if "path" in each else kind
            raise UnsupportedError(
                f"{action}: expected numbers of a scale or a translation and found {brief(told)} at {here}"
            )
    return found


def _vector(document: Mapping[str, Any], ndim: int, where: str, action: str) -> tuple[float, ...]:
    kind = document["type"]
    values, path = document[kind], f"{where}.{kind}"
    is_scale = kind == "scale"
    if len(values) != ndim or (is_scale and min(values) <= 0):
        expected = f"expected {ndim} numbers{' above 0' * is_scale}, one for each axis, at {path}"
        raise MetadataError(f"{action}: {expected} and found {brief(values)}", path=path)
    return tuple(map(float, values))
