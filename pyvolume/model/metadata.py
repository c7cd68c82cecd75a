"""VoxelsMetadata: what a volume is, apart from its voxels."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from pyvolume.errors import MetadataError
from pyvolume.model.box import Box

AXES = "cxyztu"
"""The axes of a channel-first array of two to six axes, in order."""


def _one_per_axis(values: object, count: int, kind: type, name: str) -> tuple[Any, ...]:
    """Spread one value over all axes, or check that there is one of the right kind for each."""
    single = isinstance(values, (str, int, float, np.number))
    listed: list[Any] = [values] * count if single else list(values)  # type: ignore[call-overload]
    try:
        converted = tuple(kind(value) for value in listed)
    except (TypeError, ValueError):
        raise MetadataError(f"metadata: {name} must be {kind.__name__}, not {values!r}") from None
    if len(converted) != count:
        raise MetadataError(
            f"metadata: {name} must be one value or one for each of the {count} axes behind the channel, "
            f"not {len(converted)}"
        )
    return converted


@dataclass(frozen=True, slots=True)
class VoxelsMetadata:
    """What a volume is: where it lies, what its voxels are, how large they are.

    Parameters
    ----------
    bounds : Box
        The stored box, channel axis first; empty where nothing is stored.
    dtype : numpy.dtype
        The dtype of a voxel, in one channel.
    axiskeys : str
        One letter per axis, channel first, e.g. ``"cxyz"``.
    resolution : tuple of float
        Size of a voxel, one per axis behind the channel.
    units : tuple of str
        Unit of the resolution, one per axis behind the channel.
    channel_labels : tuple of str
        One per channel.
    """

    bounds: Box
    dtype: np.dtype[Any]
    axiskeys: str
    resolution: tuple[float, ...]
    units: tuple[str, ...]
    channel_labels: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The upper corner of the bounds, never below 0: numpy indices equal the server's coordinates."""
        return tuple(max(0, stop) for stop in self.bounds.stop)

    @property
    def minindex(self) -> tuple[int, ...]:
        """The lower corner of the bounds; of any sign."""
        return self.bounds.start

    @classmethod
    def create_default_metadata(
        cls,
        shape: Sequence[int],
        dtype: DTypeLike,
        axiskeys: str,
        resolution: float | Sequence[float],
        units: str | Sequence[str],
    ) -> Self:
        """Describe a new volume.

        Parameters
        ----------
        shape : sequence of int
            Channel first. A volume that starts without voxels has zeros behind the channel, e.g. ``(4, 0, 0, 0)``.
        dtype : dtype-like
            The dtype of a voxel, in one channel.
        axiskeys : str
            One letter per axis, channel first, e.g. ``"cxyz"``.
        resolution : float or sequence of float
            Size of a voxel: one number for all axes, or one per axis behind the channel.
        units : str or sequence of str
            Units of the resolution, likewise, e.g. ``"nanometers"``.

        Raises
        ------
        MetadataError
            If the parts contradict each other.

        Examples
        --------
        >>> VoxelsMetadata.create_default_metadata((4, 0, 0, 0), "uint8", "cxyz", 1.0, "microns").units
        ('microns', 'microns', 'microns')
        """
        try:
            shape = tuple(map(operator.index, shape))
        except TypeError:
            raise MetadataError(f"metadata: a shape is one integer per axis, not {shape!r}") from None
        check_axiskeys(axiskeys, len(shape))
        if shape[0] < 1:
            raise MetadataError(f"metadata: a volume has at least one channel, not {shape[0]}: {shape}")
        if any(n < 0 for n in shape):
            raise MetadataError(f"metadata: a shape is not negative: {shape}")
        if len(shape) < 2:
            raise MetadataError(f"metadata: a volume has an axis behind the channel, not only {axiskeys!r}")
        sizes = _one_per_axis(resolution, len(shape) - 1, float, "resolution")
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            raise MetadataError(f"metadata: a resolution is finite and above 0, not {sizes}")
        return cls(
            bounds=Box((0,) * len(shape), shape),
            dtype=np.dtype(dtype),
            axiskeys=axiskeys,
            resolution=sizes,
            units=_one_per_axis(units, len(shape) - 1, str, "units"),
            channel_labels=default_channel_labels(shape[0]),
        )


def default_channel_labels(count: int) -> tuple[str, ...]:
    """Return the labels of channels that nobody named."""
    return ("intensity",) if count == 1 else tuple(f"channel-{i}" for i in range(count))


def check_axiskeys(axiskeys: str, ndim: int) -> None:
    """Refuse axis keys that do not describe a channel-first array of `ndim` axes."""
    if len(axiskeys) != ndim or len(set(axiskeys)) != ndim or not axiskeys.startswith("c"):
        raise MetadataError(
            f"metadata: axiskeys must be {ndim} different letters, channel first (as in {AXES[:ndim]!r}), "
            f"not {axiskeys!r}"
        )
