"""The words of a server's paths; they tell which faults no request can match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mockserver.dvid.policy import METHODS
from mockserver.http import patterns
from mockserver.http.faults import Fault

BEFORE_ANY_NAME = frozenset({"node", "repo", "branch-versions", "help"})


@dataclass(frozen=True)
class Vocabulary:
    """The words of a server's paths.

    Parameters
    ----------
    words : frozenset of str
        The words in the paths of servers, repositories and versions.
    keywords : frozenset of str
        The words that follow the name of an instance; behind them a path holds anything.
    names : frozenset of str
        The names of the present instances.
    """

    words: frozenset[str]
    keywords: frozenset[str]
    names: frozenset[str]

    def check(self, fault: Fault) -> None:
        """Refuse a fault with a misspelt method or path.

        Raises
        ------
        ValueError
            If the server knows no such method, or not a word of the path.
        """
        patterns.check_method(fault, METHODS)
        for word in self._unknown(fault.path):
            raise ValueError(f"path of a fault: no path of this server has {word!r}; {self._hint(word)}")

    def _unknown(self, path: str) -> Iterator[str]:
        """Yield the unknown words of a regular expression, of each alternative by itself."""
        for parts in patterns.alternatives(path):
            for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
                fixed = patterns.words(part)
                if not (before in BEFORE_ANY_NAME or after in self.keywords):
                    yield from (word for word in fixed if not patterns.like(word, part, self._known))
                if any(patterns.like(word, part, self._known) & self.keywords for word in fixed):
                    break

    @property
    def _known(self) -> frozenset[str]:
        return self.words | self.keywords | self.names

    def _hint(self, word: str) -> str:
        if near := patterns.nearest(word, self._known):
            return f"did you mean {near!r}?"
        return f"if it is an instance that does not exist yet, add its endpoint, as in '.*/{word}/info'"
