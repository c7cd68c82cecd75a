"""Planes of a volume for a page: no larger than it can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pyvolume.volume import Volume


@dataclass(frozen=True, slots=True)
class Plane:
    """Every `step`-th voxel of a plane.

    Parameters
    ----------
    voxels : ndarray
        Axes: channel, right, down.
    step : int
    """

    voxels: NDArray[Any]
    step: int

    @property
    def pixels(self) -> bytes:
        """The rows one below the other, the channels of a pixel together, little-endian."""
        little = self.voxels.astype(self.voxels.dtype.newbyteorder("<"), copy=False)
        return little.tobytes(order="F")


def read_plane(volume: Volume, axis: str, at: int, most: int) -> Plane:
    """Read a plane of the stored box.

    Parameters
    ----------
    volume : Volume
    axis : str
        The one that stands on the plane.
    at : int
        Its coordinate.
    most : int
        Voxels along the longer side at most.

    Raises
    ------
    SelectionError, StoreError
        As a read of the volume.
    """
    across = volume.axiskeys.index(axis)
    sides = [n for i, n in enumerate(volume.bounds.shape) if i not in {0, across}]
    step = max(1, -(-max(sides) // most))
    key: list[Any] = [slice(None), *(slice(None, None, step) for _ in volume.bounds.shape[1:])]
    key[across] = at
    return Plane(np.asarray(volume.coords[tuple(key)]), step)
