"""What came out: numbers of every contender in every row, and the ratios between them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from benchmarks.rows import Row


@dataclass
class Outcome:
    """One contender in one row.

    Attributes
    ----------
    seconds, processor : dict of int to float
        By round, for doing it once.
    requests : float or None
        For doing it once.
    peak : float or None
        Of memory, as a multiple of the box.
    why : str
        Why there are no numbers, if there are none.
    """

    seconds: dict[int, float] = field(default_factory=dict)
    processor: dict[int, float] = field(default_factory=dict)
    requests: float | None = None
    peak: float | None = None
    why: str = ""

    @property
    def median(self) -> float | None:
        """Seconds for doing it once."""
        return statistics.median(self.seconds.values()) if self.seconds and not self.why else None


@dataclass
class Results:
    """All outcomes of a run."""

    rows: list[Row] = field(default_factory=list)
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)

    def of(self, row: str, contender: str) -> Outcome:
        """Return an outcome, an empty one where there is none."""
        return self.outcomes.get((row, contender), Outcome(why="not measured"))

    def contenders(self, row: str) -> list[str]:
        """Return who was asked to take part in a row."""
        return [contender for name, contender in self.outcomes if name == row]

    def speed(self, row: str, contender: str) -> float | None:
        """Return the median throughput in MB/s."""
        seconds = self.of(row, contender).median
        nbytes = next((each.nbytes for each in self.rows if each.name == row), 0)
        return None if seconds is None else nbytes / seconds / 1e6

    def ratio(self, row: str, contender: str, other: str) -> float | None:
        """Return how many times as fast as another: the median of the ratios within each round."""
        mine, theirs = self.of(row, contender), self.of(row, other)
        both = mine.seconds.keys() & theirs.seconds.keys()
        if mine.why or theirs.why or not both:
            return None
        return statistics.median(theirs.seconds[each] / mine.seconds[each] for each in both)

    def between_rows(self, row: str, other: str, contender: str) -> float | None:
        """Return the seconds in one row as a multiple of those in another."""
        mine, theirs = self.of(row, contender).median, self.of(other, contender).median
        return None if mine is None or theirs is None else mine / theirs

    def processor_per_gb(self, row: str, contender: str) -> float | None:
        """Return the median of processor seconds for each GB."""
        outcome = self.of(row, contender)
        nbytes = next((each.nbytes for each in self.rows if each.name == row), 0)
        if outcome.why or not outcome.processor or not nbytes:
            return None
        return statistics.median(outcome.processor.values()) / nbytes * 1e9

    def processor_ratio(self, row: str, contender: str, other: str) -> float | None:
        """Return the processor seconds as a multiple of those of another."""
        mine, theirs = self.processor_per_gb(row, contender), self.processor_per_gb(row, other)
        return None if mine is None or not theirs else mine / theirs
