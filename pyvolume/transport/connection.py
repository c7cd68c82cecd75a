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

from pyvolume.calls.call import Call, Exchange
from pyvolume.calls.retry import RetryPolicy
from pyvolume.calls.slots import Slots
from pyvolume.errors import AnswerError, BusyError, StoreError, TransportError
from pyvolume.transport.adapter import POOL_SIZE, PatientAdapter
from pyvolume.transport.answer import Answer, translated
from pyvolume.transport.request import Body, Request
from pyvolume.transport.senders import Bearer, GivenSender, Outgoing, OwnSender, Sender
from pyvolume.transport.urls import normalised_url

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
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._slots = Slots(self.concurrency)
        self._sender: Sender | None = None
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
            if self._sender is not None and self._process == os.getpid():
                self._sender.close()
            self._sender = None

    def __getstate__(self) -> dict[str, Any]:
        names = (
            "url",
            "timeout",
            "user",
            "app",
            "token",
            "admin_token",
            "verify",
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

        def once(exchange: Exchange) -> T:
            try:
                with exchange.holding(self._slots):
                    return self._once(request, receive, call, exchange)
            except StoreError as error:
                raise error if request.repeatable else _not_to_be_repeated(error) from error.__cause__

        return call.attempt(once, retry_answers=request.method == "GET")

    def _once(self, request: Request, receive: Callable[[Answer], T], call: Call, exchange: Exchange) -> T:
        left = call.remaining()
        timeout = (min(self.timeout[0], left), min(self.timeout[1], left))
        body = None if request.upload is None else Body(request.upload, exchange.sent)
        _log.debug("%s %s%s", request.method, self.url, request.path)
        with translated(request.action, self.url):
            sender = self._open_sender()
            outgoing = Outgoing(request.method, self._target(request, sender), body, request.byte_range)
            received = sender.send(outgoing, timeout)
        answer = Answer(received, request.action, exchange.received)
        try:
            if answer.status == request.expected_status:
                return receive(answer)
            text = b""
            if request.method == "HEAD":  # the text that it may announce does not come
                answer.finish()
            else:
                text = answer.read(ERROR_TEXT_LIMIT)
        finally:
            answer.close()
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

    def _target(self, request: Request, sender: Sender) -> str:
        given = {"u": self.user, "app": self.app}
        if request.wants_admin and self.admin_token:
            given["admintoken"] = sender.placeholder or self.admin_token
        query = {**request.query, **{name: value for name, value in given.items() if value}}
        return f"{request.path}?{urllib.parse.urlencode(query)}" if query else request.path

    def _open_sender(self) -> Sender:
        """Return the sender of this process."""
        with self._lock:
            if self._closed:
                raise ValueError(f"the connection to {self.url} is closed")
            if self._sender is None or self._process != os.getpid():
                self._process = os.getpid()
                self._sender = self._new_sender()
            return self._sender

    def _new_sender(self) -> Sender:
        auth = None if self.token is None else Bearer(self.token)
        if self.session is not None:
            return GivenSender(self.url, self.session, auth, self.verify)
        adapter = PatientAdapter(self.timeout[1], self.admin_token, max(POOL_SIZE, self.concurrency))
        return OwnSender(self.url, adapter, auth, self.verify)


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
