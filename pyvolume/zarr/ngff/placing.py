"""Between an image of OME-Zarr (NGFF) and a volume: sizes and places of voxels, levels."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.model.arguments import one_of
from pyvolume.model.axes import AXES
from pyvolume.zarr.ngff.documents import KINDS, Axis, Dataset, Image
from pyvolume.zarr.ngff.names import letters_of, ngff_unit, pyvolume_unit

MOST_AXES = 5
"""An image of NGFF has so many axes at most."""

METHODS = ("mean", "mode", "label", "stride")
"""How the voxels of a coarser level come from finer ones, as `build_pyramid` makes them."""


@dataclass(frozen=True, slots=True)
class Physical:
    """How large the voxels of one level are and where they lie, by the letter of the axis.

    Parameters
    ----------
    resolution : mapping of str to float
        Size of a voxel.
    units : mapping of str to str
        Its unit in pyvolume's words, e.g. ``"nanometers"``; empty where none is said.
    translation : mapping of str to float
        Where the center of voxel 0 lies, in the same unit.
    """

    resolution: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    translation: Mapping[str, float] = field(default_factory=dict)


def completed(image: Image, shapes: Sequence[Sequence[int]], action: str = "read OME-Zarr") -> Image:
    """Return an image with the scales that its document does not say, by the shapes of the arrays of its levels.

    Documents before NGFF 0.4 say no scales. The voxels of the finest level have the size 1 then.

    Parameters
    ----------
    image : Image
        As read.
    shapes : sequence of shapes
        One for each level, axes as on disk.
    action : str, optional
        For messages.

    Raises
    ------
    MetadataError
        If an array has another number of axes than the image, or no voxels.
    """
    for level, shape in enumerate(shapes):
        image.check_array(level, len(shape), action)
    finest = image.datasets[0].scale or (1.0,) * len(image.axes)
    datasets = []
    for dataset, shape in zip(image.datasets, shapes, strict=True):
        factors = map(_factor_of_lengths, shapes[0], shape)
        scale = dataset.scale or tuple(size * factor for size, factor in zip(finest, factors, strict=True))
        datasets.append(dataclasses.replace(dataset, scale=scale))
    return dataclasses.replace(image, datasets=tuple(datasets))


def _factor_of_lengths(fine: int, coarse: int) -> float:
    """Return by which factor an axis became shorter; whole ones can have dropped or kept an incomplete voxel."""
    if not fine or not coarse:
        return 1.0
    whole = round(fine / coarse)
    return float(whole) if whole and coarse in (fine // whole, -(-fine // whole)) else fine / coarse


def levels(image: Image, dims: Sequence[str], action: str = "read OME-Zarr") -> tuple[tuple[float, ...], ...]:
    """Return the factors of each level relative to level 0, one per axis of a volume.

    Parameters
    ----------
    image : Image
        Each level has a scale, see `completed`.
    dims : sequence of str
        The letters of the volume's axes; the factor of one that is not on disk is 1.
    action : str, optional
        For messages.

    Raises
    ------
    MetadataError
        If a level is finer than level 0, or has no scale.
    UnsupportedError
        As `letters_of`.
    """
    letters = letters_of(image, action)
    found = []
    for number, dataset in enumerate(image.datasets):
        factors = tuple(map(_ratio, dataset.scale, image.datasets[0].scale))
        where = f"{image.where}.datasets[{number}]"
        if not factors:
            raise MetadataError(f"{action}: expected a scale at {where} and found none", path=where)
        if any(factor < 1 for factor in factors):
            expected = f"expected no voxels smaller than those of {image.datasets[0].path}, the first level,"
            raise MetadataError(f"{action}: {expected} at {where} and found the scale {dataset.scale}", path=where)
        by_letter = dict(zip(letters, factors, strict=True))
        found.append(tuple(by_letter.get(dim, 1.0) for dim in dims))
    return tuple(found)


def _ratio(coarse: float, fine: float) -> float:
    """Return a ratio; products of rounded sizes are not exactly whole ones."""
    ratio = coarse / fine
    return float(round(ratio)) if math.isclose(ratio, round(ratio), rel_tol=1e-6) else ratio


def physical(image: Image, level: int = 0, action: str = "read OME-Zarr") -> Physical:
    """Return how large the voxels of a level are and where they lie.

    Parameters
    ----------
    image : Image
        As read, or completed.
    level : int, optional
        The number of the level. One without a scale has no resolution, see `completed`.
    action : str, optional
        For messages.

    Raises
    ------
    UnsupportedError
        As `letters_of`.
    """
    letters = letters_of(image, action)
    dataset = image.datasets[level]
    return Physical(
        resolution=dict(zip(letters, dataset.scale, strict=False)),
        units={letter: pyvolume_unit(axis.unit, letter) for letter, axis in zip(letters, image.axes, strict=True)},
        translation=dict(zip(letters, dataset.translation, strict=True)),
    )


def image_for(
    dims: Sequence[str],
    physical: Physical | None = None,
    *,
    factors: Sequence[Sequence[float]] | None = None,
    channels: Sequence[str] = (),
    name: str = "",
    method: str = "mean",
    action: str = "create OME-Zarr",
) -> Image:
    """Return the image to write for a volume, with its axes in the order t, c, z, y, x.

    Parameters
    ----------
    dims : sequence of str
        The letters of the axes to write, in any order, one of channels only if the arrays have it.
    physical : Physical, optional
        Sizes, units and places of the voxels of level 0; 1, none and 0 for an axis that it does not name.
    factors : sequence of sequences of float, optional
        The factors of each level, one for each of `dims`; one level by default.
    channels : sequence of str, optional
        The labels of the channels, where they are others than a volume has by itself.
    name : str, optional
        Of the image, for people.
    method : "mean", "mode", "label" or "stride"
        How the coarser levels come about. Their voxels lie in the middle of those that they are made of, but for
        "stride" at the first of them.
    action : str, optional
        For messages.

    Returns
    -------
    Image
        Its datasets are called ``0``, ``1``, …

    Raises
    ------
    UnsupportedError
        If NGFF cannot say it.
    ValueError
        If there is no such method.

    Examples
    --------
    >>> place = Physical({"x": 8, "y": 8}, {"x": "nanometers", "y": "nanometers"})
    >>> image = image_for("xy", place, factors=[(1, 1), (2, 2)])
    >>> image.axes[0]
    Axis(name='y', kind='space', unit='nanometer')
    >>> image.datasets[1]
    Dataset(path='1', scale=(16.0, 16.0), translation=(4.0, 4.0))
    """
    one_of(method, METHODS, action, "method")
    place = Physical() if physical is None else physical
    order = _on_disk(dims, action)
    sizes = [float(place.resolution.get(dim, 1.0)) for dim in order]
    origin = [float(place.translation.get(dim, 0.0)) for dim in order]
    datasets = []
    for number, each in enumerate(factors if factors is not None else [(1.0,) * len(dims)]):
        by_letter = dict(zip(dims, each, strict=True))
        ratios = [float(by_letter[dim]) for dim in order]
        shifts = [0.0 if method == "stride" else (ratio - 1) / 2 for ratio in ratios]
        scale = tuple(size * ratio for size, ratio in zip(sizes, ratios, strict=True))
        moved = zip(origin, shifts, sizes, strict=True)
        datasets.append(Dataset(str(number), scale, tuple(at + shift * size for at, shift, size in moved)))
    return Image(
        axes=tuple(Axis(dim, _kind(dim), ngff_unit(place.units.get(dim, ""), dim)) for dim in order),
        datasets=tuple(datasets),
        name=name,
        channels=() if _are_default(channels) else tuple(channels),
        method=method if len(datasets) > 1 else "",
    )


def _on_disk(dims: Sequence[str], action: str) -> list[str]:
    """Return the letters in the order on disk.

    Raises
    ------
    UnsupportedError
        If NGFF does not have these axes.
    """
    space = [dim for dim in "zyx" if dim in dims]
    others = [dim for dim in dims if dim not in KINDS]
    reason = ""
    if len(dims) > MOST_AXES:
        reason = f"at most {MOST_AXES} axes"
    elif len(space) < 2:
        reason = "two or three axes of x, y and z"
    elif len(others) + ("c" in dims) > 1:
        reason = "one axis beside those of space and time"
    if reason:
        found = ", ".join(dims)
        raise UnsupportedError(f'{action}: OME-Zarr has {reason}, and found {found}; format="zarr" can hold them')
    return [*(dim for dim in "t" if dim in dims), *(dim for dim in "c" if dim in dims), *others, *space]


def _kind(letter: str) -> str:
    return KINDS.get(letter) or AXES.get(letter, "")


def _are_default(labels: Sequence[str]) -> bool:
    """Whether these are the labels that a volume has by itself."""
    if len(labels) == 1:
        return labels[0] == "intensity"
    return all(label == f"channel-{at}" for label, at in zip(labels, itertools.count(), strict=False))
