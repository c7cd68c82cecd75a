"""Which labels an instance has given out: the largest of each version, and the next new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mockserver.http.messages import Refused

LARGEST = 2**64 - 1
"""Reserved by DVID as the end of a range."""


@dataclass
class Numbers:
    """The largest label in each version and in all of them, and the start of new labels if one is set."""

    name: str
    largest: dict[int, int] = field(default_factory=dict)
    largest_of_all: int = 0
    next: int = 0
    ceiling: int = 0

    def largest_in(self, lineage: Sequence[int]) -> int | None:
        """Return the largest label of a version and its ancestors; None if none of them has a label."""
        return max((self.largest[version] for version in lineage if version in self.largest), default=None)

    def saw(self, lineage: Sequence[int], label: int) -> None:
        """Record a label of a version."""
        if label:
            self.note(lineage, label)

    def note(self, lineage: Sequence[int], label: int) -> None:
        """Record a label, also 0: a version then has a largest label."""
        self._raise(lineage, label)
        self.largest_of_all = max(self.largest_of_all, self.largest[lineage[0]])

    def new(self, lineage: Sequence[int], count: int) -> tuple[int, int]:
        """Return the first and the last of new labels.

        Raises
        ------
        Refused
            If there are not so many labels left, or if none are wanted.
        """
        if count == 0:
            raise Refused("cannot request 0 new labels, must be 1 or more")
        last = (self.next or self.largest_of_all) + count
        if last >= LARGEST:
            at = f"next label {self.next}" if self.next else f"repo max {self.largest_of_all}"
            words = f'allocating {count} new labels for data "{self.name}" would overflow uint64 label space'
            raise Refused(f"{words} ({at})")
        if self.next and self.ceiling and last > self.ceiling:
            words = f'allocating {count} new labels for data "{self.name}"'
            raise Refused(f"{words} would exceed configured next label ceiling {self.ceiling}")
        if self.next:
            self.next = last
            self._raise(lineage, last)
        else:
            self.largest_of_all = self.largest[lineage[0]] = last
        return last - count + 1, last

    def new_label(self, lineage: Sequence[int]) -> int:
        """Return one new label."""
        return self.new(lineage, 1)[0]

    def set_next(self, label: int, ceiling: int | None) -> None:
        """Let new labels follow `label`, up to `ceiling`; 0 takes the ceiling away, None leaves it.

        Raises
        ------
        Refused
            With DVID's text for labels that cannot be.
        """
        if label == 0:
            raise Refused("label 0 is protected background value and cannot be used as next label")
        if label == LARGEST:
            raise Refused(f"next label start {label} is reserved and would overflow uint64 label space")
        limit = self.ceiling if ceiling is None else ceiling
        if limit and label > limit:
            raise Refused(f"next label start {label} would exceed next label ceiling {limit}")
        self.next, self.ceiling = label, limit

    def _raise(self, lineage: Sequence[int], label: int) -> None:
        self.largest[lineage[0]] = max(label, self.largest_in(lineage) or 0)
