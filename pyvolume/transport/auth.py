"""Auth: what a connection adds to its requests to say who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pyvolume.errors import RefusedError
from pyvolume.model.secret import Secret
from pyvolume.transport.request import Request

__all__ = ["Additions", "Auth", "bearer_headers"]


@dataclass(frozen=True, slots=True)
class Additions:
    """What an `Auth` adds to one request.

    Parameters
    ----------
    query : mapping
        Parameters of the query that anyone may see.
    headers : mapping
        Headers, such as ``Authorization``. They show in no log, no error and no traceback.
    secrets : mapping
        Parameters of the query that show there neither; without a session of the user only.

    Raises
    ------
    ValueError
        If a header has characters that are not printable ASCII.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("headers", "secrets"):
            hidden = {key: Secret(value) for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, hidden)  # it is frozen
        for name, value in self.headers.items():
            _check(value, f"the header {name}")


class Auth(Protocol):
    """Says who asks; shared by all threads that use a connection.

    It is part of a pickled connection. It leaves its secrets out of its pickled state unless the user wants them
    there. One that was unpickled without them can say so by an attribute ``left_behind`` that is True: if the server
    refuses a request, the error then names ``pickle_secrets``.
    """

    def apply(self, request: Request, /) -> Additions:
        """Return what to add to a request; called for each attempt.

        Parameters
        ----------
        request : Request
            What will be sent. Its `privileged` says whether it needs the rights of an administrator.
        """

    def refresh(self, refused: RefusedError, /) -> bool:
        """Renew what has expired, and return whether the request is to be sent again.

        Called at most once for each request, after the server has refused it as not authorized. Several threads may
        call it at the same time.

        Parameters
        ----------
        refused : RefusedError
            What the server said.
        """


def bearer_headers(token: Secret) -> dict[str, str]:
    """Return the header with a token.

    Raises
    ------
    ValueError
        If the token cannot be in a header.
    """
    _check(token, "a token")
    return {"Authorization": Secret(f"Bearer {token}")}


def _check(value: str, what: str) -> None:
    """Refuse what cannot be in a header: the HTTP library would show it in its error."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"connect: expected {what} of printable ASCII characters")
