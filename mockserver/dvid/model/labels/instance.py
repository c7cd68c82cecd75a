"""Data instances of labels: labelmap, labelarray and labelblk."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mockserver.dvid.model.blocks import Voxels
from mockserver.dvid.model.labels.index import Index
from mockserver.dvid.model.labels.numbers import Numbers
from mockserver.dvid.model.layers import Layers
from mockserver.dvid.model.lineage import Lineage
from mockserver.dvid.model.settings import FLAGS, DataType, Origin, text_setting
from mockserver.dvid.model.volumes import Volume, VoxelType, volume_from
from mockserver.dvid.wire.bodies import Config
from mockserver.dvid.wire.geometry import Box, Point, parse_integer
from mockserver.http.messages import Refused

View = Callable[[NDArray[np.uint64]], NDArray[np.uint64]]

TYPES: Mapping[str, VoxelType] = {
    name: VoxelType(DataType(name, "0.1"), np.dtype("<u8"), (name,)) for name in ("labelmap", "labelarray", "labelblk")
}


@dataclass
class Labels(Volume):
    """Labels in each version: voxels at several scales, the index of each body, the mapping of supervoxels.

    The voxels are supervoxels; a labelmap maps them to bodies.
    """

    indexed: bool = True
    counted: bool = True
    max_downres: int = 0
    numbers: Numbers = field(init=False)
    levels: dict[int, Voxels] = field(default_factory=dict)
    bodies: Layers[int, Index] = field(default_factory=Layers)
    mapping: Layers[int, int] = field(default_factory=Layers)
    gaps: Layers[tuple[int, Point], bool] = field(default_factory=Layers)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.levels[0] = self.voxels
        self.numbers = Numbers(self.base.name)

    @property
    def is_map(self) -> bool:
        """Whether supervoxels are mapped to bodies."""
        return self.kind.type.name == "labelmap"

    @property
    def has_scales(self) -> bool:
        """Whether there are lower scales, and bodies."""
        return self.kind.type.name != "labelblk"

    def level(self, scale: int) -> Voxels:
        """Return the voxels of a scale."""
        return self.levels.setdefault(scale, Voxels(self.kind.dtype, 1, self.block_size))

    def pyramid(self) -> list[Voxels]:
        """Return the voxels of the scales that the server makes, the finest first."""
        return [self.level(scale) for scale in range(self.max_downres + 1)]

    def mapped(self, lineage: Lineage, supervoxel: int) -> int:
        """Return the body of a supervoxel; 0 if it was split or renamed."""
        found = self.mapping.get(lineage, supervoxel)
        return supervoxel if found is None else found

    def counted_in(self, lineage: Lineage, supervoxel: int) -> int:
        """Return the body that gets the voxels of a written supervoxel.

        DVID counts nothing for a supervoxel that only versions of another branch map; this is body 0.
        """
        found = self.mapping.get(lineage, supervoxel)
        return found if found is not None else 0 if self.mapping.anywhere(supervoxel) else supervoxel

    def body(self, lineage: Lineage, label: int) -> Index | None:
        """Return the index of a body; None if there is no such body."""
        return self.bodies.get(lineage, label)

    def view(self, lineage: Lineage) -> View:
        """Return a function that replaces the supervoxels of an array by bodies."""
        moved = {old: new for old, new in sorted(self.mapping.seen(lineage).items()) if old != new}
        if not moved:
            return as_stored
        old, new = np.array(list(moved), np.uint64), np.array(list(moved.values()), np.uint64)
        return lambda voxels: _replaced(voxels, old, new)

    def grow_in_all(self, lineage: Lineage, box: Box) -> None:
        """Extend the extents of a version to hold `box`, if those of the instance do not.

        DVID compares with the extents of all versions, and gives them to this one.
        """
        with self.growing:
            low, high = self.latest_extents
            new_low = tuple(map(min, low or box.start, box.start))
            new_high = tuple(map(max, high or box.last, box.last))
            if (low, high) == (new_low, new_high):
                return
            self.latest_extents = (new_low, new_high)
            own_low, own_high = self.own_extents(lineage) or (new_low, new_high)
            self.extents[lineage[0]] = (tuple(map(min, own_low, new_low)), tuple(map(max, own_high, new_high)))


def as_stored(voxels: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return supervoxels as they are."""
    return voxels


def _replaced(voxels: NDArray[np.uint64], old: NDArray[np.uint64], new: NDArray[np.uint64]) -> NDArray[np.uint64]:
    at = np.minimum(np.searchsorted(old, voxels), len(old) - 1)
    return np.asfortranarray(np.where(old[at] == voxels, new[at], voxels))


def from_config(config: Config, origin: Origin) -> Labels:
    """Create an instance from the settings of a client; the keys of `config` are in lower case.

    Raises
    ------
    Refused
        With DVID's text for the first setting that DVID refuses.
    """
    kind = TYPES[config["typename"]]
    name = kind.type.name
    if name == "labelblk":
        return volume_from(Labels, kind, config, origin)
    if name == "labelmap" and (size := text_setting(config, "BlockSize")) is not None:
        match = re.match("([0-9]+)(?:,([0-9]+)(?:,([0-9]+))?)?", size)
        if any(int(number or 0) % 16 for number in (match.groups() if match else ())):
            raise Refused("BlockSize must be multiples of 16")
    config.setdefault("blocksize", "64,64,64")
    config.setdefault("compression", "gzip")
    labels = volume_from(Labels, kind, config, origin)
    labels.indexed = _flag(config, "IndexedLabels")
    labels.counted = name == "labelmap" or _flag(config, "CountLabels")
    labels.max_downres = _levels(config)
    return labels


def _flag(config: Config, key: str) -> bool:
    text = text_setting(config, key)
    if text is None:
        return True
    if text.lower() not in FLAGS:
        raise Refused(f"Cannot parse '{text}' as a boolean.  Use 'true', 'false', '0', or '1'.")
    return FLAGS[text.lower()]


def _levels(config: Config) -> int:
    text = text_setting(config, "MaxDownresLevel")
    levels = 0 if text is None else parse_integer(text, function="Atoi", bits=64)
    if not 0 <= levels <= 255:
        raise Refused(f"illegal number of down-res levels specified ({levels}): must be 0 <= n <= 255")
    return levels
