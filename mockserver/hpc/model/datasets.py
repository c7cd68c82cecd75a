"""Datasets: what the server has in its database, and what is in the folder of each."""

from __future__ import annotations

import math
import threading
import uuid as uuids
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Triple = tuple[int, int, int]
Place = tuple[int, int, int, int, int, int]
"""Block indices along x, y and z, time point, channel and angle."""

FULL = (1, 1, 1)
"""The factors of the full resolution."""

LONGEST_UNIT = 255
LONGEST_OTHER_UNIT = 137
"""Characters that fit into a row of the database."""

FORBIDDEN = ":\\/*\"?|<>'"
"""Characters of a label that the server replaces by blanks."""


@dataclass(frozen=True)
class Block:
    """A block as it was stored: its shape, and big-endian voxels with the first axis fastest."""

    shape: Triple
    voxels: bytes


@dataclass(frozen=True)
class Level:
    """One resolution level. The server takes pairs too, with which nothing can be done."""

    factors: tuple[int, ...]
    block_shape: tuple[int, ...]

    def size(self, full: Sequence[int]) -> Triple:
        """Return the voxels of the level along each axis."""
        x, y, z = (max(1, n // factor) for n, factor in zip(full, self.factors, strict=True))
        return x, y, z


@dataclass
class Version:
    """One version: blocks by the index of their level and their place. A phantom has a folder without metadata."""

    blocks: dict[tuple[int, Place], Block] = field(default_factory=dict)
    is_phantom: bool = False


@dataclass
class Dataset:
    """One dataset.

    Parameters
    ----------
    uuid : str
        Its name.
    row : dict or None
        What the database has of it, by the keys of a query; None if the row was lost.
    levels : list of Level
        In the order in which they were created.
    dtype : str
        Lower case.
    size : tuple of int
        Voxels along x, y and z.
    timepoints : list of int
        Their ids.
    channels, angles : int
        How many the folder has.
    label : str
        The name of a file in the folder; empty for none.
    created : dict
        The document that created it.
    """

    uuid: str
    row: dict[str, Any] | None
    levels: list[Level]
    dtype: str
    size: tuple[int, ...]
    timepoints: list[int]
    channels: int
    angles: int
    label: str
    created: dict[str, Any]
    metadata: str = ""
    versions: dict[int, Version] = field(default_factory=lambda: {0: Version()})
    initialised: set[int] = field(default_factory=set)

    @property
    def listed(self) -> list[int]:
        """The versions that a query lists, every name of digits in the folder, also the name of a label."""
        return [*([int(self.label)] if self.label.isdigit() else []), *self.versions]

    @property
    def is_bricked(self) -> bool:
        """Whether version 0 is gone, from which the server reads everything."""
        return 0 not in self.versions

    def level(self, factors: Sequence[int]) -> int | None:
        """Return the index of a level."""
        found = [index for index, each in enumerate(self.levels) if each.factors == tuple(factors)]
        return found[0] if found else None

    def find(self, version: int | str, level: int, place: Place) -> Block | None:
        """Return a block; of ``"mixedLatest"`` the newest one."""
        if isinstance(version, int):
            return self.versions[version].blocks.get((level, place))
        blocks = (self.versions[number].blocks.get((level, place)) for number in sorted(self.versions, reverse=True))
        return next((block for block in blocks if block is not None), None)

    def new_version(self) -> int:
        """Make a version without blocks; a copy of a phantom is a phantom."""
        latest = max(self.versions)
        self.versions[latest + 1] = Version(is_phantom=self.versions[latest].is_phantom)
        return latest + 1

    def voxels(self, version: int | str, level: int, timepoint: int, channel: int, angle: int) -> NDArray[Any]:
        """Return the voxels of a level, zeros where nothing is stored."""
        shape, cell = self.levels[level].size(self.size), self.levels[level].block_shape
        out = np.zeros(shape, self.dtype, order="F")
        for x, y, z in np.ndindex(*(math.ceil(n / c) for n, c in zip(shape, cell, strict=True))):
            block = self.find(version, level, (x, y, z, timepoint, channel, angle))
            if block is not None:
                start = [index * c for index, c in zip((x, y, z), cell, strict=True)]
                place = tuple(slice(a, a + n) for a, n in zip(start, block.shape, strict=True))
                kept = out[place]
                kept[...] = self.array(block)[tuple(map(slice, kept.shape))]
        return out

    def array(self, block: Block) -> NDArray[Any]:
        """Return the voxels of a block."""
        wire = np.dtype(self.dtype).newbyteorder(">")
        return np.frombuffer(block.voxels, wire).reshape(block.shape, order="F")

    def put(self, version: int, level: int, view: tuple[int, int, int], voxels: NDArray[Any]) -> None:
        """Store the voxels of a whole level, cut into blocks; `view` is time point, channel and angle."""
        cell, wire = self.levels[level].block_shape, np.dtype(self.dtype).newbyteorder(">")
        for index in np.ndindex(*(math.ceil(n / c) for n, c in zip(voxels.shape, cell, strict=True))):
            place = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, cell, strict=True))
            part = voxels[place]
            x, y, z = part.shape
            block = Block((x, y, z), part.astype(wire).tobytes(order="F"))
            self.versions[version].blocks[level, (*index, *view)] = block


