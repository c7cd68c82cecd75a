"""MikroServer: starts and stops a mock of Mikro, with its object store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self

from mockserver.http.faults import Fault, Faults
from mockserver.http.framing import Framing
from mockserver.http.messages import Answer
from mockserver.http.server import Backend
from mockserver.http.shared import RequestRecord, Shared
from mockserver.http.sites import Site
from mockserver.mikro.model.grants import Grants, Kind
from mockserver.mikro.model.objects import Bucket
from mockserver.mikro.model.rows import Rows
from mockserver.mikro.routes.catalogue import CatalogueApi
from mockserver.mikro.routes.operations import Operations
from mockserver.mikro.routes.store import StoreApi
from mockserver.mikro.steps import Step, Steps
from mockserver.mikro.wire.tokens import static_users, user_of

TOKENS: Mapping[str, Mapping[str, Any]] = {"test": {"sub": "1"}}
"""The static tokens of a server that is given none."""

BUCKET = "mikro-zarr"

DAPHNE = Framing(buffered=1 << 20, drained=1 << 20, linger_seconds=0.5, head=1 << 20)
"""The web servers of the catalogue and of the store."""


class MikroServer:
    """A catalogue and an object store that speak Mikro's protocol like the real ones, and inject faults.

    Both listen on 127.0.0.1, and are ready when the constructor returns.

    Parameters
    ----------
    port, store_port : int
        Ports to listen on; 0 takes a free one.
    tokens : mapping, optional
        Static tokens, each with the facts of its user: ``sub``, and if they differ ``roles`` and ``active_org``. By
        default ``"test"`` is an administrator.
    keys : mapping, optional
        Public RSA keys in PEM, by their ids, with which JSON web tokens are checked.
    grants : "scoped" or "plain"
        Whether the keys of the store are for one prefix and expire; or permanent, as on a stock server.
    seconds : int
        How long scoped keys are valid.
    expired_code : "InvalidAccessKeyId" or "ExpiredToken"
        What the store answers to keys that have expired.
    lists : bool
        Whether a missing object is a 404. Otherwise it is a 403, as where listing is not granted.
    faults : iterable of Fault
        The first faults to inject, in both servers; the path of the catalogue is ``/graphql``.
    steps : iterable of Step
        The first operations of the catalogue that fail.
    allowed_hosts : iterable of str
        Further names of this server, which the header ``Host`` of a request may have.

    Examples
    --------
    >>> with MikroServer() as server:
    ...     server.url != server.store_url
    True
    """

    def __init__(
        self,
        *,
        port: int = 0,
        store_port: int = 0,
        tokens: Mapping[str, Mapping[str, Any]] | None = None,
        keys: Mapping[str, str] | None = None,
        grants: Kind = "scoped",
        seconds: int = 900,
        expired_code: Literal["InvalidAccessKeyId", "ExpiredToken"] = "InvalidAccessKeyId",
        lists: bool = True,
        faults: Iterable[Fault] = (),
        steps: Iterable[Step] = (),
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        self.expired_code = expired_code
        self.lists = lists
        self.faults = Faults(*faults)
        self.steps = Steps()
        self.steps.add(*steps)
        self._ahead = 0.0
        self._rows = Rows()
        self._bucket = Bucket(BUCKET)
        self._grants = Grants(grants, seconds, self._now)
        users, trusted = static_users(TOKENS if tokens is None else tokens), dict(keys or {})
        catalogue = CatalogueApi(
            Operations(self._rows, self._grants, self._bucket),
            threading.RLock(),
            lambda header: user_of(header, users, trusted),
            self.steps,
        )
        self._shared = Shared(
            api=catalogue,
            error=_error,
            busy_text="",
            is_admin=lambda _query, _headers: False,
            framing=DAPHNE,
            faults=self.faults,
            site=Site.of(allowed_hosts, lambda _origin: True),
        )
        store = StoreApi(self._bucket, self._grants, lambda: self.expired_code, lambda: self.lists)
        self._store_shared = replace(self._shared, api=store, closing=threading.Event())
        self._backend = Backend(port, self._shared)
        self._store_backend = Backend(store_port, self._store_shared)

    def _now(self) -> float:
        return time.monotonic() + self._ahead

    @property
    def url(self) -> str:
        """Address of the catalogue, as ``http://127.0.0.1:54321``."""
        return self._backend.url

    @property
    def store_url(self) -> str:
        """Address of the object store."""
        return self._store_backend.url

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests that both have received, in order; those of the catalogue have the path ``/graphql``."""
        return self._shared.records.copy()

    @property
    def objects(self) -> dict[str, bytes]:
        """The objects of the bucket, by key."""
        return {key: stored.data for key, stored in self._bucket.listed("")}

    @property
    def images(self) -> dict[int, str]:
        """The names of all images, by id."""
        return {each.id: each.name for each in self._rows.images.values()}

    def put(self, key: str, data: bytes) -> None:
        """Write an object, as another client would."""
        self._bucket.put(key, data)

    def delete(self, key: str) -> None:
        """Delete an object."""
        self._bucket.delete(key)

    def advance(self, seconds: float) -> None:
        """Let so much time pass for the keys of the store, without waiting."""
        self._ahead += seconds

    def revoke(self) -> None:
        """Let all keys of the store expire before their time; permanent ones stay."""
        self._grants.revoke()

    def close(self) -> None:
        """Stop serving and close every connection; a second call does nothing."""
        for shared, backend in ((self._shared, self._backend), (self._store_shared, self._store_backend)):
            if not shared.closing.is_set():
                backend.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _error(status: int, text: str) -> Answer:
    """Return an error answer as an injected fault sends it."""
    data = text.encode()
    return Answer(status, "text/plain", (data,), len(data))
