"""Pieces: the boxes of a transfer, made when they are needed, because a large volume has more than memory holds."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from pyvolume.model.box import Box
from pyvolume.transfer.grid import cut, kinds

SHOWN = 8
"""Boxes that did not arrive are printed up to here."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How boxes are cut, see `pyvolume.transfer.grid.cut`."""

    grid: tuple[int, ...]
    most: int
    most_cells: int | None = None

    def pieces(self, box: Box) -> Iterator[Box]:
        """Cut a box."""
        return cut(box, self.grid, self.most, self.most_cells)

    def kinds(self, box: Box, number: int) -> Iterator[tuple[Box, int]]:
        """Give one piece of each size of so many boxes, and how many of it there are."""
        for piece, times in kinds(box, self.grid, self.most, self.most_cells):
            yield piece, number * times


@dataclass(frozen=True, slots=True)
class Pieces:
    """Boxes that are cut. They are made anew by each iteration.

    Parameters
    ----------
    parts : iterable of Box
        What is cut; it can be iterated more than once.
    cuts : tuple of Cut
        One after the other.
    keep : callable, optional
        Returns what is left of a piece, or None.
    keeps_parts : bool
        Whether a part that is not cut is left as it is, whatever `keep` says.
    """

    parts: Iterable[Box] = ()
    cuts: tuple[Cut, ...] = ()
    keep: Callable[[Box], Box | None] | None = None
    keeps_parts: bool = False

    @classmethod
    def of_box(cls, box: Box, whole: Box, grid: tuple[int, ...], most: int) -> Pieces:
        """Cut a box between cells of a grid: into the parts of it that lie in pieces of the cells around it.

        Parameters
        ----------
        box : Box
            What is cut.
        whole : Box
            The cells around it.
        grid : tuple of int
            The shape of a cell.
        most : int
            Voxels in a piece of `whole`, at least one cell.
        """
        return cls((whole,), (Cut(grid, most),), box.intersection)

    def __iter__(self) -> Iterator[Box]:
        if self.keep is not None and self.keeps_parts:
            return itertools.chain.from_iterable(map(self._kept, self.parts))
        boxes = self._cut(iter(self.parts))
        return boxes if self.keep is None else filter(None, map(self.keep, boxes))

    def _cut(self, boxes: Iterator[Box]) -> Iterator[Box]:
        for each in self.cuts:
            boxes = itertools.chain.from_iterable(map(each.pieces, boxes))
        return boxes

    def _kept(self, part: Box) -> Iterator[Box]:
        """Cut a part, and keep what is left of its pieces; of one that is not cut all is left."""
        assert self.keep is not None
        pieces = self._cut(iter((part,)))
        return (each for piece in pieces if (each := piece if piece is part else self.keep(piece)) is not None)

    def cut(self, further: Cut) -> Pieces:
        """Return the pieces that these are cut into."""
        return dataclasses.replace(self, cuts=(*self.cuts, further))

    def kinds(self) -> Iterator[tuple[Box, int]]:
        """Give one piece of each size, and how many of it there are; one by one if not all are kept."""
        if self.keep is not None:
            return zip(self, itertools.repeat(1), strict=False)
        found: Iterator[tuple[Box, int]] = zip(self.parts, itertools.repeat(1), strict=False)
        for each in self.cuts:
            found = itertools.chain.from_iterable(itertools.starmap(each.kinds, found))
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """A box that is moved; `merged` says that what is stored in it is read before it is written."""

    box: Box
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a transfer in the order in which they start. They are made anew by each iteration.

    Parameters
    ----------
    straight : Pieces
        What is read, or written as it is.
    merged : Pieces
        What is completed with what is stored.
    """

    straight: Pieces
    merged: Pieces = Pieces()

    def __iter__(self) -> Iterator[Step]:
        return itertools.chain(map(Step, self.straight), map(functools.partial(Step, merged=True), self.merged))


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Remaining(Collection[Box]):
    """The boxes of a transfer that did not arrive. They are made anew by each iteration.

    Parameters
    ----------
    failed : tuple of Box
        Those that were begun.
    steps : iterable of Step
        All steps of the transfer; it can be iterated more than once.
    begun : int
        How many of them were begun.
    """

    failed: tuple[Box, ...]
    steps: Iterable[Step]
    begun: int

    def __iter__(self) -> Iterator[Box]:
        return itertools.chain(self.failed, (step.box for step in itertools.islice(self.steps, self.begun, None)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __contains__(self, box: object) -> bool:
        return any(each == box for each in self)

    def __repr__(self) -> str:
        first = list(itertools.islice(self, SHOWN + 1))
        return f"[{', '.join(map(repr, first[:SHOWN]))}{', ...' if len(first) > SHOWN else ''}]"
