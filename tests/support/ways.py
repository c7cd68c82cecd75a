"""The ways in which a box is moved: in one piece, in pieces that follow each other, in pieces at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """In how many pieces a box is moved, and how many of them may be under way at once."""

    pieces: int
    concurrency: int

    def counts(self, requests: int) -> range:
        """Return how many requests there may be where each piece that has begun costs so many."""
        return range(requests, requests * min(self.pieces, self.concurrency) + 1)


WAYS = {
    "one piece": Way(1, 8),
    "pieces in turn": Way(6, 1),
    "pieces at once": Way(6, 8),
}
