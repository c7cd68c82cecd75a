"""The voxels of a volume by absolute coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyvolume.indexing.selection import Selection
from pyvolume.model.box import Box


class AbsoluteVoxels:
    """The voxels of a volume by absolute coordinates; made by `Volume.absolute`.

    The numbers are coordinates of the store, of any sign: a negative one does not count from the end, and a stop
    beyond the bounds is not clipped. Everything else is as for ``vol[...]``.

    Parameters
    ----------
    read : callable
        Reads a selection.
    write : callable
        Writes values to a selection.
    bounds : Box
        What an open slice extends to.

    Examples
    --------
    >>> import numpy as np, pyvolume
    >>> numbers = np.arange(12).reshape(1, 3, 4)
    >>> volume = pyvolume.from_array(numbers, "cxy", growable=True)
    >>> volume.absolute[0, 1, 2:]
    array([6, 7])
    >>> volume.absolute[0, -2, 0:3] = 5
    >>> volume.bounds
    Box(0:1, -2:3, 0:4)
    """

    def __init__(
        self, read: Callable[[Selection], Any], write: Callable[[Selection, object], None], bounds: Box
    ) -> None:
        self._read = read
        self._write = write
        self._bounds = bounds

    def __getitem__(self, key: object) -> Any:
        """Read voxels: ``vol.absolute[:, -10:20, 30]``.

        Parameters
        ----------
        key
            Integers, slices, one ``...``, ``None`` and arrays of coordinates, as for ``vol[...]``, but no masks: they
            have no coordinates. A slice without a start or a stop extends to the bounds.

        Returns
        -------
        ndarray or scalar
            Fortran order. Outside the bounds it holds the fill value of the store, if the store has one.

        Raises
        ------
        SelectionError
            If the key does not fit the axes, or lies outside a store without a fill value.
        StoreError
            If the store could not serve the voxels.
        """
        return self._read(Selection.of_coordinates(key, self._bounds))

    def __setitem__(self, key: object, values: object) -> None:
        """Write voxels: ``vol.absolute[:, -10:20, 30] = a``; `values` are broadcast as numpy does.

        Where the axis can grow, a write outside the bounds extends them, on both sides.

        Parameters
        ----------
        key
            As for a read.
        values : array-like
            Of the shape of the selection, or broadcast to it.

        Raises
        ------
        SelectionError, VoxelsMismatchError, UnsupportedError, StoreError
            As for ``vol[...] = values``.
        """
        self._write(Selection.of_coordinates(key, self._bounds), values)
