"""Grants: the keys of the object store for one image, renewed when they end."""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.calls.processes import OfProcess
from pyvolume.errors import AnswerError, StoreError
from pyvolume.mikro import documents
from pyvolume.mikro.client import ask
from pyvolume.model.secret import Secret
from pyvolume.transport.connection import Connection

AHEAD = 30.0
"""Seconds before the end of a grant at which it is renewed; a tenth of its time if that is less."""

REGION = "us-east-1"
"""The region where nobody names one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Keys of the object store for one prefix.

    Parameters
    ----------
    access_key, secret_key, session_token : str
        The token is empty for permanent keys.
    bucket, prefix : str
        What they open.
    region : str
        Of the store; empty if the catalogue does not say it.
    seconds : float
        For how long they are valid, as the catalogue says.
    end : float
        When they are to be renewed, by `time.monotonic`.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    bucket: str = field(repr=False)
    prefix: str = field(repr=False)
    region: str
    seconds: float
    end: float

    @property
    def is_permanent(self) -> bool:
        """Whether the keys are permanent, whatever the catalogue says."""
        return not self.session_token

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a grant is not sent to other processes")


def grant_of(document: Any, began: float, action: str) -> Grant:
    """Read a grant from an answer.

    Parameters
    ----------
    document : mapping
        The answer.
    began : float
        When it was asked for, by `time.monotonic`.
    action : str
        For messages.

    Raises
    ------
    AnswerError
        If something is missing; the message shows nothing of the grant.
    """
    try:
        seconds = float(document["expiresIn"])
        access, secret, token = (Secret(document[name]) for name in ("accessKey", "secretKey", "sessionToken"))
        bucket, prefix = str(document["bucket"]), str(document["key"]).strip("/")
        region = str(document.get("region") or "")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise AnswerError(f"{action}: expected the keys of the object store in the answer") from None
    if not bucket or not prefix:
        raise AnswerError(f"{action}: expected the keys of one image, and found those of a whole bucket")
    return Grant(access, secret, token, bucket, prefix, region, seconds, began + seconds - min(AHEAD, seconds / 10))


class Grants:
    """The grant of one image; safe to share between threads.

    Parameters
    ----------
    first : Grant, optional
        One that is there already.
    renew : callable
        Asks the catalogue for a grant.
    """

    def __init__(self, renew: Callable[[], Grant], first: Grant | None = None) -> None:
        self._renew = renew
        self._grant = first
        self._number = int(first is not None)
        self._locks = OfProcess(threading.Lock)
        self._failed: tuple[float, StoreError] | None = None

    @property
    def present(self) -> tuple[int, Grant | None]:
        """The grant, and how many there have been; None if there is none that lasts."""
        number, grant = self._number, self._grant
        return number, grant if grant is not None and time.monotonic() < grant.end else None

    def renewed(self, seen: int) -> tuple[int, Grant]:
        """Return a newer grant than the one that a caller has seen; one thread asks for it, the others wait.

        If the catalogue gives none, those that wait get the same error.

        Parameters
        ----------
        seen : int
            The number of the grant that has ended, or was refused.

        Raises
        ------
        StoreError
            If the catalogue gives none.
        """
        began = time.monotonic()
        with self._locks[os.getpid()]:
            if self._failed is not None and began < self._failed[0]:
                raise copy.copy(self._failed[1])  # each of them gets a traceback of its own
            if self._number == seen or self._grant is None:
                try:
                    self._grant = self._renew()
                except StoreError as error:
                    self._failed = time.monotonic(), error
                    raise
                self._number += 1
            return self._number, self._grant


def access_to(connection: Connection, store_id: str, action: str, call: Call | None = None) -> Grant:
    """Ask for a grant to read a store; one request."""
    began = time.monotonic()
    variables: Mapping[str, Any] = {"input": {"storeId": store_id}}
    return grant_of(ask(connection, action, documents.ACCESS, variables, call=call), began, action)
