"""Scales: the resolution levels of one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pyvolume.errors import MetadataError

Store = TypeVar("Store", covariant=True)

LARGEST_SIDE = 256
"""The longest side in voxels of the coarsest proposed level, as BigDataViewer proposes them."""

ISOTROPIC = 2
"""An axis is halved while its voxels are smaller than the largest ones divided by the square root of this."""


@dataclass(frozen=True, slots=True)
class Level(Generic[Store]):
    """One resolution level of an image.

    Parameters
    ----------
    factors : tuple of float
        Size of its voxels in voxels of level 0, one entry per axis, channel first, e.g. ``(1, 2, 2, 1)``.
    open : callable
        Opens the store of the level. Each level has an address of its own.
    """

    factors: tuple[float, ...]
    open: Callable[[], Store]


@dataclass(frozen=True, slots=True)
class Scales(Generic[Store]):
    """The resolution levels of one image, the finest first.

    Parameters
    ----------
    levels : tuple of Level
        All levels; the factors of the first are 1.
    current : int
        Which of them the volume shows.
    absolute : bool
        Whether a voxel covers those of the finest level at its own coordinates times the factors, as on DVID. If not,
        the first voxel of each level covers the first ones of the finest level.

    Raises
    ------
    MetadataError
        If the levels contradict each other.
    """

    levels: tuple[Level[Store], ...]
    current: int = 0
    absolute: bool = False

    def __post_init__(self) -> None:
        factors = [level.factors for level in self.levels]
        if not factors or any(factor != 1 for factor in factors[0]):
            raise MetadataError(f"scales: the factors of the first level are 1 on every axis, not {factors[:1]}")
        if len({len(each) for each in factors}) != 1 or not all(factor >= 1 for each in factors for factor in each):
            raise MetadataError(f"scales: factors are 1 or more, one for each axis of every level, not {factors}")
        if not 0 <= self.current < len(factors):
            raise MetadataError(f"scales: expected a level from 0 to {len(factors) - 1} and found {self.current}")

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def factors(self) -> tuple[tuple[float, ...], ...]:
        """The factors of each level."""
        return tuple(level.factors for level in self.levels)


def proposed_factors(
    size: Sequence[int], resolution: Sequence[float], count: int | None = None
) -> tuple[tuple[int, ...], ...]:
    """Propose levels that become roughly isotropic, the finest first.

    Each level halves the axes whose voxels are not much larger than the smallest ones.

    Parameters
    ----------
    size : sequence of int
        Voxels along each axis of space.
    resolution : sequence of float
        Size of a voxel along these.
    count : int, optional
        How many levels, if there are enough voxels; by default until the longest side has at most 256 voxels.

    Returns
    -------
    tuple of tuple of int
        For each level the size of its voxels in voxels of the first one.

    Examples
    --------
    >>> proposed_factors((1000, 800, 90), (0.4, 0.4, 1.6))
    ((1, 1, 1), (2, 2, 1), (4, 4, 1))
    """
    factors = (1,) * len(size)
    found = [factors]
    while True:
        left = [max(1, n // factor) for n, factor in zip(size, factors, strict=True)]
        if (max(left) <= LARGEST_SIDE if count is None else len(found) == count) or max(left) == 1:
            return tuple(found)
        voxel = [factor * length for factor, length in zip(factors, resolution, strict=True)]
        smallest = min(length for length, n in zip(voxel, left, strict=True) if n > 1)
        halved = [length < ISOTROPIC * smallest and n > 1 for length, n in zip(voxel, left, strict=True)]
        factors = tuple(factor * 2 if half else factor for factor, half in zip(factors, halved, strict=True))
        found.append(factors)
