"""The voxels of a box of a volume, as an array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box


class BoxVoxels:
    """The voxels of a box as an array-like: index 0 is the first voxel of the box.

    Libraries that read lazily hold it in place of an array. It is pickled as its volume is.

    Parameters
    ----------
    box : Box
        Which voxels.
    dtype : dtype
        Of a voxel.
    read : callable
        Reads a selection of the volume.
    """

    def __init__(self, box: Box, dtype: np.dtype[Any], read: Callable[[Selection], Any]) -> None:
        self.box = box
        self.dtype = dtype
        self._read = read

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the box."""
        return self.box.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.box.ndim

    def __getitem__(self, key: object) -> Any:
        """Read voxels: as numpy reads those of an array of this shape, without masks."""
        return self._read(Selection.of_indices(key, self.box))
