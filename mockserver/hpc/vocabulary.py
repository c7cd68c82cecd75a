"""The words of the server's paths; they tell which faults no request can match."""

from __future__ import annotations

from mockserver.http import patterns
from mockserver.http.faults import Fault

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

WORDS = frozenset({
    "datasets", "bdv", "oauth2", "hello", "stop", "delete", "channels", "common-metadata", "json", "all", "png",
    "settings", "latest", "mixedLatest", "new", "read", "write", "read-write", "no-access", "datatype", "rebuild",
})  # fmt: skip

BEFORE_ANY_NAME = frozenset({"datasets", "bdv", "oauth2"})


def check(fault: Fault) -> None:
    """Refuse a fault with a misspelt method or path.

    Raises
    ------
    ValueError
        If the server knows no such method, or not a word of the path.
    """
    patterns.check_method(fault, METHODS)
    for parts in patterns.alternatives(fault.path):
        for before, part in zip(["", *parts], parts, strict=False):
            for word in patterns.words(part):
                if before not in BEFORE_ANY_NAME and not patterns.like(word, part, WORDS):
                    raise ValueError(f"path of a fault: no path of this server has {word!r}; {_hint(word)}")


def _hint(word: str) -> str:
    near = patterns.nearest(word, WORDS)
    return f"did you mean {near!r}?" if near else f"it has {', '.join(sorted(WORDS))}"
