"""Data instances of the imageblk family: their types, properties and extents."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import gojson
from .geometry import Box, Point, parse_integer, parse_point, wrapped
from .messages import Refused
from .voxels import PIECES, Voxels

Extents = tuple[Point, Point]
Config = dict[str, Any]

RESERVED_NAMES = frozenset({"log", "branch", "note", "commit", "newversion"})
COMPRESSIONS = {
    "none": "No compression, level -1",
    "snappy": "Go Snappy compression, level -1",
    "lz4": "LZ4 compression, level -1",
    "gzip": "gzip compression, level -1",
}
CHECKSUMS = {"none": "No checksum", "crc32": "CRC32 checksum"}
FLAGS = {"false": False, "0": False, "true": True, "1": True}


@dataclass(frozen=True)
class VoxelType:
    """What kind of values an instance holds: one data type, one label for each channel."""

    name: str
    dtype: np.dtype[Any]
    labels: tuple[str, ...]
    version: str = "0.1"

    @property
    def url(self) -> str:
        """The URL by which DVID names the type."""
        return f"github.com/janelia-flyem/dvid/datatype/imageblk/{self.name.removesuffix('blk')}.go"


def _plain_type(dtype: str, version: str = "0.1") -> VoxelType:
    return VoxelType(f"{dtype}blk", np.dtype(dtype).newbyteorder("<"), (dtype,), version)


TYPES = {
    kind.name: kind
    for kind in (
        _plain_type("uint8", "0.2"),
        _plain_type("uint16"),
        _plain_type("uint32"),
        _plain_type("uint64"),
        _plain_type("float32"),
        VoxelType("rgba8blk", np.dtype("u1"), ("red", "green", "blue", "alpha"), "0.2"),
    )
}


def type_of(dtype: np.dtype[Any], channels: int) -> VoxelType:
    """Return the type for handed-over arrays; those that DVID lacks are made up in its manner."""
    dtype = dtype.newbyteorder("<")
    if channels == 1:
        return TYPES.get(f"{dtype.name}blk", VoxelType(f"{dtype.name}blk", dtype, (dtype.name,)))
    if channels == 4 and dtype == np.uint8:
        return TYPES["rgba8blk"]
    return VoxelType(f"{dtype.name}blk", dtype, tuple(f"{dtype.name}-{i}" for i in range(channels)))


@dataclass
class Instance:
    """One data instance; its voxels and extents differ from version to version."""

    name: str
    kind: VoxelType
    repo_uuid: str
    data_uuid: str
    block_size: Point
    voxel_size: tuple[float, ...]
    voxel_units: tuple[str, ...]
    compression: str = COMPRESSIONS["lz4"]
    checksum: str = CHECKSUMS["none"]
    versioned: bool = True
    tags: dict[str, str] | None = None
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
        """Width of the gray pictures that blocks are stored as, or None if they are stored as they are."""
        match = re.fullmatch("jpeg compression, level ([0-9]+)", self.compression)
        return int(match[1]) if match else None

    @property
    def unusable(self) -> bool:
        """Whether its blocks fit no box: DVID accepts two or four numbers as block size, and nobody can delete it."""
        return not self.any_box and self.ndim != 3

    def own_extents(self, lineage: Sequence[int]) -> Extents | None:
        """Return the extents stored in a version or its nearest ancestor."""
        return next((self.extents[version] for version in lineage if version in self.extents), None)

    def extents_in(self, lineage: Sequence[int]) -> Extents | None:
        """Return the extents shown in a version.

        DVID falls back to the latest extents of any version, so those of a sibling may show.
        """
        own = self.own_extents(lineage)
        low, high = own or self.latest_extents
        return None if low is None or high is None else (low, high)

    def grow(self, lineage: Sequence[int], box: Box) -> None:
        """Extend the extents of a version to hold `box`, as posted; even an empty box counts."""
        with self.growing:
            own = self.own_extents(lineage)
            low, high = own or (box.start, box.last)
            low = tuple(map(min, low, box.start))
            high = tuple(map(max, high, box.last))
            if own != (low, high):
                self.extents[lineage[0]] = self.latest_extents = (low, high)


def from_config(config: Config, repo_uuid: str, data_uuid: str) -> Instance:
    """Make an instance of what a client asked for; the keys of `config` are in lower case.

    Raises
    ------
    Refused
        With DVID's words for the first setting it does not take.
    """
    name, kind = config["dataname"], TYPES[config["typename"]]
    if name in RESERVED_NAMES:
        raise Refused(f'cannot use reserved name "{name}"')
    common = (_compression(config), _checksum(config), _versioned(config), _tags(config))
    block_size = _point(config, "BlockSize") or (32, 32, 32)
    _refuse_grid_store(config)
    size, units = _voxel_size(config), text_setting(config, "VoxelUnits")
    low, high = _point(config, "MinPoint"), _point(config, "MaxPoint")
    return Instance(
        name,
        kind,
        repo_uuid,
        data_uuid,
        block_size,
        size,
        tuple(units.split(",")) if units is not None else ("nanometers",) * 3,
        *common,
        latest_extents=(low, high),
        background=_background(config),
        scale_level=_scale_level(config),
    )


def of_array(name: str, kind: VoxelType, ndim: int, repo_uuid: str, data_uuid: str) -> Instance:
    """Make an instance for a handed-over array; only three axes follow DVID's block rule."""
    return Instance(
        name,
        kind,
        repo_uuid,
        data_uuid,
        (32, 32, 32) if ndim == 3 else (1,) * ndim,
        (8.0,) * ndim,
        ("nanometers",) * ndim,
        any_box=ndim != 3,
    )


