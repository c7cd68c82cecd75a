"""Connection: one server, one session, one policy."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any, Self, TypeVar

import requests
from requests.auth import AuthBase

from pyvolume.errors import AnswerError, BusyError, StoreError, TransportError
from pyvolume.locks import BoxLocks
from pyvolume.transport.adapter import POOL_SIZE, REDACTED, PatientAdapter
from pyvolume.transport.address import normalised_url
from pyvolume.transport.answer import Answer, translated
from pyvolume.transport.call import Call, Progress
from pyvolume.transport.request import Body, Request
from pyvolume.transport.retry import RetryPolicy

_log = logging.getLogger(__name__)

T = TypeVar("T")

ERROR_TEXT_LIMIT = 1 << 16
"""Bytes of an error page that are read."""


class Connection:
    """A server, and how to talk to it; safe to share between threads.

    Parameters
    ----------
    address : str
        ``"localhost:8000"`` or a url, with a path where the server stands behind a proxy.
    timeout : float or (float, float)
        Seconds to connect and seconds of silence after which an attempt is given up; one number is both.
    retry : RetryPolicy
        Patience with a busy server.
    user, app : str, optional
        Recorded by servers that keep a log of who does what.
    token : str, optional
        Sent as ``Authorization: Bearer``.
    admin_token : str, optional
        Sent with the creation of repositories and with server settings, and never with anything else: with it a
        real DVID lets anyone overwrite a committed version.
    verify : bool or str
        Check certificates; a path names the authorities to trust.
    session : requests.Session, optional
        Yours: its authentication, headers, proxies, certificates and hooks apply. It is neither changed nor
        closed nor pickled. requests then counts the sending of each 4 MiB as connecting, and logs an admin token.
    concurrency : int
        How many requests are under way at once, of all threads together.
    pickle_token : bool
        Whether the tokens travel with a pickled connection.

    Raises
    ------
    AddressError
        If the address is not that of an HTTP server.

    Examples
    --------
    >>> with Connection("localhost:8000", timeout=(5, 60)) as connection:
    ...     connection.url
    'http://localhost:8000'
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float | tuple[float, float] = (5, 120),
        retry: RetryPolicy = RetryPolicy(),
        user: str | None = None,
        app: str | None = "pyvolume",
        token: str | None = None,
        admin_token: str | None = None,
        verify: bool | str = True,
        session: requests.Session | None = None,
        concurrency: int = 4,
        pickle_token: bool = False,
    ) -> None:
        if not isinstance(retry, RetryPolicy):
            raise TypeError(f"connection: retry is a RetryPolicy, not {retry!r}")
        self.url = normalised_url(address)
        self.timeout = _two_timeouts(timeout)
        self.retry = retry
        self.user = user
        self.app = app
        self.token = token
        self.admin_token = admin_token
        self.verify = verify
        self.session = session
        if concurrency < 1:
            raise ValueError(f"connection: concurrency is a number of requests, at least 1, not {concurrency!r}")
        self.concurrency = concurrency
        self._pickle_token = pickle_token
        self.locks = BoxLocks()
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(self.concurrency)
        self._current: requests.Session | None = None
        self._settings: dict[str, Any] = {}
        self._template: requests.PreparedRequest | None = None
        self._process = os.getpid()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Connection {self.url}{' closed' if self._closed else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets. A closed connection refuses to be used."""
        with self._lock:
            self._closed = True
            if self._current is not None and self._current is not self.session and self._process == os.getpid():
                self._current.close()
            self._current = None

    def __getstate__(self) -> dict[str, Any]:
        names = (
            "url",
            "timeout",
            "user",
            "app",
            "token",
            "admin_token",
            "verify",
            "locks",
            "concurrency",
            "_pickle_token",
        )
        state = {name: getattr(self, name) for name in names}
        if not self._pickle_token:
            state["token"] = state["admin_token"] = None
        state["retry"] = dataclasses.replace(self.retry, on_wait=None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, session=None)
        self._begin()

    def new_call(self) -> Call:
        """Begin an operation with the patience of this connection."""
        return Call(self.retry)

    def exchange(self, request: Request, receive: Callable[[Answer], T], call: Call) -> T:
        """Send a request and receive its answer, as often as it takes.

        Parameters
        ----------
        request : Request
        receive : callable
            Receives the body of a success. It runs inside the attempt: what it raises decides about a retry.
        call : Call
            The operation that this belongs to.

        Raises
        ------
        StoreError
            What the request makes of an error status; a TransportError or an AnswerError.
        """

        def once(progress: Progress) -> T:
            try:
                with call.holding(self._slots):
                    return self._once(request, receive, call, progress)
            except StoreError as error:
                raise error if request.repeatable else _not_to_be_repeated(error) from error.__cause__

        return call.attempt(once, retry_answers=request.method == "GET")

    def _once(self, request: Request, receive: Callable[[Answer], T], call: Call, progress: Progress) -> T:
        session, settings = self._session()
        left = call.remaining()
        timeout = self.timeout if left is None else (min(self.timeout[0], left), min(self.timeout[1], left))
        prepared = self._prepared(session, request, progress)
        _log.debug("%s %s%s", request.method, self.url, request.path)
        with translated(request.action):
            response = session.send(prepared, stream=True, allow_redirects=False, timeout=timeout, **settings)
        try:
            answer = Answer(response, request.action, progress.received)
            if answer.status == request.expected_status:
                return receive(answer)
            text = b""
            if request.method == "HEAD":  # the text that it may announce does not come
                answer.finish()
            else:
                text = answer.read(ERROR_TEXT_LIMIT)
        finally:
            response.close()
        raise self._meaning_of(request, answer, text)

    def _meaning_of(self, request: Request, answer: Answer, text: bytes) -> StoreError:
        """Return the error that an answer other than 200 stands for."""
        if answer.status >= 400:
            reason = text.decode("utf-8", "replace").strip()
            return request.refused(self.url + request.path, answer.status, answer.headers, reason)
        where = answer.headers.get("Location")
        return AnswerError(
            f"{request.action}: expected status {request.expected_status} and found {answer.status}"
            + (f" to {where}; is a proxy or a login page in between?" if where else ""),
            content_type=answer.headers.get("Content-Type", ""),
            first_bytes=text[:200],
        )

    def _prepared(self, session: requests.Session, request: Request, progress: Progress) -> requests.PreparedRequest:
        given = {"u": self.user, "app": self.app}
        if request.wants_admin:
            given["admintoken"] = REDACTED if self.session is None and self.admin_token else self.admin_token
        who = {name: value for name, value in given.items() if value}
        query = urllib.parse.urlencode({**request.query, **who})
        with translated(request.action):
            if self._template is None or session.cookies:
                prepared = self._prepare(session, self.url + request.path)
            else:
                # preparing costs more than a small request; what it depends on is ours, and does not change
                prepared = self._template.copy()
                prepared.url = self.url + request.path
        prepared.method = request.method
        prepared.url = f"{prepared.url}?{query}" if query else prepared.url
        if request.upload is not None:
            prepared.body = Body(request.upload, progress.sent)  # type: ignore[assignment]
            prepared.headers["Content-Length"] = str(request.upload.nbytes)
        elif request.method not in {"GET", "HEAD"}:
            prepared.headers["Content-Length"] = "0"
        if request.byte_range is not None:
            first, last = request.byte_range
            prepared.headers["Range"] = f"bytes={first}-{'' if last is None else last}"
        return prepared

    def _prepare(self, session: requests.Session, url: str) -> requests.PreparedRequest:
        headers = {"Accept-Encoding": "identity", "User-Agent": f"pyvolume requests/{requests.__version__}"}
        auth = None if self.token is None else _Bearer(self.token)
        return session.prepare_request(requests.Request("GET", url, headers=headers, auth=auth))

    def _session(self) -> tuple[requests.Session, dict[str, Any]]:
        """Return the session of this process and its settings, which are looked up once."""
        with self._lock:
            if self._closed:
                raise ValueError(f"the connection to {self.url} is closed")
            if self._current is None or self._process != os.getpid():
                self._process = os.getpid()
                self._current = self.session or self._new_session()
                # requests looks through every environment variable, for each request
                # and lets REQUESTS_CA_BUNDLE win over a session's authorities, but not over these
                verify = None if self.verify is True else self.verify
                settings = self._current.merge_environment_settings(self.url, {}, None, verify, None)
                self._settings = {name: settings[name] for name in ("proxies", "verify", "cert")}
                self._template = None if self.session else self._prepare(self._current, self.url)
            return self._current, self._settings

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.verify = self.verify
        for scheme in ("http://", "https://"):
            session.mount(scheme, PatientAdapter(self.timeout[1], self.admin_token, max(POOL_SIZE, self.concurrency)))
        return session


class _Bearer(AuthBase):
    """A token as authentication: as a mere header it would give way to a netrc file."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _not_to_be_repeated(error: StoreError) -> StoreError:
    """Let only a 503 and a refused port be tried again: after them, nothing has happened on the server."""
    if not error.retryable or (isinstance(error, BusyError) and error.status == 503):
        return error
    if isinstance(error, TransportError):
        return TransportError(f"{error}; the request may have been carried out")
    return error.with_facts(retryable=False)


def _two_timeouts(timeout: object) -> tuple[float, float]:
    match timeout:
        case (int() | float() as connect, int() | float() as silence) if connect > 0 and silence > 0:
            return connect, silence
        case int() | float() as both if both > 0:
            return both, both
    raise ValueError(f"connection: timeout is seconds to connect and of silence, above 0, not {timeout!r}")
