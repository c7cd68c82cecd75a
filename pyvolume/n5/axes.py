"""The axes of a dataset, and the size of its voxels, as different programs say them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyvolume.errors import MetadataError, UnsupportedError
from pyvolume.files.axes import in_order
from pyvolume.model.arguments import brief
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.units import name_of, symbol_of, time_symbol_of
from pyvolume.n5.documents import DEFAULT_AXES, DatasetInfo
from pyvolume.n5.schemas import SCHEMAS

OURS = "pyvolume"
"""The attribute with what pyvolume says of a dataset."""

SPACE = "xyz"

_WORDS = {"channel": "c", "channels": "c", "time": "t"}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the axes of a volume lie in a dataset.

    Parameters
    ----------
    axes : str
        A letter for each axis of the dataset, in the order of N5.
    dims : tuple of str
        The axes of the volume, channel first; a channel that the dataset does not have is one voxel long.
    """

    axes: str
    dims: tuple[str, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """Which axis of the volume each axis of the dataset is."""
        return tuple(self.dims.index(axis) for axis in self.axes)

    def in_volume(self, lengths: Sequence[int]) -> tuple[int, ...]:
        """Return what is said of the axes of the dataset for those of the volume."""
        by_axis = dict(zip(self.axes, lengths, strict=True))
        return tuple(by_axis.get(dim, 1) for dim in self.dims)


def arrangement_of(attributes: Mapping[str, Any], ndim: int, path: str) -> Arrangement:
    """Return the axes of a dataset: those that its attributes name, else the first ones of x, y, z, c, t.

    Raises
    ------
    MetadataError
        If they do not fit the dataset.
    UnsupportedError
        If a name is not understood, or there are too many axes without names.
    """
    action = f"open {path}"
    ours = _ours(attributes, action)
    if ours is not None:
        axes, dims = "".join(ours["axes"]), tuple(ours["dims"])
        if len(axes) != ndim or dims[0] != "c" or set(axes) | {"c"} != set(dims):
            raise MetadataError(
                f"{action}: expected the attribute {OURS} for {ndim} axes and found {brief(dims)}", path=f"$.{OURS}"
            )
        return Arrangement(axes, dims)
    axes = next(_named(attributes, ndim, action), "") or DEFAULT_AXES.get(ndim, "")
    if not axes:
        raise UnsupportedError(
            f"{action}: expected an attribute axes with {ndim} letters, because the dataset has more than 5 axes"
        )
    if len(axes) != ndim or len(set(axes)) != ndim:
        raise MetadataError(f"{action}: expected {ndim} different axes and found {axes!r}", path="$.axes")
    return Arrangement(axes, tuple(in_order("c" + axes.replace("c", ""))))


def _ours(attributes: Mapping[str, Any], action: str) -> Mapping[str, Any] | None:
    found = attributes.get(OURS)
    if found is None:
        return None
    SCHEMAS.validate("n5-pyvolume-1", found, f"{action}: the attribute {OURS}")
    document: Mapping[str, Any] = found
    return document


def _named(attributes: Mapping[str, Any], ndim: int, action: str) -> Iterator[str]:
    """Give what attributes say of the axes: as TensorStore writes them, as COSEM does, which has the order of numpy."""
    transform = attributes.get("transform")
    cosem = transform.get("axes") if isinstance(transform, Mapping) else None
    for names in (attributes.get("axes"), cosem[::-1] if isinstance(cosem, list) else None):
        if isinstance(names, list | str) and len(names) == ndim and any(names):
            yield "".join(_letter(name, action) for name in names)


def _letter(name: Any, action: str) -> str:
    plain = str(name).lower()
    letter = _WORDS.get(plain, plain)
    if len(letter) != 1 or not letter.isalpha():
        raise UnsupportedError(
            f"{action}: expected axes called x, y, z, c, t or {', '.join(_WORDS)}, not {brief(name)}"
        )
    return letter


def metadata_of(
    attributes: Mapping[str, Any],
    parents: Sequence[Mapping[str, Any]],
    info: DatasetInfo,
    arrangement: Arrangement,
    *,
    path: str,
    factors: Mapping[str, float],
) -> VoxelsMetadata:
    """Return what a volume on a dataset is; its bounds begin at 0.

    Parameters
    ----------
    attributes : mapping
        Of the dataset.
    parents : sequence of mapping
        Of the groups around it, the nearest first: what they say is of the full resolution.
    info, arrangement
        As read from the attributes.
    path : str
        For messages.
    factors : mapping of float
        Of the level, by axis, if the attributes do not say them.

    Raises
    ------
    MetadataError
        If no volume is like that.
    """
    shape, dims = arrangement.in_volume(info.size), arrangement.dims
    ours = _ours(attributes, f"open {path}")
    if ours is not None:
        resolution, units, labels = ours["resolution"], ours["units"], ours.get("labels", {})
    else:
        said = calibration(attributes, parents, arrangement.axes, factors)
        resolution = [said.get(dim, (1.0, ""))[0] for dim in dims[1:]]
        units = [name_of(said.get(dim, (1.0, ""))[1]) for dim in dims[1:]]
        labels = {}
    try:
        return VoxelsMetadata.of(shape, info.form.dtype, dims=dims, resolution=resolution, units=units, labels=labels)
    except MetadataError as error:
        raise MetadataError(f"open {path}: {str(error).removeprefix('metadata: ')}") from None


def calibration(
    attributes: Mapping[str, Any], parents: Sequence[Mapping[str, Any]], axes: str, factors: Mapping[str, float]
) -> dict[str, tuple[float, str]]:
    """Return the size of a voxel and its unit, by axis: the first that says it, of the dataset and its parents."""
    by_axis: Mapping[str, float] = factors_of(attributes, axes)
    for number, each in enumerate((attributes, *parents)):
        own = _transform(each) or _resolution(each, axes)
        if own and number == 0:
            return own
        full = own or _pixel_resolution(each, axes)
        by_axis = by_axis or (factors if number else {})
        if full:
            return {axis: (size * by_axis.get(axis, 1.0), unit) for axis, (size, unit) in full.items()}
    return {}


def factors_of(attributes: Mapping[str, Any], axes: str) -> dict[str, float]:
    """Return the size of a voxel in voxels of the full resolution, by axis, as far as it is said."""
    said = _by_axis(attributes.get("downsamplingFactors"), None, axes)
    return {axis: factor for axis, (factor, _) in said.items() if factor >= 1}


def _transform(attributes: Mapping[str, Any]) -> dict[str, tuple[float, str]]:
    """Read what COSEM writes."""
    transform = attributes.get("transform")
    if not isinstance(transform, Mapping):
        return {}
    axes, sizes = transform.get("axes"), _numbers(transform.get("scale"))
    units = _texts(transform.get("units"), len(sizes))
    if not isinstance(axes, list) or len(axes) != len(sizes):
        return {}
    return {str(axis).lower(): pair for axis, pair in zip(axes, zip(sizes, units, strict=True), strict=True)}


def _resolution(attributes: Mapping[str, Any], axes: str) -> dict[str, tuple[float, str]]:
    """Read what TensorStore and BigDataViewer write."""
    return _by_axis(attributes.get("resolution"), attributes.get("units", attributes.get("unit")), axes)


def _pixel_resolution(attributes: Mapping[str, Any], axes: str) -> dict[str, tuple[float, str]]:
    """Read what n5-viewer and the plug-ins of Fiji write: the size in full resolution."""
    found = attributes.get("pixelResolution")
    if isinstance(found, Mapping):
        return _by_axis(found.get("dimensions"), found.get("unit"), axes)
    return _by_axis(found, None, axes)


def _by_axis(sizes: Any, units: Any, axes: str) -> dict[str, tuple[float, str]]:
    """Return sizes by axis: one for each axis, or for each of space."""
    numbers = _numbers(sizes)
    space = [axis for axis in axes if axis in SPACE]
    named = list(axes) if len(numbers) == len(axes) else space
    if not numbers or len(numbers) != len(named):
        return {}
    return dict(zip(named, zip(numbers, _texts(units, len(numbers)), strict=True), strict=True))


def _numbers(values: Any) -> list[float]:
    """Return numbers that can be sizes, none if one cannot."""
    given = values if isinstance(values, list) else []
    are_right = all(
        isinstance(each, int | float) and not isinstance(each, bool) and 0 < each < math.inf for each in given
    )
    return [float(min(each, 1e300)) for each in given] if are_right else []


def _texts(values: Any, count: int) -> list[str]:
    if isinstance(values, str):
        return [values] * count
    given = values if isinstance(values, list) and len(values) == count else [""] * count
    return [str(each or "") for each in given]


def described(metadata: VoxelsMetadata, axes: str) -> dict[str, Any]:
    """Return the attributes that say axes, sizes, units and labels, as several programs read them."""
    sizes = dict(zip(metadata.dims[1:], zip(metadata.resolution, metadata.units, strict=True), strict=True))
    pairs = [sizes.get(axis, (1.0, "")) for axis in axes]
    space = [sizes[axis] for axis in axes if axis in SPACE]
    found: dict[str, Any] = {
        "axes": list(axes),
        "resolution": [size for size, _ in pairs],
        "units": [_symbol(unit) for _, unit in pairs],
    }
    if space:
        found["pixelResolution"] = {"dimensions": [size for size, _ in space], "unit": _symbol(space[0][1])}
    labels = {dim: list(each) for dim, each in zip(metadata.dims, metadata.labels, strict=True) if each is not None}
    found[OURS] = {
        "axes": list(axes),
        "dims": list(metadata.dims),
        "resolution": list(metadata.resolution),
        "units": list(metadata.units),
        "labels": labels,
    }
    return found


def _symbol(unit: str) -> str:
    return symbol_of(unit) or time_symbol_of(unit) or unit


def axes_for(metadata: VoxelsMetadata) -> str:
    """Return the axes of a new dataset, in the order of N5; a single channel gets none."""
    letters = [dim for dim in metadata.dims if dim != "c"]
    space = "".join(axis for axis in SPACE if axis in letters)
    channel = "c" if metadata.bounds.shape[0] > 1 else ""
    rest = "".join(axis for axis in letters if axis not in SPACE)
    return f"{space}{channel}{rest}"
