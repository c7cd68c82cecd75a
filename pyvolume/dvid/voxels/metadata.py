"""VoxelsMetadata with the names of pydvid."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

from numpy.typing import DTypeLike

from pyvolume.model import metadata as neutral


class VoxelsMetadata(neutral.VoxelsMetadata):
    """What a volume is, with the names of pydvid; it equals a `pyvolume.VoxelsMetadata` with the same facts."""

    __slots__ = ()

    @classmethod
    def renamed(cls, metadata: neutral.VoxelsMetadata) -> Self:
        """Give metadata the names of pydvid."""
        return cls(**{field.name: getattr(metadata, field.name) for field in dataclasses.fields(metadata)})

    @classmethod
    def create_default_metadata(
        cls,
        shape: Sequence[int],
        dtype: DTypeLike,
        axiskeys: str,
        resolution: float | Sequence[float],
        units: str | Sequence[str],
    ) -> Self:
        """Describe a new volume, see `pyvolume.VoxelsMetadata.of`.

        Parameters
        ----------
        shape : sequence of int
            Channel first, in voxels.
        dtype : dtype-like
            The dtype of a voxel, in one channel.
        axiskeys : str
            One letter per axis, channel first, e.g. ``"cxyz"``.
        resolution : float or sequence of float
            Size of a voxel: one number for all axes, or one per axis behind the channel.
        units : str or sequence of str
            Units of the resolution, likewise.

        Raises
        ------
        MetadataError
            If the parts contradict each other.

        Examples
        --------
        >>> create = VoxelsMetadata.create_default_metadata
        >>> create((4, 0, 0, 0), "uint8", "cxyz", 1.0, "microns").axiskeys
        'cxyz'
        """
        return cls.of(shape, dtype, dims=axiskeys, resolution=resolution, units=units)

    @property
    def axiskeys(self) -> str:
        """The letters of the axes as one text, channel first; see `dims`."""
        return "".join(self.dims)
