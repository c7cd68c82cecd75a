"""Pace: how many requests are under way at once, learnt from what they bring."""

from __future__ import annotations

import threading
from dataclasses import dataclass

LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How many requests can be under way at once."""

FIRST = 4
"""Where a pace begins that knows nothing."""

FASTER = 1.2
"""What twice the requests have to bring, at the beginning, as a factor of the rate, for more to be tried."""

BETTER, AS_GOOD = 1.04, 0.99
"""What a step up has to bring, and what a step down has to keep, as factors of the rate before."""

UP = 2
"""Steps up that are tried at once: what one brings is hardly told from chance."""

CHANGED = 1.6
"""By which factor a rate has changed when the line is another one."""

ROUNDS, LEAST_SAMPLES = 2, 16
"""How often each of the requests has to come back before a rate is known, and how many have to."""

FIRST_REST, LONGEST_REST = 8, 32
"""Rounds for which a level is kept before a neighbour is tried: each trial that changes nothing doubles them."""

PENALTY = (2.0, 30.0)
"""Seconds for which a level is not reached again that a server has refused: at first, and at most."""

FULL = 0.75
"""Which part of a level has to be under way, on average, while a request is: else it says nothing of the level."""

NOTED_BYTES = 256 << 10
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
    epoch : int
        Which level was tried.
    tells : bool
        Whether the request can tell the rate of the level.
    """

    at: float
    under_way: float
    epoch: int
    tells: bool


