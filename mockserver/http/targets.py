"""Targets of requests: paths and queries, parsed like Go does."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Target:
    """Path and query of a request.

    Parameters
    ----------
    raw_path, raw_query : str
        As sent.
    path : str
        Percent-decoded.
    query : dict
        First value of each key.
    """

    raw_path: str
    raw_query: str
    path: str
    query: dict[str, str]

    @property
    def clean_path(self) -> str:
        """The path as sent, without empty, ``.`` and ``..`` parts."""
        clean = posixpath.normpath("/" + self.raw_path.lstrip("/"))
        return clean + "/" if self.raw_path.endswith("/") and clean != "/" else clean


def parse_target(text: str) -> Target | None:
    """Parse a request's target; None if it is malformed."""
    if not text.startswith("/"):
        try:
            parts = urlsplit(text)
        except ValueError:
            return None
        text = f"{parts.path}?{parts.query}" if parts.query else parts.path
    path, _, raw_query = text.partition("?")
    if not path.startswith("/") or re.search("%(?![0-9a-fA-F]{2})", path):
        return None
    query: dict[str, str] = {}
    pairs = [pair for pair in raw_query.split("&") if ";" not in pair]  # Go ignores these
    for key, value in parse_qsl("&".join(pairs), keep_blank_values=True):
        query.setdefault(key, value)
    return Target(path, raw_query, unquote(path, errors="surrogateescape"), query)
