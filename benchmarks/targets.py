"""What pyvolume wants to reach, as ratios within one run, beside what it has reached."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.entrants import is_peer
from benchmarks.results import Results
from benchmarks.rows import EIGHT, ONE, TABLE

BARE, NAIVE, OURS = "bare socket", "requests", "pyvolume"


@dataclass(frozen=True)
class Target:
    """One target.

    Parameters
    ----------
    name, text : str
    least, most : float, optional
        The bound.
    found : callable
        Gets the number out of the results, None where it was not measured.
    """

    name: str
    text: str
    found: Callable[[Results], float | None]
    least: float | None = None
    most: float | None = None

    def verdict(self, results: Results) -> tuple[str, str, str, str]:
        """Return name, text with bound, what was found, and whether that is enough."""
        number = self.found(results)
        sign, bound, enough = (
            ("≥", self.least, operator.ge) if self.least is not None else ("≤", self.most, operator.le)
        )
        assert bound is not None
        text = f"{self.text} {sign} {bound:g}"
        if number is None:
            return self.name, text, "–", "not measured"
        return self.name, text, f"{number:.3g}", "reached" if enough(number, bound) else "NOT REACHED"


def _times(name: str, row: str, other: str, least: float, ours: str = OURS) -> Target:
    """Make a target for speed beside another contender."""
    text = f"{row}: speed of {ours} / {other}"
    return Target(name, text, lambda results: results.ratio(row, ours, other), least=least)


def _processor(name: str, row: str, other: str, most: float) -> Target:
    text = f"{row}: processor seconds of {OURS} / {other}"
    return Target(name, text, lambda results: results.processor_ratio(row, OURS, other), most=most)


def _peak(name: str, row: str, most: float) -> Target:
    return Target(name, f"{row}: peak memory / box", lambda results: results.of(row, OURS).peak, most=most)


def _link(name: str, row: str, rate: float) -> Target:
    def found(results: Results) -> float | None:
        speed = results.speed(row, OURS)
        return None if speed is None else speed / rate

    return Target(name, f"{row}: speed / {rate:g} MB/s", found, least=0.98)


def _http_client_multiple(results: Results) -> float | None:
    ratio = results.ratio("into-4K", OURS, "http.client")
    return None if ratio is None else 1 / ratio


def _cost_of_failures(results: Results) -> float | None:
    multiple = results.between_rows("failing", "passed", OURS)
    return None if multiple is None else 1 - 1 / multiple


TARGETS = (
    _times("G1", "into-256M", BARE, 0.85),
    _times("G1", "into-512", BARE, 0.85),
    _times("G2", "into-256M", NAIVE, 8),
    _times("G2", "into-512", NAIVE, 8),
    _times("G3", "new-512", BARE, 0.85),
    _times("G3", "new-512", NAIVE, 4.5),
    _times("G4", "into-16M", BARE, 0.60),
    _times("G4", "into-16M", NAIVE, 4.5),
    _times("G5", "into-1M", BARE, 0.45),
    _times("G5", "into-1M", NAIVE, 2.3),
    _times("G6", "into-64", BARE, 0.25),
    _times("G6", "into-64", NAIVE, 2),
    Target("G7", "into-4K: seconds of pyvolume / http.client", _http_client_multiple, most=3),
    _times("G7", "into-4K", NAIVE, 1.6),
    *(
        _times("C1", row, BARE, 0.9, ours)
        for row in ("chunk-16M", "chunk-512", "chunks-16M", "chunks-512")
        for ours in (ONE, OURS)
    ),
    _processor("G8", "into-256M", BARE, 1.25),
    _processor("G8", "into-256M", NAIVE, 0.15),
    _peak("G9", "new-512", 1.02),
    _times("G10", "busy-512", NAIVE, 20),
    _times("P1", "post-256M", BARE, 0.90),
    _times("P1", "post-256M", NAIVE, 2.5),
    _peak("P1", "post-256M", 0.01),
    _times("P2", "post-C", NAIVE, 5),
    _peak("P2", "post-C", 0.15),
    _times("P3", "post-slice", NAIVE, 2.5),
    _peak("P3", "post-slice", 0.05),
    _times("S1", "capped", ONE, 6.5, EIGHT),
    _times("S1", "into-512", ONE, 0.9),
    _link("S2", "link-1G", 125),
    _link("S2", "link-10G", 1250),
    _times("R1", "read-512", "http.client, 4 threads", 0.9),
    Target("W1", "write-100 / write-128: seconds of pyvolume",
           lambda results: results.between_rows("write-100", "write-128", OURS), most=3),
    Target("F1", "failing: throughput lost to 1 % of requests failing", _cost_of_failures, most=0.1),
)  # fmt: skip


def verdicts(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """Give every target that was measured, and the fastest of ours beside the fastest peer in each row."""
    for target in TARGETS:
        verdict = target.verdict(results)
        if verdict[-1] != "not measured":
            yield verdict
    for row in TABLE:
        names = results.contenders(row.name)
        ours = _fastest(results, row.name, [name for name in names if name.startswith(OURS)])
        peer = _fastest(results, row.name, [name for name in names if is_peer(name)])
        if ours and peer:
            yield _times("V1", row.name, peer, 1, ours).verdict(results)


def _fastest(results: Results, row: str, names: Sequence[str]) -> str | None:
    speeds = {name: speed for name in names if (speed := results.speed(row, name)) is not None}
    return max(speeds, key=lambda name: speeds[name], default=None)
