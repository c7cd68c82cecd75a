"""VoxelsMetadata: what a volume is, apart from its voxels."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from pyvolume.errors import MetadataError
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.axes import AxisLabels, checked_dims, default_dims, default_labels
from pyvolume.model.box import Box
from pyvolume.model.nearest import hint

DTYPES = [*(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("u", "")), "float32", "float64"]
"""Suggested for a name that is none."""


def _one_per_axis(values: object, count: int, kind: type, name: str) -> tuple[Any, ...]:
    """Spread one value over all axes, or check that there is one of the right kind for each."""
    single = isinstance(values, (str, int, float, np.number))
    listed = [values] * count if single else list(arguments.each_of(values, "metadata", name))
    try:
        converted = tuple(kind(value) for value in listed)
    except (TypeError, ValueError):
        raise MetadataError(f"metadata: {name} must be {kind.__name__}, not {brief(values)}") from None
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
    dims : tuple of str
        One letter per axis, channel first, e.g. ``("c", "x", "y", "z")``.
    resolution : tuple of float
        Size of a voxel, one per axis behind the channel.
    units : tuple of str
        Unit of the resolution, one per axis behind the channel.
    labels : tuple
        For each axis, a tuple of str with one label per index, or None if the axis has no labels.
    translation : tuple of float, optional
        Where the centre of voxel 0 lies, in the units of the resolution, one per axis behind the channel; by default
        at 0.
    """

    bounds: Box
    dtype: np.dtype[Any]
    dims: tuple[str, ...]
    resolution: tuple[float, ...]
    units: tuple[str, ...]
    labels: AxisLabels
    translation: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The upper corner of the bounds, never below 0; numpy indices equal the server's coordinates."""
        return tuple(max(0, stop) for stop in self.bounds.stop)

    @property
    def place(self) -> tuple[float, ...]:
        """Where the centre of voxel 0 lies, one number per axis behind the channel."""
        return self.translation or (0.0,) * len(self.resolution)

    @property
    def minindex(self) -> tuple[int, ...]:
        """The lower corner of the bounds; of any sign."""
        return self.bounds.start

    def __eq__(self, other: object) -> bool:
        # a subclass with more names has the same facts
        if not isinstance(other, VoxelsMetadata):
            return NotImplemented
        return all(getattr(self, field.name) == getattr(other, field.name) for field in fields(self))

    @classmethod
    def of(
        cls,
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        dims: Sequence[str] | None = None,
        resolution: float | Sequence[float] = 1.0,
        units: str | Sequence[str] = "",
        labels: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Describe a new volume, which begins at voxel 0.

        Parameters
        ----------
        shape : sequence of int
            Channel first. A volume that starts without voxels has zeros behind the channel, e.g. ``(4, 0, 0, 0)``.
        dtype : dtype-like
            The dtype of a voxel, in one channel.
        dims : sequence of str, optional
            One letter per axis, channel first, e.g. ``"cxyz"``; by default the first letters of ``"cxyztu"``.
        resolution : float or sequence of float
            Size of a voxel: one number for all axes, or one per axis behind the channel.
        units : str or sequence of str
            Units of the resolution, likewise, e.g. ``"nanometers"``.
        labels : mapping of str to sequence of str, optional
            Labels of an axis by its letter, one per index, e.g. ``{"c": ["red", "green"]}``. By default one channel
            is ``"intensity"``, several are ``"channel-0"``, ``"channel-1"``, …; other axes have no labels.

        Returns
        -------
        VoxelsMetadata

        Raises
        ------
        MetadataError
            If the parts contradict each other.

        Examples
        --------
        >>> metadata = VoxelsMetadata.of((1, 40, 30, 8), "uint16", units="micrometers")
        >>> metadata.dims
        ('c', 'x', 'y', 'z')
        >>> metadata.units
        ('micrometers', 'micrometers', 'micrometers')

        Channels can have labels, and the axes can be others:

        >>> stains = {"c": ["red", "green"]}
        >>> VoxelsMetadata.of((2, 9, 64, 48), "uint8", dims="caxy", labels=stains).labels
        (('red', 'green'), None, None, None)
        """
        try:
            shape = tuple(map(operator.index, shape))
        except TypeError:
            raise MetadataError(f"metadata: a shape is one integer per axis, not {brief(shape)}") from None
        dims = default_dims(len(shape)) if dims is None else checked_dims(dims, len(shape))
        if len(shape) < 2:
            raise MetadataError(f"metadata: a volume has an axis behind the channel, not only {dims}")
        if shape[0] < 1:
            raise MetadataError(f"metadata: a volume has at least one channel, not {shape[0]}: {shape}")
        if any(n < 0 for n in shape):
            raise MetadataError(f"metadata: a shape is not negative: {shape}")
        sizes = _one_per_axis(resolution, len(shape) - 1, float, "resolution")
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            raise MetadataError(f"metadata: a resolution is finite and above 0, not {sizes}")
        return cls(
            bounds=Box((0,) * len(shape), shape),
            dtype=_dtype(dtype),
            dims=dims,
            resolution=sizes,
            units=_one_per_axis(units, len(shape) - 1, str, "units"),
            labels=_all_labels({} if labels is None else labels, dims, shape),
        )


def _dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        return np.dtype(dtype)
    except (TypeError, ValueError):
        near = f"; {hint(dtype, DTYPES)}" if isinstance(dtype, str) else ""
        raise MetadataError(f"metadata: expected a dtype and found {brief(dtype)}{near}") from None


def _all_labels(given: Mapping[str, Sequence[str]], dims: tuple[str, ...], shape: tuple[int, ...]) -> AxisLabels:
    """Return the labels of each axis: those that are given, else the default ones."""
    found = dict(zip(dims, default_labels(shape), strict=True))
    arguments.instance_of(given, Mapping, "metadata: labels")
    for dim, labels in given.items():
        if dim not in found:
            raise MetadataError(f"metadata: labels are of the axes {dims}, not of {dim!r}")
        found[dim] = _labels_of_axis(labels, dim, shape[dims.index(dim)])
    return tuple(found.values())


def _labels_of_axis(labels: Sequence[str], dim: str, count: int) -> tuple[str, ...]:
    is_list = not isinstance(labels, str) and isinstance(labels, Iterable)
    listed = tuple(labels) if is_list else ()
    if not is_list or len(listed) != count or not all(isinstance(label, str) for label in listed):
        raise MetadataError(f"metadata: labels of the axis {dim!r} must be {count} texts, not {brief(labels)}")
    return tuple(map(str, listed))
