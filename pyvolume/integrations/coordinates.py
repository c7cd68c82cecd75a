"""The coordinates of the voxels of a box: lengths, or labels."""

from __future__ import annotations

import numpy as np
import xarray as xr
from xarray.indexes import RangeIndex

from pyvolume.model.axes import AXES
from pyvolume.model.box import Box
from pyvolume.model.metadata import VoxelsMetadata

LONGEST_INDEX = 10_000_000
"""An axis with more positions has an index that computes its values."""

_CF_AXES = {"x": "X", "y": "Y", "z": "Z", "t": "T"}


def coordinates_of(metadata: VoxelsMetadata, box: Box) -> xr.Coordinates:
    """Return the coordinates of the voxels of a box: its labels for an axis that has labels, else lengths.

    The length at the absolute index i is the place of voxel 0 and i times the resolution of the axis. A channel without
    a label has its index.
    """
    found = xr.Coordinates()
    for axis, dim in enumerate(metadata.dims):
        low, high = box.start[axis], box.stop[axis]
        labels, first = metadata.labels[axis], metadata.bounds.start[axis]
        attributes = _described(dim)
        if labels is not None and first <= low <= high <= first + len(labels):
            found |= xr.Coordinates({dim: xr.Variable(dim, np.array(labels[low - first : high - first], str))})
        else:
            size, place = (metadata.resolution[axis - 1], metadata.place[axis - 1]) if axis else (1.0, 0.0)
            found |= _lengths(dim, low, high, size, place)
            attributes |= {"units": metadata.units[axis - 1]} if axis and metadata.units[axis - 1] else {}
        found.variables[dim].attrs.update(attributes)
    return found


def _lengths(dim: str, low: int, high: int, size: float, place: float) -> xr.Coordinates:
    if high - low <= LONGEST_INDEX:
        return xr.Coordinates({dim: xr.Variable(dim, np.arange(low, high, dtype=np.float64) * size + place)})
    # given by the number of steps, which floats do not tell reliably
    first, last = low * size + place, high * size + place
    return xr.Coordinates.from_xindex(RangeIndex.linspace(first, last, high - low, endpoint=False, dim=dim))


def _described(dim: str) -> dict[str, str]:
    """Return what the CF conventions say of an axis."""
    attributes = {"long_name": AXES[dim]} if dim in AXES else {}
    return attributes | ({"axis": _CF_AXES[dim]} if dim in _CF_AXES else {})
