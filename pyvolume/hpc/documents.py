"""The DataStore's documents about datasets, read and written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyvolume.errors import MetadataError, NotFoundError, UnsupportedError
from pyvolume.hpc.levels import LevelInfo
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.metadata import VoxelsMetadata
from pyvolume.model.nearest import hint

VOXEL_TYPES = (*(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)), "float32", "float64")
"""The voxel types of the server, which are names of dtypes."""

DIMS = ("c", "x", "y", "z", "t", "a")
"""The axes of a dataset."""

BLOCK_SHAPE = (64, 64, 64)
"""Voxels of a block along x, y and z, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of a dataset that a volume shows: all of it, or one time point, channel or angle.

    Parameters
    ----------
    timepoint, channel, angle : int, optional
        The id of the only one that is shown. The axis of time or of angles is dropped then. A channel leaves an axis of
        length 1, because the first axis of every volume is the channel.
    """

    timepoint: int | None = None
    channel: int | None = None
    angle: int | None = None

    @property
    def dims(self) -> tuple[str, ...]:
        """The axes of the volume."""
        dropped = {name for name, value in (("t", self.timepoint), ("a", self.angle)) if value is not None}
        return tuple(dim for dim in DIMS if dim not in dropped)

    def words(self) -> dict[str, str]:
        """Return the view as words of a query."""
        given = {"timepoint": self.timepoint, "channel": self.channel, "angle": self.angle}
        return {name: str(value) for name, value in given.items() if value is not None}


EVERYTHING = View()
"""The view of all time points, channels and angles."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What the server says of a dataset.

    Parameters
    ----------
    uuid : str
        Names the dataset.
    label : str
        A name for people, empty if there is none.
    dtype : dtype
        Of the voxels.
    size : tuple of int
        Voxels along x, y and z in full resolution.
    levels : tuple of LevelInfo
        The resolution levels, in the order of the server.
    timepoints : tuple of int
        The ids of the time points, sorted.
    channels, angles : int
        How many there are; their ids begin at 0.
    versions : tuple of int
        Sorted.
    resolution : tuple of float
        Size of a voxel along x, y, z and t, and between angles; 1 where the server does not say it.
    units : tuple of str
        Of the resolution, likewise.
    compression : str
        How the server stores blocks.
    """

    uuid: str
    label: str
    dtype: np.dtype[Any]
    size: tuple[int, ...]
    levels: tuple[LevelInfo, ...]
    timepoints: tuple[int, ...]
    channels: int
    angles: int
    versions: tuple[int, ...]
    resolution: tuple[float, ...]
    units: tuple[str, ...]
    compression: str

    def level_index(self, level: int | Sequence[int]) -> int:
        """Return the index of a level, which is given by its index or by its three factors.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        action = f"open {self.uuid}"
        if isinstance(level, Iterable):
            factors = tuple(arguments.integer(n, action, "a factor") for n in arguments.each_of(level, action, "level"))
            wanted = ",".join(map(str, factors))
            number = next((index for index, each in enumerate(self.levels) if each.factors == factors), -1)
        else:
            wanted = str(number := arguments.integer(level, action, "level"))
        if 0 <= number < len(self.levels):
            return number
        known = ", ".join(f"{index} ({each})" for index, each in enumerate(self.levels))
        raise NotFoundError(f"open {self.uuid}: no level {wanted}; the levels are {known}", action=f"open {self.uuid}")

    def check_view(self, view: View) -> None:
        """Refuse a time point, channel or angle that the dataset does not have.

        Raises
        ------
        NotFoundError
        """
        for name, value, known in (
            ("time point", view.timepoint, self.timepoints),
            ("channel", view.channel, range(self.channels)),
            ("angle", view.angle, range(self.angles)),
        ):
            if value is not None and value not in known:
                shown = ", ".join(map(str, known))
                raise NotFoundError(
                    f"open {self.uuid}: no {name} {value}; there are {shown}", action=f"open {self.uuid}"
                )

    def metadata(self, level: int, view: View) -> VoxelsMetadata:
        """Return what a volume of a level is."""
        channels = range(self.channels) if view.channel is None else [view.channel]
        sizes = dict(zip("xyz", self.levels[level].size(self.size), strict=True))
        lengths = {"c": len(channels), **sizes, "t": len(self.timepoints), "a": self.angles}
        factors = {**dict(zip("xyz", self.levels[level].factors, strict=True)), "t": 1, "a": 1}
        resolution = dict(zip("xyzta", self.resolution, strict=True))
        units = dict(zip("xyzta", self.units, strict=True))
        labels = {"c": [f"channel-{each}" for each in channels], "t": [str(each) for each in self.timepoints]}
        behind = view.dims[1:]
        return VoxelsMetadata.of(
            [lengths[dim] for dim in view.dims],
            self.dtype,
            dims=view.dims,
            resolution=[resolution[dim] * factors[dim] for dim in behind],
            units=[units[dim] for dim in behind],
            labels={dim: labels[dim] for dim in labels if dim in view.dims},
        )


