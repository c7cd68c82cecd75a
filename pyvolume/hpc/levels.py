"""Levels: the resolution levels of a dataset, and the grid of blocks of each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyvolume.errors import MetadataError
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.scales import proposed_factors

BLOCK_VOXELS = 64**3
"""Voxels of a proposed block, at most."""


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """One resolution level.

    Parameters
    ----------
    factors : tuple of int
        Size of its voxels in voxels of the full resolution, along x, y and z.
    block_shape : tuple of int
        Shape of its blocks, along x, y and z.
    """

    factors: tuple[int, int, int]
    block_shape: tuple[int, int, int]

    def __str__(self) -> str:
        return ",".join(map(str, self.factors))

    def size(self, full: Sequence[int]) -> tuple[int, ...]:
        """Return the voxels of this level along x, y and z, for the size of the full resolution."""
        return tuple(max(1, n // factor) for n, factor in zip(full, self.factors, strict=True))


def propose(size: Sequence[int], resolution: Sequence[float]) -> tuple[LevelInfo, ...]:
    """Propose levels that become roughly isotropic, in blocks of at most 64³ voxels, the finest first.

    Each level halves the axes whose voxels are not much larger than the smallest ones, until the longest side has at
    most 256 voxels.

    Parameters
    ----------
    size : sequence of int
        Voxels along x, y and z.
    resolution : sequence of float
        Size of a voxel along x, y and z.

    Examples
    --------
    >>> [str(level) for level in propose((1000, 800, 90), (0.4, 0.4, 1.6))]
    ['1,1,1', '2,2,1', '4,4,1']
    """
    found = []
    for x, y, z in proposed_factors(size, resolution):
        voxel = [factor * length for factor, length in zip((x, y, z), resolution, strict=True)]
        found.append(LevelInfo((x, y, z), _block_shape(voxel)))
    return tuple(found)


def _block_shape(voxel: Sequence[float]) -> tuple[int, int, int]:
    """Return the shape of blocks that are roughly cubes, for voxels of this size; powers of two."""
    shape = [1, 1, 1]
    while shape[0] * shape[1] * shape[2] * 2 <= BLOCK_VOXELS:
        lengths = [n * length for n, length in zip(shape, voxel, strict=True)]
        shape[lengths.index(min(lengths))] *= 2
    return shape[0], shape[1], shape[2]


def checked_levels(levels: object, action: str) -> tuple[LevelInfo, ...]:
    """Return levels that are given as `LevelInfo` or as pairs of factors and block shape.

    Raises
    ------
    MetadataError
        If one is none, if the first one is not the full resolution, or if one is there twice.
    """
    found = [_checked_level(each, action) for each in arguments.each_of(levels, action, "levels")]
    if not found or found[0].factors != (1, 1, 1):
        raise MetadataError(f"{action}: the first level has the factors (1, 1, 1), found {brief(levels)}")
    if len({each.factors for each in found}) < len(found):
        raise MetadataError(f"{action}: expected each level once and found {brief(levels)}")
    return tuple(found)


def _checked_level(level: Any, action: str) -> LevelInfo:
    pair = (level.factors, level.block_shape) if isinstance(level, LevelInfo) else level
    try:
        factors, block_shape = ([arguments.integer(n, action, "a level", 1) for n in triple] for triple in pair)
        (fx, fy, fz), (bx, by, bz) = factors, block_shape
    except (TypeError, ValueError):
        raise MetadataError(
            f"{action}: a level is a pair of factors and block shape, each of three integers above 0, "
            f"not {brief(level)}"
        ) from None
    return LevelInfo((fx, fy, fz), (bx, by, bz))


def cells(start: Sequence[int], stop: Sequence[int], cell: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Iterate over the indices of the cells of a grid between two corners, the first axis fastest."""
    ranges = [range(a // c, -(-b // c)) for a, b, c in zip(start, stop, cell, strict=True)]
    for index in itertools.product(*reversed(ranges)):
        yield index[::-1]
