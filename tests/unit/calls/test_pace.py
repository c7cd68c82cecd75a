"""The number of requests that a pace learns, on simulated lines."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable

import pytest

from pyvolume.calls.pace import FIRST, LADDER, Mark, Pace

MB = 1e6
SECONDS = 20.0

Line = Callable[[int, int, float], "float | None"]
"""Returns the seconds of a request, by how many are under way, its bytes, and the time; None for a refusal."""


def slowed_down(requests: int, nbytes: int, most: float) -> float:
    return 0.01 * (1 + (requests / most) ** 2) + nbytes / (100 * MB)


LINES: dict[str, Line] = {
    "fast": lambda n, nbytes, _: 0.0002 + nbytes / min(1000 * MB, 1500 * MB / n),
    "latent": lambda n, nbytes, _: 0.1 + nbytes / min(200 * MB, 2000 * MB / n),
    "limited per connection": lambda _n, nbytes, _: 0.1 + nbytes / (10 * MB),
    "limited in total": lambda n, nbytes, _: 0.02 + nbytes / min(50 * MB, 125 * MB / n),
    "slows down": lambda n, nbytes, _: slowed_down(n, nbytes, 6),
    "throttles": lambda n, nbytes, _: None if n > 10 else 0.02 + nbytes / (20 * MB),
}


class Fixed(Pace):
    """A number that nothing changes."""

    def end(self, mark: Mark, nbytes: int, now: float, count: int) -> None:
        pass

    def fail(self, mark: Mark, now: float, count: int, *, overloaded: bool) -> None:
        pass


def moved(line: Line, pace: Pace, nbytes: int, *, begin: float = 0.0, seed: int = 1) -> float:
    """Return the bytes per second of a line that always has as many requests as the pace allows."""
    noise, now, done, number = random.Random(seed), begin, 0, itertools.count()
    under_way: list[tuple[float, int, Mark, int]] = []
    while now < begin + SECONDS:
        while len(under_way) < pace.limit:
            mark = pace.begin(now, len(under_way) + 1)
            duration = line(len(under_way) + 1, nbytes, now)
            arriving = 0 if duration is None else nbytes
            end = now + (duration or 0.01) * noise.uniform(0.9, 1.1)
            heapq.heappush(under_way, (end, next(number), mark, arriving))
        now, _, mark, arrived = heapq.heappop(under_way)
        if arrived:
            pace.end(mark, arrived, now, len(under_way))
        else:
            pace.fail(mark, now, len(under_way), overloaded=True)
        done += arrived
    return done / (now - begin)


def best(line: Line, nbytes: int, begin: float = 0.0) -> float:
    return max(moved(line, Fixed(each, each), nbytes, begin=begin) for each in LADDER)


@pytest.mark.parametrize("nbytes", [256 << 10, 4 << 20])
@pytest.mark.parametrize("name", LINES)
def test_it_is_nearly_as_good_as_the_best_number(name: str, nbytes: int) -> None:
    line, pace = LINES[name], Pace()
    most = best(line, nbytes)
    assert moved(line, pace, nbytes) > 0.8 * most
    assert moved(line, pace, nbytes, begin=2 * SECONDS, seed=2) > 0.9 * most


def changing(requests: int, nbytes: int, now: float) -> float:
    """Return the seconds on a fast line that more requests slow down, and chance by far more, for 10 ms at a time."""
    chance = random.Random(int(100 * now)).uniform(0.5, 1.5)
    return nbytes * requests / (300 * MB * chance * math.pow(requests, -0.1))


def test_what_changes_by_chance_is_not_followed() -> None:
    pace, nbytes, begin = Pace(), 256 << 10, 2 * SECONDS
    moved(changing, pace, nbytes)
    assert moved(changing, pace, nbytes, begin=begin) > 0.95 * moved(changing, Fixed(1, 1), nbytes, begin=begin)


def test_it_begins_small_and_ends_where_more_gains_nothing() -> None:
    pace = Pace()
    assert pace.limit == FIRST
    moved(LINES["fast"], pace, 4 << 20)
    assert pace.limit <= 8
    moved(LINES["limited per connection"], pace, 1 << 20, begin=2 * SECONDS)
    assert pace.limit >= 48


@pytest.mark.parametrize("nbytes", [256 << 10, 4 << 20])
def test_it_follows_a_line_that_changes(nbytes: int) -> None:
    pace = Pace()
    moved(LINES["limited per connection"], pace, nbytes)
    begin = 2 * SECONDS
    for _ in range(2):  # it has many requests under way, and each takes seconds now
        moved(LINES["slows down"], pace, nbytes, begin=begin)
        begin += 2 * SECONDS
    assert moved(LINES["slows down"], pace, nbytes, begin=begin) > 0.8 * best(LINES["slows down"], nbytes)


@pytest.mark.parametrize("most", [1, 2, 5, 10, 64])
def test_it_never_exceeds_its_bound(most: int) -> None:
    pace, seen = Pace(most), set[int]()

    def line(_n: int, nbytes: int, _now: float) -> float:
        seen.add(pace.limit)
        return 0.1 + nbytes / (10 * MB)

    moved(line, pace, 1 << 20)
    assert max(seen) == most
    assert min(seen) <= FIRST


def test_a_refusal_lowers_it_once_for_all_requests_of_a_level() -> None:
    pace = Pace(first=16)
    marks = [pace.begin(0.0, n + 1) for n in range(16)]
    for left, mark in enumerate(reversed(marks)):
        pace.fail(mark, 0.1, left, overloaded=True)
    assert pace.limit == 8


def test_an_error_that_says_nothing_of_the_load_changes_nothing() -> None:
    pace = Pace(first=16)
    for _ in range(16):
        pace.fail(pace.begin(0.0, 16), 0.1, 15, overloaded=False)
    assert pace.limit == 16


def test_requests_that_did_not_fill_the_line_teach_nothing() -> None:
    pace = Pace()
    for now in range(200):
        pace.end(pace.begin(float(now), 1), 1 << 20, now + 0.5, 0)
    assert pace.limit == FIRST
    assert pace.rate == pytest.approx(2 << 20)


def test_a_transfer_with_as_many_pieces_as_a_level_tells_its_rate() -> None:
    pace, now = Pace(), 0.0
    for _ in range(40):  # all pieces begin together, and the next ones when the last one has ended
        marks = [pace.begin(now, n + 1) for n in range(pace.limit)]
        now += 0.1 + len(marks) * 0.01
        for left, mark in zip(reversed(range(len(marks))), marks, strict=True):
            pace.end(mark, 1 << 20, now, left)
    assert pace.limit >= 12


def test_a_level_that_nobody_fills_is_given_up() -> None:
    pace, now, seen = Pace(), 0.0, list[int]()
    for _ in range(60):  # never more than 8 pieces, and 8 bring twice as much as 4
        count = min(8, pace.limit)
        marks = [pace.begin(now, n + 1) for n in range(count)]
        now += 0.1
        for left, mark in zip(reversed(range(count)), marks, strict=True):
            pace.end(mark, 1 << 20, now, left)
        seen.append(pace.limit)
    assert max(seen) > 8
    assert seen.count(8) > len(seen) / 2


def test_small_requests_after_large_ones_do_not_begin_anew() -> None:
    pace, line = Pace(), LINES["limited per connection"]
    moved(line, pace, 1 << 20)
    seen = [pace.limit]
    begin = 2 * SECONDS
    for nbytes in (4 << 10, 1 << 20) * 3:
        moved(line, pace, nbytes, begin=begin)
        seen.append(pace.limit)
        begin += 2 * SECONDS
    assert min(seen) >= 32


def test_the_end_of_a_transfer_counts_as_well() -> None:
    # 4 requests at once bring as much as 8 until the last of the 8 runs alone, as long as all others together
    pace, now = Pace(), 0.0
    for _ in range(200):
        count = pace.limit
        marks = [pace.begin(now, n + 1) for n in range(count)]
        now += 0.1 * count
        for left, mark in zip(reversed(range(1, count)), marks, strict=False):
            pace.end(mark, 1 << 20, now, left)
        now += 0.05 * count if count > 4 else 0.0
        pace.end(marks[-1], 1 << 20, now, 0)
    assert pace.limit <= 4


def test_what_may_come_soon_is_more_only_while_the_rate_rises() -> None:
    pace = Pace()
    assert (pace.limit, pace.soon) == (FIRST, 2 * FIRST)
    moved(LINES["limited in total"], pace, 1 << 20)
    assert pace.soon == pace.limit


def test_it_goes_down_again_because_the_first_requests_were_of_another_size() -> None:
    """With small requests 32 at once are best, because of the latency; with those that follow then, 4 are."""
    pace, now, seen = Pace(), 0.0, list[int]()
    for transfer in range(20):
        count, nbytes = pace.limit, (2 << 20) if transfer < 4 else (128 << 20) // pace.limit
        seen.append(count)
        duration = 0.02 + count * nbytes / (1000 * MB) * (1 + count / 64)
        for _ in range(2):
            marks = [pace.begin(now, n + 1) for n in range(count)]
            now += duration
            for left, mark in zip(reversed(range(count)), marks, strict=True):
                pace.end(mark, nbytes, now, left)
    assert max(seen) >= 16
    assert pace.limit <= 8
