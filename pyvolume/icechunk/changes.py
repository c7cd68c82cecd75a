"""Changes: what was written, and what two have written both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_NAMED = 5
"""Chunks that a message names."""


@dataclass(frozen=True, slots=True)
class Both:
    """What two have changed.

    Parameters
    ----------
    by_path : mapping of str to list of tuple of int
        The numbers of the chunks, by the path of the array.
    others : tuple of str
        The paths of arrays and groups of which they have changed attributes or the shape.
    """

    by_path: Mapping[str, list[tuple[int, ...]]] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_path or self.others)

    @property
    def chunks(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The path of the array and the numbers of each chunk."""
        return tuple((path, number) for path, found in self.by_path.items() for number in found)

    def __str__(self) -> str:
        named = [f"{path} {number}" for path, number in self.chunks]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        words = [f"the chunks {', '.join(named[:MOST_NAMED])}{more}"] if named else []
        return " and ".join([*words, *(f"the attributes or the shape of {path}" for path in self.others)])


@dataclass(frozen=True, slots=True)
class Changes:
    """What was changed.

    Parameters
    ----------
    chunks : mapping of str to set of tuple of int
        The numbers of chunks, by the path of the array.
    others : frozenset of str
        The paths of arrays and groups of which attributes or the shape were changed.
    """

    chunks: Mapping[str, set[tuple[int, ...]]] = field(default_factory=dict)
    others: frozenset[str] = frozenset()

    def both(self, other: Changes) -> Both:
        """Return what others have changed too."""
        shared = {path: found & other.chunks.get(path, set()) for path, found in self.chunks.items()}
        return Both(numbers({path: found for path, found in shared.items() if found}),
                    tuple(sorted(self.others & other.others)))  # fmt: skip


def changes_of(diff: Any) -> Changes:
    """Return what a diff of the library tells."""
    chunks = {path: set(map(tuple, found)) for path, found in diff.updated_chunks.items()}
    changed = diff.new_arrays | diff.new_groups | diff.updated_arrays | diff.updated_groups
    return Changes(chunks, frozenset(changed | diff.deleted_arrays | diff.deleted_groups))


def numbers(by_path: Mapping[str, Iterable[Iterable[int]]]) -> dict[str, list[tuple[int, ...]]]:
    """Return the numbers of chunks in order."""
    return {path: sorted(map(tuple, found)) for path, found in by_path.items()}
