"""Tally: how often each row of values occurs, in rows that are counted part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Columns: TypeAlias = "tuple[NDArray[Any], ...]"


class Rows(NamedTuple):
    """Rows of values, sorted by the first column, then by the second one, and how often each occurs."""

    columns: Columns
    counts: NDArray[np.int64]


class Tally:
    """Counts rows; memory is needed for each different row.

    Parameters
    ----------
    *dtypes : dtype
        Of each column.
    """

    def __init__(self, *dtypes: np.dtype[Any]) -> None:
        self._parts = [Rows(tuple(np.empty(0, dtype) for dtype in dtypes), np.empty(0, np.int64))]

    def add(self, columns: Columns, counts: NDArray[np.int64] | None = None) -> None:
        """Count rows.

        Parameters
        ----------
        columns : tuple of ndarray
            One-dimensional, of the same length. Rows that follow each other are often equal, as in segmentations.
        counts : ndarray of int, optional
            How often each row is there; by default once.
        """
        rows = Rows(columns, counts) if counts is not None else _runs(columns)
        self._parts.append(_grouped(rows))
        # each is joined with one of its size, so that many rows are not sorted again for each part
        while len(self._parts) > 1 and len(self._parts[-1].counts) >= len(self._parts[-2].counts):
            self._join()

    def rows(self) -> Rows:
        """Return what was counted so far."""
        while len(self._parts) > 1:
            self._join()
        return self._parts[0]

    def _join(self) -> None:
        b, a = self._parts.pop(), self._parts.pop()
        columns = tuple(np.concatenate(pair) for pair in zip(a.columns, b.columns, strict=True))
        self._parts.append(_grouped(Rows(columns, np.concatenate((a.counts, b.counts)))))


def _runs(columns: Columns) -> Rows:
    """Count equal rows that follow each other."""
    first = np.flatnonzero(_begins(columns))
    return Rows(tuple(column[first] for column in columns), np.diff(first, append=len(columns[0])))


def _grouped(rows: Rows) -> Rows:
    """Sort rows, and add the counts of equal ones."""
    order = np.lexsort(rows.columns[::-1])
    columns = tuple(column[order] for column in rows.columns)
    first = np.flatnonzero(_begins(columns))
    if not len(first):
        return rows
    counts = np.add.reduceat(rows.counts[order], first)
    return Rows(tuple(column[first] for column in columns), counts)


def _begins(columns: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """Say for each row whether it is another one than the row before; a NaN equals a NaN."""
    begins = np.ones(len(columns[0]), bool)
    begins[1:] = False
    for column in columns:
        value, before = column[1:], column[:-1]
        differs = value != before
        if column.dtype.kind in "fc":
            differs &= (value == value) | (before == before)  # a NaN does not equal itself
        begins[1:] |= differs
    return begins