class Pace:
    """How many requests of a kind are under way at once over one connection; used by all its threads.

    It tries twice the requests as long as the rate rises. Then it keeps the lowest number that is as good as any, and
    tries the numbers beside it from time to time. After a refusal it goes back to the highest lower number that has
    worked, or to half of the number.

    Requests tell the rate of a level: how many are under way, times the bytes of one, divided by its duration.
    Those that do not fill the level tell nothing.

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
    rate : float
        Bytes per second of one request, 0 before one was measured.
    """

    def __init__(self, most: int = LADDER[-1], first: int = FIRST) -> None:
        self._lock = threading.RLock()
        self._ladder = (*(each for each in LADDER if each < most), most)
        self._at = self._level(first)
        self._epoch = 0
        self._under_way, self._count, self._now = 0.0, 0, 0.0
        self._rates: dict[int, float] = {}
        self._rising_from: int | None = None
        self._is_rising = True
        self._trial_from: int | None = None
        self._is_next_up = True
        self._rest, self._rested = FIRST_REST, 0
        self._ceiling, self._until, self._penalty = len(self._ladder), 0.0, PENALTY[0]
        self.rate = 0.0
        self._begin_epoch()

    @property
    def limit(self) -> int:
        """How many requests may be under way now."""
        return self._ladder[self._at]

    def begin(self, now: float, count: int) -> Mark:
        """Note that a request begins, and how many are then under way."""
        with self._lock:
            self._advance(now, count)
            self._settling -= 1
            return Mark(now, self._under_way, self._epoch, self._settling < 0)

    def end(self, mark: Mark, nbytes: int, now: float, count: int) -> None:
        """Note that a request has ended well, with so many bytes of its body, and how many are left under way."""
        with self._lock:
            self._advance(now, count)
            duration = max(now - mark.at, 1e-9)
            if nbytes >= NOTED_BYTES:
                rate = nbytes / duration
                self.rate = rate if not self.rate else 0.8 * self.rate + 0.2 * rate
            beside = (self._under_way - mark.under_way) / duration
            if not (nbytes and mark.tells) or mark.epoch != self._epoch:
                return
            if beside < FULL * self.limit:
                self._miss()
                return
            self._work += beside * nbytes
            self._time += duration
            self._samples += 1
            if self._samples >= self._enough():
                self._decide(self._work / self._time, now)

    def _miss(self) -> None:
        """Give up a level that the requests do not fill."""
        self._missed += 1
        origin = self._rising_from if self._is_rising else self._trial_from
        if origin is not None and self._missed >= 2 * self._enough():
            self._is_rising, self._trial_from = False, None
            self._move_to(origin)

    def _advance(self, now: float, count: int) -> None:
        """Note how many requests are under way from now on."""
        self._under_way += self._count * max(0.0, now - self._now)
        self._count, self._now = count, max(now, self._now)

    def fail(self, mark: Mark, now: float, count: int, *, overloaded: bool) -> None:
        """Note that a request has failed; `overloaded` says that the server had too much to do."""
        with self._lock:
            self._advance(now, count)
            if not overloaded or mark.epoch != self._epoch:  # what was begun before the level is no news
                return
            self._ceiling, self._until = self._at, now + self._penalty
            self._penalty = min(2 * self._penalty, PENALTY[1])
            self._rates = {at: rate for at, rate in self._rates.items() if at < self._at}
            self._is_rising, self._trial_from = False, None
            self._move_to(max(self._rates, default=self._level(self.limit // 2)))

    def _level(self, limit: int) -> int:
        """Return the highest level with so many requests at most."""
        return max((at for at, each in enumerate(self._ladder) if each <= limit), default=0)

    def _enough(self) -> int:
        """Return how many requests tell the rate of the present level."""
        if self._is_rising:
            return max(self.limit, 2)
        return max(ROUNDS * self.limit, LEAST_SAMPLES)

    def _decide(self, rate: float, now: float) -> None:
        """Move to another level, or stay, after the rate of the present one was measured."""
        before = self._rates.get(self._at)
        if self._is_rising:
            self._rise(rate, now)
        elif self._trial_from is not None:
            self._judge(rate)
        elif before is not None and rate > CHANGED * before:
            self._rates, self._is_rising, self._rising_from = {}, True, None
            self._rise(rate, now)
        elif before is not None and rate < before / CHANGED:
            self._rates, self._is_rising, self._rising_from = {}, True, None
            self._move_to(min(self._at, self._level(FIRST)))
        else:
            self._rates[self._at] = rate if before is None else (before + rate) / 2
            self._rested += ROUNDS
            settled = self._epoch
            if self._rested >= self._rest:
                self._try_neighbour(now)
            if self._epoch == settled:
                self._forget()

    def _rise(self, rate: float, now: float) -> None:
        self._rates[self._at] = rate
        since = self._rising_from
        if since is not None and rate < FASTER * self._rates[since]:
            self._is_rising = False
            better = rate > BETTER * self._rates[since]
            self._rest = FIRST_REST
            self._move_to(self._at if better else since)
            return
        up = min(self._level(2 * self.limit), self._top(now))
        if up <= self._at:
            self._is_rising = False
            self._begin_epoch()
            return
        self._rising_from = self._at
        self._move_to(up)

    def _top(self, now: float) -> int:
        """Return the highest level that may be tried."""
        return len(self._ladder) - 1 if now >= self._until else self._ceiling - 1

    def _try_neighbour(self, now: float) -> None:
        up, down = min(self._at + UP, self._top(now)), self._at - 1
        found = [up, down] if self._is_next_up else [down, up]
        self._is_next_up = not self._is_next_up
        level = next((each for each in found if each >= 0 and each != self._at), self._at)
        if level != self._at:
            self._trial_from = self._at
            self._move_to(level)

    def _judge(self, rate: float) -> None:
        """Keep the level that is tried, or go back."""
        origin = self._trial_from
        assert origin is not None
        self._trial_from = None
        went_up, held = self._at > origin, self._rates[origin]
        is_kept = rate > BETTER * held if went_up else rate >= AS_GOOD * held
        self._rates[self._at] = rate
        if is_kept:
            self._rest, self._is_next_up = FIRST_REST, went_up
            if self._at >= self._ceiling:
                self._penalty = PENALTY[0]
            self._move_to(self._at)
        else:
            self._rest = min(2 * self._rest, LONGEST_REST)
            self._move_to(origin)

    def _move_to(self, at: int) -> None:
        self._at = at
        self._rested = 0
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._forget()
        # the first ones run beside fewer, or more, than the level has; while the rate doubles this does not matter
        self._settling = 0 if self._is_rising and self._rates else self.limit

    def _forget(self) -> None:
        self._work, self._time, self._samples, self._missed = 0.0, 0.0, 0, 0
