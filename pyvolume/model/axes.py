"""The axes of a volume: a letter for each, the channel axis first."""

from __future__ import annotations

from collections.abc import Sequence

from pyvolume.errors import MetadataError
from pyvolume.model.arguments import brief

AXES = {
    "c": "channel",
    "x": "width",
    "y": "height",
    "z": "depth",
    "t": "time",
    "u": "other",
    "a": "angle",
}
"""The known letters, and what they mean. A server can have other letters."""

DEFAULT_DIMS = ("c", "x", "y", "z", "t", "u")
"""The axes of arrays that nobody described; an angle is always named."""

AxisLabels = tuple[tuple[str, ...] | None, ...]
"""For each axis its labels, one text per index, or None."""


def default_dims(ndim: int) -> tuple[str, ...]:
    """Return the first `ndim` letters of c, x, y, z, t, u.

    Raises
    ------
    MetadataError
        For more than six axes.
    """
    if ndim > len(DEFAULT_DIMS):
        raise MetadataError(f"axes: expected up to {len(DEFAULT_DIMS)} axes, channel first, and found {ndim}")
    return DEFAULT_DIMS[:ndim]


def are_dims(dims: tuple[object, ...], ndim: int) -> bool:
    """Say whether these are `ndim` different letters, channel first."""
    return (
        len(dims) == ndim == len(set(dims))
        and dims[:1] == ("c",)
        and all(isinstance(dim, str) and len(dim) == 1 for dim in dims)
    )


def checked_dims(dims: Sequence[str], ndim: int) -> tuple[str, ...]:
    """Return the letters of a channel-first array of `ndim` axes.

    Raises
    ------
    MetadataError
        If they are not one letter for each axis, all different, channel first.
    """
    try:
        letters = tuple(dims)
        is_right = are_dims(letters, ndim)
    except TypeError:  # not iterable, or not hashable
        is_right = False
    if not is_right:
        raise MetadataError(
            f"metadata: dims must be {ndim} different letters, channel first "
            f"(as in {''.join(DEFAULT_DIMS[:ndim])!r}), not {brief(dims)}"
        )
    return letters


def default_labels(shape: Sequence[int]) -> AxisLabels:
    """Return the labels of the axes of an array that nobody described: only channels have labels."""
    if not shape:
        return ()
    return (_channel_labels(shape[0]), *(None,) * (len(shape) - 1))


def _channel_labels(count: int) -> tuple[str, ...]:
    return ("intensity",) if count == 1 else tuple(f"channel-{i}" for i in range(count))