def dataset_info(document: Mapping[str, Any], uuid: str) -> DatasetInfo:
    """Read the answer of ``GET /datasets/UUID``. Older servers leave keys out.

    Raises
    ------
    MetadataError
        If the voxel type is none, or a time point is named twice.
    """
    voxel_type = document["voxelType"].lower()  # the server keeps the letters of whoever created the dataset
    if voxel_type not in VOXEL_TYPES:
        known = hint(voxel_type, VOXEL_TYPES)
        raise MetadataError(f"open {uuid}: unknown voxel type {brief(voxel_type)}; {known}", path="$.voxelType")
    ids = document.get("timepointIds") or range(document.get("timepoints") or 0)
    if len(set(ids)) < len(ids):  # a schema would compare each with each other one
        raise MetadataError(f"open {uuid}: a time point is named twice in {brief(ids)}", path="$.timepointIds")
    time, angle = (_quantity(document.get(name)) for name in ("timepointResolution", "angleResolution"))
    resolution = [_length(each) for each in document.get("voxelResolution") or (1, 1, 1)]
    return DatasetInfo(
        uuid=uuid,
        label=document.get("label") or "",
        dtype=np.dtype(voxel_type),
        size=tuple(document["dimensions"]),
        levels=tuple(_level(each) for each in document["resolutionLevels"]),
        timepoints=tuple(sorted(ids)),
        channels=document.get("channels", 1),
        angles=document.get("angles", 1),
        versions=tuple(sorted(document["versions"])),
        resolution=(*resolution, time[0], angle[0]),
        units=(*[document.get("voxelUnit") or ""] * 3, time[1], angle[1]),
        compression=document.get("compression") or "",
    )


def _level(document: Mapping[str, Any]) -> LevelInfo:
    fx, fy, fz = document["resolutions"]
    bx, by, bz = document["blockDimensions"]
    return LevelInfo((fx, fy, fz), (bx, by, bz))


def _quantity(document: Mapping[str, Any] | None) -> tuple[float, str]:
    """Return value and unit; the server writes 0 where nobody gave a value."""
    given = document or {}
    return _length(given.get("value") or 0), given.get("unit") or ""


def _length(value: float) -> float:
    return float(value) if math.isfinite(value) and value > 0 else 1.0


def dataset_of(
    metadata: VoxelsMetadata, block_shape: Sequence[int] | None, levels: Sequence[Sequence[float]] | None, action: str
) -> dict[str, Any]:
    """Return the arguments of `DataStore.create_dataset` for a volume.

    Parameters
    ----------
    metadata : VoxelsMetadata
        Of axes c, x, y and z, and t and a if there are any.
    block_shape : sequence of int, optional
        Voxels of a block along x, y and z.
    levels : sequence, optional
        For each resolution level its factors along the axes of the volume.
    action : str
        For messages.

    Raises
    ------
    UnsupportedError
        For axes or factors that the DataStore does not have.
    MetadataError
        If x, y and z have different units.
    """
    dims = metadata.dims
    if dims[:4] != DIMS[:4] or not set(dims) <= set(DIMS):
        raise UnsupportedError(
            f"{action}: expected the axes c, x, y, z, and t and a if any, and found {', '.join(dims)}"
        )
    lengths = dict(zip(dims, metadata.shape, strict=True))
    sizes, units = (dict(zip(dims[1:], each, strict=True)) for each in (metadata.resolution, metadata.units))
    if len({units[dim] for dim in "xyz"}) > 1:
        raise MetadataError(f"{action}: expected one unit for x, y and z and found {metadata.units[:3]}")
    factors = [(1, 1, 1)] if levels is None else [tuple(each[1:4]) for each in levels]
    others = [factor for each in levels or () for factor in (each[0], *each[4:])]
    if any(n != int(n) for each in factors for n in each) or any(n != 1 for n in others):
        raise UnsupportedError(
            f"{action}: expected whole factors along x, y and z, and 1 along others, and found {levels}"
        )
    blocks = BLOCK_SHAPE if block_shape is None else block_shape
    return {
        "shape": [lengths[dim] for dim in "xyz"],
        "dtype": metadata.dtype,
        "timepoints": lengths.get("t", 1),
        "channels": lengths["c"],
        "angles": lengths.get("a", 1),
        "levels": [(tuple(map(int, each)), blocks) for each in factors],
        "resolution": [sizes[dim] for dim in "xyz"],
        "unit": units["x"],
        "time_resolution": (sizes.get("t", 0.0), units.get("t", "")),
    }