def text_setting(config: Config, key: str) -> str | None:
    """Return a setting, which DVID wants to be a JSON string."""
    value = config.get(key.lower())
    if key.lower() in config and not isinstance(value, str):
        raise Refused(f"Setting for '{key}' was not a string: {gojson.show(value)}")
    return value


def _point(config: Config, key: str) -> Point | None:
    text = text_setting(config, key)
    return None if text is None else parse_point(text, ",")


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
    if int(text) > 255:
        raise Refused(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _refuse_grid_store(config: Config) -> None:
    if (store := text_setting(config, "GridStore")) is not None:
        complaint = f'could not find store with alias "{store}" in TOML config file'
        raise Refused(f"bad store ({store}) designated for GridStore: {complaint}")


def _scale_level(config: Config) -> int:
    text = text_setting(config, "ScaleLevel")
    return 0 if text is None else parse_integer(text, function="Atoi", bits=64)


def _compression(config: Config) -> str:
    text = text_setting(config, "Compression") or "lz4"
    word = text.lower()
    if word in COMPRESSIONS:
        return COMPRESSIONS[word]
    if word == "jpeg":
        block = text_setting(config, "BlockSize") or "32"
        return f"jpeg compression, level {block.split(',')[0]}"
    if match := re.fullmatch("gzip:(.*)", word):
        return _gzip(match[1])
    raise Refused(f"Illegal compression specified: {text}")


def _gzip(level: str) -> str:
    try:
        number = wrapped(parse_integer(level, function="Atoi", bits=64), 8)
    except Refused:
        words = "Should be 'gzip:<level>'"
        raise Refused(f'unable to parse gzip compression level ("{level}").  {words}') from None
    if number == 0:
        return COMPRESSIONS["none"]
    # DVID takes a level that gzip does not know, and then stores without compression.
    return f"gzip compression, level {number}" if number in range(-1, 10) else "No compression, level 0"


def _checksum(config: Config) -> str:
    text = text_setting(config, "Checksum")
    if text is None:
        return CHECKSUMS["none"]
    if text.lower() not in CHECKSUMS:
        raise Refused(f"Illegal checksum specified: {text}")
    return CHECKSUMS[text.lower()]


def _versioned(config: Config) -> bool:
    if isinstance(config.get("versioned"), bool):
        return bool(config["versioned"])
    text = text_setting(config, "Versioned")
    if text is None:
        return True
    if text.lower() not in FLAGS:
        words = "needs to be 'false', '0', 'true', or '1'"
        raise Refused(f"Illegal setting for 'versioned' ({words}): {text}")
    return FLAGS[text.lower()]


def _tags(config: Config) -> dict[str, str] | None:
    text = text_setting(config, "Tags")
    if text is None:
        return None
    pairs = [word.split("=") for word in text.split(",")]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and pair[0]}
