"""The order of axes: from that of an array to that of a store, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pyvolume.errors import MetadataError
from pyvolume.model.arguments import brief


def canonical(array: Any, dims: Sequence[str], order: Sequence[str] = "cxyz") -> Any:
    """Put the axes of an array into the order of a store, and add those that are missing with a length of 1.

    No voxel is copied or read: the result is a view of an array of numpy, or lazy as an array of dask is.

    Parameters
    ----------
    array : array-like
        Of numpy or dask; anything else without a ``transpose`` becomes an array of numpy.
    dims : sequence of str
        The letter of each axis of the array, in its order. There must be an x and a y.
    order : sequence of str
        The letters of the axes of the result. An axis of the array that is not among them must have a length of 1.

    Returns
    -------
    array-like
        Of the kind of `array`, with an axis for each letter of `order`.

    Raises
    ------
    MetadataError
        If the letters do not fit the array or the order, if x or y is missing, or for a shape that no image has: an
        axis of length 0, or more channels than voxels along x and along y, which letters in the wrong order give.

    Examples
    --------
    >>> canonical(np.zeros((100, 80, 3)), "xyc").shape
    (3, 100, 80, 1)
    >>> canonical(np.zeros((7, 100, 80)), "tyx", "cxyzt").shape
    (1, 80, 100, 1, 7)
    """
    _check_image(dict(zip(_letters(dims, np.shape(array)), np.shape(array), strict=True)))
    return reordered(array, dims, order)


def restored(array: Any, dims: Sequence[str], order: Sequence[str] = "cxyz") -> Any:
    """Give an array in the order of a store the axes that it had before `canonical`: the inverse.

    Parameters
    ----------
    array : array-like
        With an axis for each letter of `order`.
    dims : sequence of str
        The letters of the axes of the result. An axis of the array that is not among them must have a length of 1.
    order : sequence of str
        The letter of each axis of the array.

    Returns
    -------
    array-like
        Of the kind of `array`, with an axis for each letter of `dims`; one that is not in `order` has a length of 1.

    Raises
    ------
    MetadataError
        If the letters do not fit the array, or an axis that is left out is longer than 1.

    Examples
    --------
    >>> restored(np.zeros((3, 100, 80, 1)), "xyc").shape
    (100, 80, 3)
    """
    return reordered(array, order, dims)


def reordered(array: Any, present: Sequence[str], wanted: Sequence[str]) -> Any:
    """Transpose an array, leave out axes of length 1, and add others."""
    voxels = array if hasattr(array, "transpose") else np.asarray(array)
    found, dims = _letters(present, voxels.shape), _letters(wanted)
    extra = [dim for dim in found if dim not in dims]
    for dim in extra:
        length = voxels.shape[found.index(dim)]
        if length != 1:
            raise MetadataError(
                f"order axes: expected {dim!r} to be one of {_shown(dims)}, because its length is {length}"
            )
    ordered = voxels.transpose([found.index(dim) for dim in (*extra, *(dim for dim in dims if dim in found))])
    return ordered[(0,) * len(extra) + tuple(slice(None) if dim in found else None for dim in dims)]


def _letters(dims: Any, shape: tuple[int, ...] | None = None) -> tuple[str, ...]:
    """Return the letters of axes.

    Raises
    ------
    MetadataError
        If they are not different letters, one for each axis of a shape.
    """
    letters = tuple(dims) if isinstance(dims, str | Sequence) else ()
    is_right = all(isinstance(dim, str) and len(dim) == 1 for dim in letters) and len(set(letters)) == len(letters)
    if not is_right or (shape is not None and len(letters) != len(shape)):
        number = "letters" if shape is None else f"{len(shape)} letters, for the shape {shape},"
        raise MetadataError(f"order axes: expected different {number} and found {brief(dims)}")
    return letters


def _check_image(lengths: Mapping[str, int]) -> None:
    """Refuse axes that no image has.

    Raises
    ------
    MetadataError
    """
    missing = [dim for dim in ("x", "y") if dim not in lengths]
    if missing:
        raise MetadataError(f"order axes: expected the axes x and y and found {_shown(lengths)}")
    empty = [dim for dim, length in lengths.items() if not length]
    if empty:
        raise MetadataError(
            f"order axes: expected at least one voxel along each axis and found none along {empty[0]!r}"
        )
    if lengths.get("c", 0) > max(lengths["x"], lengths["y"]):
        raise MetadataError(
            f"order axes: expected fewer channels than voxels along x and y, and found {lengths['c']} channels of "
            f"{lengths['x']} × {lengths['y']} voxels; give each axis its letter"
        )


def _shown(dims: Iterable[str]) -> str:
    return ", ".join(dims)
