"""Bearer: tokens that are sent with every request, and where they come from."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeAlias

from pyvolume.calls.processes import OfProcess
from pyvolume.errors import ForbiddenError, RefusedError
from pyvolume.model.secret import Secret
from pyvolume.transport.auth import Additions, Auth, bearer_headers
from pyvolume.transport.request import Request

__all__ = ["Bearer", "Provider", "as_auth", "only_auth", "seconds_left"]

Provider: TypeAlias = "Callable[[], str | tuple[str, float]]"
"""Returns a token, alone or with the seconds for which it is valid."""

AHEAD = 30.0
"""Seconds before the end of a token at which it is renewed; a tenth of its time if that is less."""

EXPIRED = 401
"""The status of a refusal after which a new token can help."""


class Bearer:
    """A token that is sent as ``Authorization: Bearer``; an `Auth` for every connection.

    It is shared by all threads. A token that can be renewed is renewed ahead of its end, and once after a refusal with
    status 401; one thread asks for it, and the others wait. The end of a JSON web token is read from the token.

    Parameters
    ----------
    provider : str or callable
        The token; or a function that returns it, alone or with the seconds for which it is valid. It is called when
        the first request is sent, not before. A `ClientCredentials` is one.
    pickle_secrets : bool
        Whether a pickled connection contains a token that was given as text. By default pickling leaves it out; a copy
        within the process, as by `copy.deepcopy`, keeps it. A function, a file and a variable are always pickled by
        their names, and the token that they have given is not.

    Raises
    ------
    ValueError
        If a token has characters that are not printable ASCII.
    TypeError
        For anything else than a text or a function.

    Examples
    --------
    >>> import pyvolume
    >>> auth = Bearer.of_variable("LAB_TOKEN")
    >>> pyvolume.Connection("localhost:8000", auth=auth).auth
    Bearer(Variable('LAB_TOKEN'))
    """

    left_behind = False

    def __init__(self, provider: str | Provider, *, pickle_secrets: bool = False) -> None:
        if isinstance(provider, str):
            provider = Given(Secret(provider), pickle_secrets=pickle_secrets)
        if not callable(provider):
            raise TypeError(f"Bearer: expected a token or a function that returns one, not {type(provider).__name__}")
        if isinstance(provider, Given):
            bearer_headers(provider.token)
        self._begin(provider)

    def _begin(self, provider: Provider) -> None:
        self._provider = provider
        self._locks = OfProcess(threading.RLock)
        self._sent = threading.local()
        self._token = Secret("")
        self._number = 0
        self._end = 0.0

    @classmethod
    def of_variable(cls, name: str) -> Self:
        """Take the token from a variable of the environment, which is read anew after a refusal."""
        return cls(Variable(name))

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Self:
        """Take the token from a file, which is read anew after a refusal."""
        return cls(File(str(path)))

    def __repr__(self) -> str:
        return f"Bearer({self._provider!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bearer) and self._provider == other._provider

    def __hash__(self) -> int:
        return hash(Bearer)

    def __getstate__(self) -> Provider:
        return self._provider

    def __setstate__(self, provider: Provider) -> None:
        self._begin(provider)
        self.left_behind = getattr(provider, "left_behind", False)

    def __copy__(self) -> Self:
        return self  # copying would use the state for pickling

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def apply(self, _request: Request, /) -> Additions:
        """Return the header with the token, which is renewed before if it ends soon.

        Raises
        ------
        ForbiddenError
            If the provider has none.
        StoreError
            If it could not be asked.
        """
        if self.left_behind:
            return Additions()
        with self._locks[os.getpid()]:
            if not self._number or time.monotonic() >= self._end:
                self._renew()
            self._sent.number = self._number
            return Additions(headers=bearer_headers(self._token))

    def refresh(self, refused: RefusedError, /) -> bool:
        """Ask the provider for a new token if the server does not accept the one that was sent.

        Parameters
        ----------
        refused : RefusedError
            What the server said. Without the status 401 a new token does not help.
        """
        if refused.status != EXPIRED or self.left_behind:
            return False
        with self._locks[os.getpid()]:
            if self._number != getattr(self._sent, "number", 0):
                return True  # another thread has asked for it
            before = self._token
            self._renew()
            return str(before) != str(self._token)

    def _renew(self) -> None:
        began = time.monotonic()
        found = self._provider()
        text, seconds = found if isinstance(found, tuple) else (found, None)
        token = Secret(text)
        bearer_headers(token)
        left = seconds_left(token) if seconds is None else float(seconds)
        self._token = token
        self._number += 1
        self._end = began + left - min(AHEAD, left / 10)


@dataclass(frozen=True)
class Given:
    """A token that the user has given."""

    token: Secret = field(repr=False)
    pickle_secrets: bool = field(default=False, repr=False)

    def __call__(self) -> str:
        """Return it."""
        return self.token

    @property
    def left_behind(self) -> bool:
        """Whether the token was left in another process."""
        return not self.token

    def __reduce__(self) -> tuple[Any, ...]:
        return Given, (self.token if self.pickle_secrets else Secret(""), self.pickle_secrets)

    def __repr__(self) -> str:
        return "…"


@dataclass(frozen=True)
class Variable:
    """A token in a variable of the environment."""

    name: str

    def __repr__(self) -> str:
        return f"Variable({self.name!r})"

    def __call__(self) -> str:
        """Return it."""
        found = os.environ.get(self.name, "")
        if not found:
            raise ForbiddenError(f"get a token: expected one in the variable {self.name}, and it is not set")
        return found


@dataclass(frozen=True)
class File:
    """A token in a file."""

    path: str

    def __repr__(self) -> str:
        return f"File({self.path!r})"

    def __call__(self) -> str:
        """Return it."""
        try:
            found = Path(self.path).read_text("utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise ForbiddenError(f"get a token: expected one in the file {self.path}: {error}") from None
        if not found:
            raise ForbiddenError(f"get a token: expected one in the file {self.path}, and it is empty")
        return found


def as_auth(given: Auth | str | None) -> Auth | None:
    """Return an `Auth`; a text is a bearer token."""
    return Bearer(given) if isinstance(given, str) else given


def only_auth(action: str, token: str | None, auth: Auth | str | None) -> Auth | None:
    """Return who asks: a bearer token, or an `Auth`.

    Raises
    ------
    TypeError
        If both are given.
    """
    if token is not None and auth is not None:
        raise TypeError(f"{action}: expected token= or auth=, and found both")
    return as_auth(auth if token is None else token)


def seconds_left(token: str) -> float:
    """Return for how long a JSON web token says that it is valid; any other one is taken as lasting."""
    parts = token.split(".")
    if len(parts) != 3:
        return float("inf")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"]) - time.time()
    except (ValueError, KeyError, TypeError):
        return float("inf")
