"""Grants: keys to one prefix of the bucket, for some time."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["scoped", "plain"]

READ = frozenset({"get", "list"})
WRITE = frozenset({"get", "list", "put", "delete", "abort"})
EVERYTHING = frozenset({*WRITE, "other"})

REGION = "us-east-1"

PLAIN_SECONDS = 3600
"""What the server says of keys that never expire."""


@dataclass(frozen=True)
class Grant:
    """Keys of the object store.

    Parameters
    ----------
    access_key, secret_key, session_token : str
        The token is empty for permanent keys.
    prefix : str
        What they open; empty for everything.
    actions : frozenset of str
        What they allow.
    end : float
        When they expire, by the clock of the server.
    seconds : int
        What the server says of that.
    """

    access_key: str
    secret_key: str
    session_token: str
    prefix: str
    actions: frozenset[str]
    end: float
    seconds: int

    def allows(self, action: str, key: str) -> bool:
        """Whether the keys allow an action on a key, or on the keys with a prefix."""
        if action not in self.actions:
            return False
        return not self.prefix or key == self.prefix or key.startswith(f"{self.prefix}/")


class Grants:
    """All keys that were given out.

    Parameters
    ----------
    kind : "scoped" or "plain"
        Keys for one prefix that expire, or permanent keys for everything.
    seconds : int
        How long scoped keys are valid.
    now : callable
        The clock of the server.
    """

    def __init__(self, kind: Kind, seconds: int, now: Callable[[], float]) -> None:
        self.kind = kind
        self.seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._by_key: dict[str, Grant] = {}
        self._permanent = Grant("service", secrets.token_hex(20), "", "", EVERYTHING, float("inf"), PLAIN_SECONDS)
        if kind == "plain":
            self._by_key[self._permanent.access_key] = self._permanent

    def give(self, prefix: str, actions: frozenset[str]) -> Grant:
        """Return keys for a prefix."""
        if self.kind == "plain":
            return self._permanent
        grant = Grant(
            secrets.token_hex(10).upper(), secrets.token_hex(20), secrets.token_hex(40), prefix, actions,
            self._now() + self.seconds, self.seconds,
        )  # fmt: skip
        with self._lock:
            self._by_key[grant.access_key] = grant
        return grant

    def find(self, access_key: str) -> Grant | None:
        """Return the grant of an access key, also one that has expired."""
        return self._by_key.get(access_key)

    def is_over(self, grant: Grant) -> bool:
        """Whether keys have expired."""
        return self._now() >= grant.end

    def revoke(self) -> None:
        """Let all keys that were given out expire now."""
        with self._lock:
            self._by_key = {name: each for name, each in self._by_key.items() if not each.session_token}
