"""Levels: the datasets s0, s1, … of a group, which are one image in several resolutions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyvolume.errors import NotFoundError
from pyvolume.n5.address import shown_level
from pyvolume.n5.axes import arrangement_of, factors_of
from pyvolume.n5.client import Client, inside
from pyvolume.n5.documents import dataset_info, is_dataset

_LEVEL = re.compile(r"s\d{1,4}")


@dataclass(frozen=True, slots=True)
class LevelOfGroup:
    """A resolution level.

    Parameters
    ----------
    path : str
        Of its dataset.
    factors : mapping of float
        The size of a voxel in voxels of the first level, by axis.
    """

    path: str
    factors: Mapping[str, float]


def level_paths(client: Client, group: str) -> list[str]:
    """Return the datasets of a group that are called s0, s1, …, the finest first."""
    names = [name for name in client.folders(group) if _LEVEL.fullmatch(name)]
    paths = [inside(group, name) for name in sorted(names, key=lambda name: int(name[1:]))]
    return [path for path in paths if is_dataset(client.attributes(path))]


def levels_around(client: Client, path: str) -> tuple[LevelOfGroup, ...]:
    """Return the levels of the image that a dataset belongs to; itself alone if it is not called as a level is."""
    group, _, name = path.rpartition("/")
    paths = level_paths(client, group) if _LEVEL.fullmatch(name) else []
    if path not in paths:
        return (LevelOfGroup(path, {}),)
    documents = [(each, client.attributes(each) or {}) for each in paths]
    first = documents[0][1]
    return tuple(LevelOfGroup(each, _factors(first, document, client.full(each))) for each, document in documents)


def _factors(first: Mapping[str, Any], document: Mapping[str, Any], path: str) -> dict[str, float]:
    """Return the factors of a level: those that it says, else what the lengths of its axes tell."""
    full, info = dataset_info(first, path), dataset_info(document, path)
    axes = arrangement_of(document, len(info.size), path).axes
    said, begin = factors_of(document, axes), factors_of(first, axes)
    sizes = dict(zip(axes, zip(full.size, info.size, strict=False), strict=False))
    told = {axis: said[axis] / begin.get(axis, 1.0) for axis in said} or {
        axis: _ratio(*pair) for axis, pair in sizes.items()
    }
    return {axis: max(1.0, factor) for axis, factor in told.items()}


def _ratio(full: int, length: int) -> float:
    """Return the factor of which the lengths of an axis are rounded."""
    nearest = round(full / max(1, length))
    is_right = nearest and length in {full // nearest, -(-full // nearest)}
    return float(nearest) if is_right else full / max(1, length)


def chosen(levels: Sequence[Sequence[float]], level: int | tuple[int, ...], what: str) -> int:
    """Return the index of a level, which is given by its index or by its factors.

    Parameters
    ----------
    levels : sequence of sequence of float
        The factors of each level.
    level : int or tuple of int
        Which one.
    what : str
        For messages.

    Raises
    ------
    NotFoundError
        It lists the levels.
    """
    if isinstance(level, int):
        wanted, number = str(level), level
    else:
        wanted = shown_level(level)
        number = next((at for at, each in enumerate(levels) if tuple(each) == level), -1)
    if 0 <= number < len(levels):
        return number
    known = ", ".join(f"{at} ({shown_level(each)})" for at, each in enumerate(levels))
    raise NotFoundError(f"open {what}: no level {wanted}; the levels are {known}", action=f"open {what}")
