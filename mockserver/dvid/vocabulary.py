"""The words of a server's paths; they tell which faults no request can match."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mockserver.dvid.policy import METHODS
from mockserver.http.faults import Fault

BEFORE_ANY_NAME = frozenset({"node", "repo", "branch-versions", "help"})

QUERY = re.compile(r"\\\?.*", re.DOTALL)
ESCAPED_SIGN = re.compile(r"\\([^\w\\])")
NO_TEXT = re.compile(r"\\.|\[\^?\]?[^\]]*\]|\{[\d,]*\}|\(\?[a-zA-Z:=!<]+", re.DOTALL)
WORD = re.compile(r"(?<![\w:=-])[A-Za-z][A-Za-z-]*(?![\w=-])")


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
        if fault.method is not None and fault.method not in METHODS:
            known = ", ".join(sorted(METHODS))
            raise ValueError(f"method of a fault: expected one of {known}, got {fault.method!r}")
        for word in self._unknown(fault.path):
            raise ValueError(f"path of a fault: no path of this server has {word!r}; {self._hint(word)}")

    def _unknown(self, path: str) -> Iterator[str]:
        """Yield the unknown words of a regular expression, of each alternative by itself."""
        text = NO_TEXT.sub("*", ESCAPED_SIGN.sub(r"\1", QUERY.sub("", path)))
        for alternative in re.sub("[()]", "", text).split("|"):
            parts = alternative.split("/")
            for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
                fixed = WORD.findall(part)
                if not (before in BEFORE_ANY_NAME or after in self.keywords):
                    yield from (word for word in fixed if not self._like(word, part))
                if any(self._like(word, part) & self.keywords for word in fixed):
                    break

    def _like(self, word: str, part: str) -> frozenset[str]:
        """Return the known words that a part of a path can mean; a part with wildcards names a word in pieces."""
        known = self.words | self.keywords | self.names
        return frozenset(each for each in known if each == word or (part != word and word in each))

    def _hint(self, word: str) -> str:
        known = sorted(self.words | self.keywords | self.names)
        if near := difflib.get_close_matches(word, known, n=1) or difflib.get_close_matches(word.lower(), known, n=1):
            return f"did you mean {near[0]!r}?"
        return f"if it is an instance that does not exist yet, add its endpoint, as in '.*/{word}/info'"
