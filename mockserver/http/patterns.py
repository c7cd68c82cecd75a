"""The text in the patterns of faults: what in a regular expression for paths stands for itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator

from mockserver.http.faults import Fault

QUERY = re.compile(r"\\\?.*", re.DOTALL)
ESCAPED_SIGN = re.compile(r"\\([^\w\\])")
NO_TEXT = re.compile(r"\\.|\[\^?\]?[^\]]*\]|\{[\d,]*\}|\(\?[a-zA-Z:=!<]+", re.DOTALL)
WORD = re.compile(r"(?<![\w:=-])[A-Za-z][A-Za-z-]*(?![\w=-])")


def check_method(fault: Fault, methods: Collection[str]) -> None:
    """Refuse a fault whose method is none of these.

    Raises
    ------
    ValueError
    """
    if fault.method is not None and fault.method not in methods:
        known = ", ".join(sorted(methods))
        raise ValueError(f"method of a fault: expected one of {known}, got {fault.method!r}")


def alternatives(path: str) -> Iterator[list[str]]:
    """Yield the parts between slashes of each alternative of a regular expression; ``*`` is where text can be any."""
    text = NO_TEXT.sub("*", ESCAPED_SIGN.sub(r"\1", QUERY.sub("", path)))
    for alternative in re.sub("[()]", "", text).split("|"):
        yield alternative.split("/")


def words(part: str) -> list[str]:
    """Return the words of a part."""
    return WORD.findall(part)


def like(word: str, part: str, known: Collection[str]) -> frozenset[str]:
    """Return the known words that a word can mean; a part with wildcards names a word in pieces."""
    return frozenset(each for each in known if each == word or (part != word and word in each))


def nearest(word: str, known: Collection[str]) -> str | None:
    """Return the known word that a misspelt one is nearest to."""
    sorted_words = sorted(known)
    near = difflib.get_close_matches(word, sorted_words, n=1) or difflib.get_close_matches(
        word.lower(), sorted_words, n=1
    )
    return near[0] if near else None
