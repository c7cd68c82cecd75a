"""An array as it was before `from_xarray` stored it: its own axes, coordinates and name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pyvolume.errors import MetadataError
from pyvolume.model.arguments import brief
from pyvolume.stores.catalogue import ARRAY_ATTRIBUTE


def restored_array(array: xr.DataArray, told: object, start: Sequence[int]) -> xr.DataArray:
    """Give the array of a volume, which begins at an absolute index, what an attribute of the volume says.

    Raises
    ------
    MetadataError
        If the attribute is not that of `from_xarray`, or an axis that the array did not have is longer than 1.
    """
    if not isinstance(told, Mapping) or not {"name", "letters", "dims", "coords"} <= told.keys():
        raise MetadataError(
            f"to_xarray: restore_dims needs the attribute {ARRAY_ATTRIBUTE!r} as from_xarray stores it in a volume "
            f"that has attributes, and found {brief(told)}"
        )
    letters, names = told["letters"], told["dims"]
    added = [dim for dim in array.dims if dim not in letters]
    for dim in added:
        if array.sizes[dim] != 1:
            raise MetadataError(
                f"to_xarray: the axis {dim!r} was not in the array, and now has {array.sizes[dim]} voxels"
            )
    bare = array.drop_vars(list(array.coords)).isel(dict.fromkeys(added, 0))
    bare = bare.expand_dims([dim for dim in letters if dim not in bare.dims])
    own = bare.transpose(*letters).rename(dict(zip(letters, names, strict=True)))
    begins = dict(zip(array.dims, start, strict=True))
    first = {name: begins.get(letter, 0) for letter, name in zip(letters, names, strict=True)}
    return own.assign_coords(_coordinates(told["coords"], own.sizes, first)).rename(told["name"])


def _coordinates(
    told: Mapping[str, Any], sizes: Mapping[Any, int], first: Mapping[str, int]
) -> dict[str, tuple[list[str], NDArray[Any], dict[str, Any]]]:
    """Return the coordinates of a part of an array; those that do not cover it are left out."""
    found = {}
    for name, each in told.items():
        dims = each["dims"]
        low = [first[dim] for dim in dims]
        shape = tuple(sizes[dim] for dim in dims)
        if "step" in each:
            found[name] = dims, each["start"] + each["step"] * np.arange(low[0], low[0] + shape[0]), each["attrs"]
        elif min(low, default=0) >= 0:
            values = np.asarray(each["values"])[tuple(slice(at, at + n) for at, n in zip(low, shape, strict=True))]
            found |= {name: (dims, values, each["attrs"])} if values.shape == shape else {}
    return found