class Datasets:
    """All datasets of a server; `lock` is held while one is looked at or changed."""

    def __init__(self) -> None:
        self.by_uuid: dict[str, Dataset] = {}
        self.lock = threading.RLock()

    def __iter__(self) -> Iterator[Dataset]:
        return iter(list(self.by_uuid.values()))

    def create(self, document: dict[str, Any]) -> Dataset:
        """Make a dataset of a checked document; too long a unit loses its row."""
        label = (document.get("label") or "").translate(dict.fromkeys(map(ord, FORBIDDEN), " "))
        ids = sorted(document.get("timepointIds") or range(document.get("timepoints", 1) or 0))
        levels = [_level(each) for each in document["resolutionLevels"]]
        made = Dataset(
            str(uuids.uuid4()),
            None,
            levels,
            document["voxelType"].lower(),
            tuple(int(n) for n in document["dimensions"]),
            ids,
            _count(document, "channels"),
            _count(document, "angles"),
            label,
            document,
        )
        units = [(document.get(f"{name}Resolution") or {}).get("unit") for name in ("timepoint", "channel", "angle")]
        fits = len(document.get("voxelUnit") or "") <= LONGEST_UNIT
        if fits and all(len(unit or "") <= LONGEST_OTHER_UNIT for unit in units):
            made.row = _row(document)
        self.by_uuid[made.uuid] = made
        return made

    @staticmethod
    def register(dataset: Dataset) -> None:
        """Make the row of a folder; nothing happens if it does not fit."""
        document = dataset.created
        if len(document.get("voxelUnit") or "") > LONGEST_UNIT:
            return
        known = {"raw", "gzip", "bzip2", "lz4", "xz"}
        compression = document["compression"].lower()
        nothing = {f"{name}Resolution": None for name in ("timepoint", "channel", "angle")}
        dataset.row = _row(document) | nothing | {
            "compression": compression if compression in known else "raw",
            "channels": dataset.channels,
            "timepoints": len(dataset.timepoints),
        }  # fmt: skip


def _level(document: dict[str, Any]) -> Level:
    return Level(tuple(document["resolutions"]), tuple(document["blockDimensions"]))


def _count(document: dict[str, Any], name: str) -> int:
    return int(document.get(name, 1) or 0)


def _row(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a query answers, without what the folder says."""
    return {
        "voxelType": document["voxelType"],
        "dimensions": [int(n) for n in document["dimensions"]],
        "timepoints": _count(document, "timepoints"),
        "channels": _count(document, "channels"),
        "angles": _count(document, "angles"),
        "voxelUnit": document.get("voxelUnit"),
        "voxelResolution": [float(n) for n in document["voxelResolution"]],
        "timepointResolution": _quantity(document.get("timepointResolution")),
        "channelResolution": _quantity(document.get("channelResolution")),
        "angleResolution": _quantity(document.get("angleResolution")),
        "compression": document["compression"],
        "resolutionLevels": [
            {"resolutions": each["resolutions"], "blockDimensions": each["blockDimensions"]}
            for each in document["resolutionLevels"]
        ],
    }


def _quantity(document: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if document is None else {"value": float(document.get("value", 0.0)), "unit": document.get("unit")}
