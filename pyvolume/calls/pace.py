"""Pace: how many requests are under way at once, learnt from what they bring."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

LADDER = (1, 2, 4, 8, 16, 32, 64)
"""How many requests can be under way at once: a smaller difference is hardly told from chance."""

FIRST = 8
"""Where a pace begins that knows nothing."""

FASTER = 1.15
"""What twice the requests have to bring, at the beginning, as a factor of the rate, for more to be tried."""

IN_PROPORTION = 0.85
"""From here on, as a part of what was hoped for, four times the requests are tried next in place of twice."""

BETTER, AS_GOOD = 1.04, 0.98
"""What a step up has to bring, and what a step down has to keep, as factors of the rate before."""

CHANGED = 1.6
"""By which factor a rate has changed when the line is another one."""

LEAST_SAMPLES = 8
"""How many requests tell the rate of a level, and each of the level once."""

LEAST_SECONDS = 0.05, 0.25
"""For how long a level is measured, at least: while the rate rises, and later. In a shorter time chance decides, for
example what else the machine does at that moment."""

FIRST_REST, LONGEST_REST = 2, 64
"""Measurements for which a level is kept before a neighbour is tried: at first, and at most. Each trial that changes
nothing doubles them."""

CLEARLY_WORSE = 0.85
"""A level that brings less than this factor is not tried again soon: the measurements are doubled twice."""

PENALTY = (2.0, 30.0)
"""Seconds for which a level is not reached again that a server has refused: at first, and at most."""

FULL = 0.5
"""Which part of a level has to be under way, on average, while a request is: else it says nothing of the level."""

LIKE, SAME = 8, 2
"""Rates of requests whose sizes differ by more than these factors are not compared, at two levels and at one."""

NOTED_BYTES = 1 << 20
"""Bytes of a request whose rate says something about the line, not about its latency."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a request has begun.

    Parameters
    ----------
    at : float
        When.
    under_way : float
        For how many seconds requests had been under way by then, added up.
    shared : float
        How many seconds each request has had of the line by then, where those that are under way share it.
    epoch : int
        Which level was tried.
    tells : bool
        Whether the request can tell the rate of the level.
    """

    at: float
    under_way: float
    shared: float
    epoch: int
    tells: bool


@dataclass(frozen=True, slots=True)
class _Rate:
    """What a level brings: bytes per second, and the bytes of one request."""

    speed: float
    nbytes: float

    def is_like(self, other: _Rate, factor: float) -> bool:
        """Whether the sizes of the requests differ by no more than a factor."""
        return self.nbytes <= factor * other.nbytes and other.nbytes <= factor * self.nbytes


class Pace:
    """How many requests of a kind are under way at once over one connection; used by all its threads.

    It tries more requests as long as the rate rises. Then it goes down as long as fewer are as good: the pieces of a
    transfer are larger then. It keeps the lowest number that is as good as any, and tries the numbers beside it from
    time to time. After a refusal it goes back to the highest lower number that has worked, or to half of the number.

    Requests that are under way at once share the time. The rate of a level is the bytes of its requests, divided by
    the time that was theirs. Those that do not fill the level tell nothing.

    Parameters
    ----------
    most : int
        The highest number.
    first : int
        The number at the beginning.

    Attributes
    ----------
    limit : int
        How many may be under way now.
    soon : int
        How many may be under way before long.
    rate : float
        Bytes per second of one request, 0 before one was measured.
    """

    def __init__(self, most: int = LADDER[-1], first: int = FIRST) -> None:
        self._lock = threading.RLock()
        self._ladder = (*(each for each in LADDER if each < most), most)
        self._at = self._level(first)
        self._epoch = 0
        self._now, self._count, self._under_way, self._shared = 0.0, 0, 0.0, 0.0
        self._rates: dict[int, _Rate] = {}
        self._is_rising = True
        self._origin: int | None = None
        self._is_next_up = True
        self._rest, self._rested = FIRST_REST, 0
        self._ceiling, self._until, self._penalty = len(self._ladder), 0.0, PENALTY[0]
        self.rate = 0.0
        self._begin_epoch()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return self._ladder[self._at]

    @property
    def soon(self) -> int:
        """How many requests may be under way before long, which is more than now while the rate rises."""
        return self._ladder[min(self._at + self._is_rising, len(self._ladder) - 1)]

    def begin(self, now: float, count: int) -> Mark:
        """Note that a request begins, and how many are then under way."""
        with self._lock:
            self._advance(now, count)
            self._settling -= 1
            return Mark(now, self._under_way, self._shared, self._epoch, self._settling < 0)

    def end(self, mark: Mark, nbytes: int, now: float, count: int) -> None:
        """Note that a request has ended well, with so many bytes of its body, and how many are left under way."""
        with self._lock:
            self._advance(now, count)
            duration = max(now - mark.at, 1e-9)
            if nbytes >= NOTED_BYTES:
                rate = nbytes / duration
                self.rate = rate if not self.rate else 0.8 * self.rate + 0.2 * rate
            if not (nbytes and mark.tells) or mark.epoch != self._epoch:
                return
            if self._under_way - mark.under_way < FULL * self.limit * duration:
                self._miss()
                return
            self._nbytes += nbytes
            self._seconds += max(self._shared - mark.shared, 1e-9)
            self._samples += 1
            if self._samples >= self._enough() and self._seconds >= LEAST_SECONDS[not self._is_rising]:
                self._decide(_Rate(self._nbytes / self._seconds, self._nbytes / self._samples), now)

    def fail(self, mark: Mark, now: float, count: int, *, overloaded: bool) -> None:
        """Note that a request has failed; `overloaded` says that the server had too much to do."""
        with self._lock:
            self._advance(now, count)
            if not overloaded or mark.epoch != self._epoch:  # what was begun before the level is no news
                return
            self._ceiling, self._until = self._at, now + self._penalty
            self._penalty = min(2 * self._penalty, PENALTY[1])
            self._rates = {at: rate for at, rate in self._rates.items() if at < self._at}
            self._settle(max(self._rates, default=self._level(self.limit // 2)))

    def _advance(self, now: float, count: int) -> None:
        """Note how many requests are under way from now on."""
        passed = max(0.0, now - self._now)
        self._under_way += self._count * passed
        self._shared += passed / max(1, self._count)
        self._count, self._now = count, max(now, self._now)

    def _miss(self) -> None:
        """Give up a level that the requests do not fill."""
        self._missed += 1
        if self._origin is not None and self._missed >= 2 * self._enough():
            self._settle(self._origin)

    def _level(self, limit: int) -> int:
        """Return the highest level with so many requests at most."""
        return max((at for at, each in enumerate(self._ladder) if each <= limit), default=0)

    def _enough(self) -> int:
        """Return how many requests tell the rate of the present level."""
        return max(self.limit, 2 if self._is_rising else LEAST_SAMPLES)

    def _decide(self, rate: _Rate, now: float) -> None:
        """Move to another level, or stay, after the rate of the present one was measured."""
        held = self._rates.get(self._at if self._origin is None else self._origin)
        if held is not None and not held.is_like(rate, SAME if self._origin is None else LIKE):
            self._rates = {}
            if self._origin is not None and not self._is_rising:
                self._settle(self._origin)
                return
            self._origin, held, self._rest = None, None, FIRST_REST  # the neighbours are news again
        if self._is_rising:
            self._rise(rate, held, now)
        elif self._origin is not None:
            self._judge(rate, now)
        elif held is not None and not held.speed / CHANGED < rate.speed < held.speed * CHANGED:
            self._rates, self._is_rising = {}, True
            if rate.speed > held.speed:
                self._rise(rate, None, now)
            else:
                self._move_to(min(self._at, self._level(FIRST)))
        else:
            speed = rate.speed if held is None else (held.speed + rate.speed) / 2
            self._rates[self._at] = _Rate(speed, rate.nbytes)
            self._rested += 1
            self._forget()
            if self._rested >= self._rest:
                self._try_neighbour(now)

    def _rise(self, rate: _Rate, before: _Rate | None, now: float) -> None:
        """Try more, if those that were added last have brought enough."""
        self._rates[self._at] = rate
        steps = 1
        if before is not None and self._origin is not None:
            gained, factor = rate.speed / before.speed, self.limit / self._ladder[self._origin]
            if gained < FASTER ** math.log2(factor):
                self._end_rise(self._at if gained > BETTER else self._origin)
                return
            steps += gained > IN_PROPORTION * factor
        up = min(self._at + steps, self._top(now))
        if up <= self._at:
            self._end_rise(self._at)
            return
        self._origin = self._at
        self._move_to(up)

    def _end_rise(self, at: int) -> None:
        """Keep a level, and try fewer next: the requests were small, because nobody knew what one of them brings."""
        self._is_next_up = False
        self._settle(at)

    def _top(self, now: float) -> int:
        """Return the highest level that may be tried."""
        return len(self._ladder) - 1 if now >= self._until else self._ceiling - 1

    def _try_neighbour(self, now: float, *, further: bool = False) -> None:
        """Try the next level above or below, in turns; or only the one that is further in this direction."""
        up, down = min(self._at + 1, self._top(now)), self._at - 1
        found = [up, down] if self._is_next_up else [down, up]
        self._is_next_up = not self._is_next_up
        level = next((each for each in found[: 1 if further else 2] if each >= 0 and each != self._at), self._at)
        if level != self._at:
            self._origin = self._at
            self._move_to(level)

    def _judge(self, rate: _Rate, now: float) -> None:
        """Keep the level that is tried, and go on in the same direction; or go back."""
        origin = self._origin
        assert origin is not None
        went_up, held = self._at > origin, self._rates[origin].speed
        is_kept = rate.speed > BETTER * held if went_up else rate.speed >= AS_GOOD * held
        self._rates[self._at] = rate
        if not is_kept:
            longer = 2 if rate.speed >= CLEARLY_WORSE * held else 4
            self._settle(origin, min(longer * self._rest, LONGEST_REST))
            return
        if self._at >= self._ceiling:
            self._penalty = PENALTY[0]
        self._settle(self._at)
        self._is_next_up = went_up
        self._try_neighbour(now, further=True)

    def _settle(self, at: int, rest: int = FIRST_REST) -> None:
        """Keep a level, for so many measurements before another one is tried."""
        self._is_rising, self._origin, self._rest = False, None, rest
        self._move_to(at)

    def _move_to(self, at: int) -> None:
        self._at = at
        self._rested = 0
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._forget()
        # the first ones run beside those of another level; while the rate doubles this does not matter
        self._settling = 0 if self._is_rising else min(self.limit, self._count)

    def _forget(self) -> None:
        self._nbytes, self._seconds, self._samples, self._missed = 0.0, 0.0, 0, 0
