"""Scales: the resolution levels of one image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pyvolume.errors import MetadataError

Store = TypeVar("Store", covariant=True)


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

    Raises
    ------
    MetadataError
        If the levels contradict each other.
    """

    levels: tuple[Level[Store], ...]
    current: int = 0

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
