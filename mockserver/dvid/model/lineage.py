"""Lineage: which values of a version and its ancestors are visible in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar, overload

V = TypeVar("V")


class Lineage(Sequence[int]):
    """The numbers of a version and its ancestors, the nearest first.

    Parameters
    ----------
    parents : mapping
        The parents of each version of the repository, by number.
    version : int
        Number of the version.
    """

    def __init__(self, parents: Mapping[int, Sequence[int]], version: int) -> None:
        self._ancestors: dict[int, AbstractSet[int]] = {}
        seen = _ancestors(parents, version) | {version}
        # A child has a higher number than its parents.
        self._versions = sorted(seen, reverse=True)
        if any(len(parents[number]) > 1 for number in seen):
            self._ancestors = {number: _ancestors(parents, number) for number in seen}

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> list[int]: ...

    def __getitem__(self, index: int | slice) -> int | list[int]:
        return self._versions[index]

    def __len__(self) -> int:
        return len(self._versions)

    def first(self, held: Iterable[tuple[int, V | None]]) -> V | None:
        """Return the value that is visible in this version.

        Without merges this is the nearest one. If both sides of a merge have changed the value, there is none, like on
        a real server: DVID says that the merge has no conflicts, and then finds two values.

        Parameters
        ----------
        held : iterable of (int, value)
            The versions that have a value, nearest first, and their values; None is a deletion.
        """
        if not self._ancestors:
            return next((value for _, value in held), None)
        found = dict(held)
        hidden = {number for version in found for number in self._ancestors[version]}
        live = [value for version, value in found.items() if version not in hidden and value is not None]
        return live[0] if len(live) == 1 else None


def _ancestors(parents: Mapping[int, Sequence[int]], version: int) -> AbstractSet[int]:
    seen, to_visit = set[int](), list(parents[version])
    while to_visit:
        number = to_visit.pop()
        if number not in seen:
            seen.add(number)
            to_visit += parents[number]
    return seen
