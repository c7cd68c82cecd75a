"""Running rows: everyone once in each round, in random order."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.contenders.base import CannotDo
from benchmarks.entrants import taking_part
from benchmarks.field import Field, Way
from benchmarks.results import Outcome, Results
from benchmarks.rows import Row
from benchmarks.worker import Failed, Worker

ROW_SECONDS = 15.0
"""After so much time of its own in one row a contender sits out further rounds."""


@dataclass
class Run:
    """A run under way.

    Parameters
    ----------
    ground : Field
    rounds : int
    chosen : frozenset of str, optional
        Contenders; all if not given.
    """

    ground: Field
    rounds: int
    chosen: frozenset[str] | None
    results: Results = field(default_factory=Results)
    _workers: dict[str, Worker] = field(default_factory=dict)

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.close()

    def row(self, row: Row) -> None:
        """Measure one row."""
        self.results.rows.append(row)
        names = taking_part(row, self.chosen)
        for name in names:
            self.results.outcomes[row.name, name] = Outcome()
        if not row.canned:
            with self.ground.reached(row, counted=True) as way:
                for name in names:
                    self._count(row, name, way)
        with self.ground.reached(row) as way:
            for name in names:
                self._begin(row, name, way)
            self._rounds(row, names)
            for name in names:
                self._attempt(row, name, "release")
            if row.memory and sys.platform == "linux":
                for name in names:
                    self._peak(row, name, way)

    def _begin(self, row: Row, name: str, way: Way) -> None:
        self._attempt(row, name, "prepare", row, way.place(row, name))
        if row.warms_up:
            self._attempt(row, name, "warm_up")
        self._attempt(row, name, "probe")

    def _rounds(self, row: Row, names: list[str]) -> None:
        spent = dict.fromkeys(names, 0.0)
        for number in range(self.rounds):
            for name in random.sample(names, len(names)):
                if spent[name] > ROW_SECONDS:
                    continue
                began = time.monotonic()
                sample = self._attempt(row, name, "sample")
                spent[name] += time.monotonic() - began
                if sample is not None:
                    outcome = self.results.outcomes[row.name, name]
                    outcome.seconds[number], outcome.processor[number] = sample

    def _count(self, row: Row, name: str, way: Way) -> None:
        self._attempt(row, name, "prepare", row, way.place(row, name))
        way.requests()
        times = self._attempt(row, name, "probe")
        if times is not None:
            self.results.outcomes[row.name, name].requests = way.requests() / times
        self._attempt(row, name, "release")

    def _peak(self, row: Row, name: str, way: Way) -> None:
        outcome = self.results.outcomes[row.name, name]
        if outcome.why:
            return
        fresh = Worker(name, self.ground.root)
        with contextlib.suppress(Failed, CannotDo):
            outcome.peak = fresh.ask("peak", row, way.place(row, name))
        fresh.close()

    def _attempt(self, row: Row, name: str, verb: str, *arguments: object) -> Any:
        """Let a contender do something, unless it has failed in this row."""
        outcome = self.results.outcomes[row.name, name]
        if outcome.why:
            return None
        if name not in self._workers:
            self._workers[name] = Worker(name, self.ground.root)
        try:
            return self._workers[name].ask(verb, *arguments)
        except CannotDo as reason:
            outcome.why = str(reason)
        except Failed as reason:
            outcome.why = f"fails: {reason}"
            self._workers.pop(name).close()
        return None
