"""Data instances of the imageblk family: their types, properties and extents."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from mockserver.dvid.model.blocks import PIECES, Voxels
from mockserver.dvid.model.settings import Base, DataType, Origin, base_from, point_setting, text_setting
from mockserver.dvid.wire.bodies import Config
from mockserver.dvid.wire.geometry import Box, Point, parse_integer
from mockserver.http.messages import Refused

Extents = tuple[Point, Point]
V = TypeVar("V", bound="Volume")


@dataclass(frozen=True)
class VoxelType:
    """The type of the voxels: one data type, one label for each channel."""

    type: DataType
    dtype: np.dtype[Any]
    labels: tuple[str, ...]


def _voxel_type(name: str, dtype: np.dtype[Any], labels: tuple[str, ...], version: str = "0.1") -> VoxelType:
    return VoxelType(DataType(name, version, f"imageblk/{name.removesuffix('blk')}.go"), dtype, labels)


def _plain_type(dtype: str, version: str = "0.1") -> VoxelType:
    return _voxel_type(f"{dtype}blk", np.dtype(dtype).newbyteorder("<"), (dtype,), version)


TYPES = {
    kind.type.name: kind
    for kind in (
        _plain_type("uint8", "0.2"),
        _plain_type("uint16"),
        _plain_type("uint32"),
        _plain_type("uint64"),
        _plain_type("float32"),
        _voxel_type("rgba8blk", np.dtype("u1"), ("red", "green", "blue", "alpha"), "0.2"),
    )
}


def type_of(dtype: np.dtype[Any], channels: int) -> VoxelType:
    """Return the type for an array; a type that DVID does not have gets a name like DVID's."""
    dtype = dtype.newbyteorder("<")
    if channels == 1:
        return TYPES.get(f"{dtype.name}blk", _voxel_type(f"{dtype.name}blk", dtype, (dtype.name,)))
    if channels == 4 and dtype == np.uint8:
        return TYPES["rgba8blk"]
    return _voxel_type(f"{dtype.name}blk", dtype, tuple(f"{dtype.name}-{i}" for i in range(channels)))


@dataclass
class Volume:
    """The voxels and the extents of an instance in each version."""

    base: Base
    kind: VoxelType
    block_size: Point
    voxel_size: tuple[float, ...]
    voxel_units: tuple[str, ...]
    background: int = 0
    scale_level: int = 0
    any_box: bool = False
    latest_extents: tuple[Point | None, Point | None] = (None, None)
    extents: dict[int, Extents] = field(default_factory=dict)
    voxels: Voxels = field(init=False)
    growing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        grid = PIECES.get(len(self.block_size), self.block_size) if self.any_box else self.block_size
        self.voxels = Voxels(self.kind.dtype, len(self.kind.labels), grid)

    @property
    def ndim(self) -> int:
        """Number of axes, without the channels."""
        return len(self.block_size)

    @property
    def jpeg_width(self) -> int | None:
        """Width of the JPEG in which a block is stored; None if blocks are not stored as JPEG."""
        match = re.fullmatch("jpeg compression, level ([0-9]+)", self.base.compression)
        return parse_integer(match[1]) if match else None

    @property
    def unusable(self) -> bool:
        """Whether no box fits the blocks; DVID accepts a block size of two or four numbers."""
        return not self.any_box and self.ndim != 3

    def own_extents(self, lineage: Sequence[int]) -> Extents | None:
        """Return the extents stored in a version or its nearest ancestor."""
        return next((self.extents[version] for version in lineage if version in self.extents), None)

    def extents_in(self, lineage: Sequence[int]) -> Extents | None:
        """Return the extents shown in a version.

        DVID uses the latest extents of any version if there are none, also those of a sibling.
        """
        own = self.own_extents(lineage)
        low, high = own or self.latest_extents
        return None if low is None or high is None else (low, high)

    def grow(self, lineage: Sequence[int], box: Box) -> None:
        """Extend the extents of a version to hold `box`, also an empty one."""
        with self.growing:
            own = self.own_extents(lineage)
            low, high = own or (box.start, box.last)
            low = tuple(map(min, low, box.start))
            high = tuple(map(max, high, box.last))
            if own != (low, high):
                self.extents[lineage[0]] = self.latest_extents = (low, high)


def from_config(config: Config, origin: Origin) -> Volume:
    """Create a volume from the settings of a client; the keys of `config` are in lower case.

    Raises
    ------
    Refused
        With DVID's text for the first setting that DVID refuses.
    """
    return volume_from(Volume, TYPES[config["typename"]], config, origin)


def volume_from(make: type[V], kind: VoxelType, config: Config, origin: Origin) -> V:
    """Create a volume of a class from the settings of a client."""
    base = base_from(config, kind.type, origin)
    block_size = point_setting(config, "BlockSize") or (32, 32, 32)
    _refuse_grid_store(config)
    size, units = _voxel_size(config), text_setting(config, "VoxelUnits")
    low, high = point_setting(config, "MinPoint"), point_setting(config, "MaxPoint")
    return make(
        base,
        kind,
        block_size,
        size,
        tuple(units.split(",")) if units is not None else ("nanometers",) * 3,
        latest_extents=(low, high),
        background=_background(config),
        scale_level=_scale_level(config),
    )


def of_array(name: str, kind: VoxelType, ndim: int, origin: Origin) -> Volume:
    """Create a volume for an array; only with three axes it has DVID's rule of whole blocks."""
    return Volume(
        Base(name, kind.type, origin),
        kind,
        (32, 32, 32) if ndim == 3 else (1,) * ndim,
        (8.0,) * ndim,
        ("nanometers",) * ndim,
        any_box=ndim != 3,
    )


def _voxel_size(config: Config) -> tuple[float, ...]:
    text = text_setting(config, "VoxelSize")
    if text is None:
        return (8.0, 8.0, 8.0)
    return tuple(_parse_float(word.strip()) for word in text.split(","))


def _parse_float(text: str) -> float:
    try:
        return float(np.float32(text))
    except ValueError:
        raise Refused(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _background(config: Config) -> int:
    text = text_setting(config, "Background")
    if text is None:
        return 0
    if not re.fullmatch("[0-9]+", text):
        raise Refused(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    value = int(text.lstrip("0")[:4] or "0")
    if value > 255:
        raise Refused(f'strconv.ParseUint: parsing "{text}": value out of range')
    return value


def _refuse_grid_store(config: Config) -> None:
    if (store := text_setting(config, "GridStore")) is not None:
        complaint = f'could not find store with alias "{store}" in TOML config file'
        raise Refused(f"bad store ({store}) designated for GridStore: {complaint}")


def _scale_level(config: Config) -> int:
    text = text_setting(config, "ScaleLevel")
    return 0 if text is None else parse_integer(text, function="Atoi", bits=64)
