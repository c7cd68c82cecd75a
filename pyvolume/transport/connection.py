"""Connection: one server, one session, one policy."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import os
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import requests
from requests.adapters import DEFAULT_POOLSIZE

from pyvolume.calls.call import Call, Exchange
from pyvolume.calls.holds import AUTO, MOST, Concurrency, Lanes
from pyvolume.calls.processes import OfProcess
from pyvolume.calls.retry import RetryPolicy
from pyvolume.errors import (
    AddressError,
    AnswerError,
    BusyError,
    ClosedError,
    ForbiddenError,
    RefusedError,
    StoreError,
    TransportError,
)
from pyvolume.model import arguments
from pyvolume.model.arguments import brief
from pyvolume.model.secret import Secret
from pyvolume.transport.adapter import POOL_SIZE, PatientAdapter
from pyvolume.transport.answer import MAX_DOCUMENT, Answer
from pyvolume.transport.auth import Additions, Auth
from pyvolume.transport.bearer import as_auth, only_auth
from pyvolume.transport.failures import translated
from pyvolume.transport.request import Body, Request
from pyvolume.transport.senders import GivenSender, Outgoing, OwnSender, Sender, without_sockets
from pyvolume.transport.urls import HIDDEN, normalised_url, origin, without_secrets

_log = logging.getLogger(__name__)

T = TypeVar("T")

ERROR_TEXT_LIMIT = 1 << 16
"""Bytes of an error page that are read."""

NOTHING = Additions()
"""What is added to a request without an `Auth`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of a connection, without its url.

    Parameters
    ----------
    timeout, retry, auth, verify, session, concurrency, max_document
        See `Connection`.
    """

    timeout: tuple[float, float]
    retry: RetryPolicy
    auth: Auth | None
    verify: bool | str
    session: requests.Session | None
    concurrency: Concurrency
    max_document: int

    def __post_init__(self) -> None:
        if not isinstance(self.retry, RetryPolicy):
            raise TypeError(f"connection: retry is a RetryPolicy, not {self.retry!r}")
        if self.concurrency != AUTO:
            arguments.integer(self.concurrency, "connection", "concurrency", least=1)
        arguments.integer(self.max_document, "connection", "max_document", least=1)


class Connection:
    """A server, and how to talk to it; safe to share between threads.

    Parameters
    ----------
    url : str
        ``"localhost:8000"`` or a url, with the path under which a proxy serves the server.
    timeout : float or (float, float)
        Seconds to connect and seconds of silence after which an attempt is given up; one number is both.
    retry : RetryPolicy
        Patience with a busy server.
    auth : Auth or str, optional
        Says who asks: a `pyvolume.Bearer`, a text for a bearer token, or for DVID a `pyvolume.dvid.Identity`.
    verify : bool or str
        Check certificates; a path names the authorities to trust.
    session : requests.Session, optional
        Yours: its authentication, headers, proxies, certificates and hooks apply. It is neither changed nor
        closed nor pickled. requests then counts the sending of each 64 KiB as connecting, and logs secrets in urls.
    concurrency : int or "auto"
        How many requests are under way at once, of all threads together. The default learns it, for reads and for
        writes, from what they bring: up to 64 of each kind, and up to 10 with a session of yours.
    max_document : int
        Bytes of the largest document, of the largest entry of a list, and of the largest value of a key that is read as
        a whole; 64 MiB by default. A larger one is a `MetadataError`, and the rest is not received. Python objects that
        are made of a document can take 20 times as much.

    Raises
    ------
    AddressError
        If the url does not name an HTTP server.

    Examples
    --------
    >>> with Connection("localhost:8000", timeout=(5, 60)) as connection:
    ...     connection.url
    'http://localhost:8000'
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float | tuple[float, float] = (5, 120),
        retry: RetryPolicy = RetryPolicy(),
        auth: Auth | str | None = None,
        verify: bool | str = True,
        session: requests.Session | None = None,
        concurrency: Concurrency = AUTO,
        max_document: int = MAX_DOCUMENT,
    ) -> None:
        settings = Settings(_two_timeouts(timeout), retry, as_auth(auth), verify, session, concurrency, max_document)
        self._begin(normalised_url(url), settings, _lanes_of(settings))

    def _begin(self, url: str, settings: Settings, lanes: Lanes) -> None:
        self.url = url
        self._settings = settings
        self.lanes = lanes
        self._locks = OfProcess(threading.RLock)
        self._sender: Sender | None = None
        self._process = os.getpid()
        self._inherited: list[object] = []
        self._closed = False
        self._has_answered = False
        self._lasting = True

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect, and seconds of silence."""
        return self._settings.timeout

    @property
    def retry(self) -> RetryPolicy:
        """The patience of its operations."""
        return self._settings.retry

    @property
    def auth(self) -> Auth | None:
        """Who asks."""
        return self._settings.auth

    @property
    def concurrency(self) -> int:
        """How many requests are under way at once, at most."""
        return self.lanes.reads.count

    @property
    def max_document(self) -> int:
        """Bytes of the largest document."""
        return self._settings.max_document

    def at(
        self,
        url: str,
        *,
        auth: Auth | None = None,
        session: requests.Session | None = None,
        lasting: bool = True,
    ) -> Connection:
        """Return a connection to another host or path, with the same settings.

        Both share the limit on requests under way. Each is closed by itself.

        Parameters
        ----------
        url : str
            As for a new connection.
        auth : Auth, optional
            For the same scheme, host and port by default the `auth` of this connection; for another server none,
            because it would get the secrets.
        session : requests.Session, optional
            By default as for `auth`.
        lasting : bool
            Whether to wait for a server that has answered before and now refuses connections: it may be starting again.
            A process that ends when it is idle does not come back.

        Raises
        ------
        AddressError
            If the url does not name an HTTP server.
        """
        there = normalised_url(url)
        if origin(there) == origin(self.url):
            auth = self._settings.auth if auth is None else auth
            session = self._settings.session if session is None else session
        other = Connection.__new__(Connection)
        other._begin(there, dataclasses.replace(self._settings, auth=auth, session=session), self.lanes)  # noqa: SLF001 - one of its own
        other._lasting = lasting  # noqa: SLF001
        return other

    def __repr__(self) -> str:
        return f"<Connection {self.url}{' closed' if self._closed else ''}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets. A closed connection refuses to be used."""
        with self._locks[os.getpid()]:
            self._closed = True
            if self._sender is not None and self._process == os.getpid():
                self._sender.close()
            self._sender = None

    def __copy__(self) -> Connection:
        return self.at(self.url)  # the state for pickling lacks what belongs to this process

    def __deepcopy__(self, _memo: object) -> Connection:
        return self.at(self.url)

    def __getstate__(self) -> tuple[str, Settings]:
        retry = dataclasses.replace(self.retry, on_wait=None)
        return self.url, dataclasses.replace(self._settings, retry=retry, session=None)

    def __setstate__(self, state: tuple[str, Settings]) -> None:
        self._begin(*state, _lanes_of(state[1]))

    def new_call(self) -> Call:
        """Begin an operation with the patience of this connection."""
        return Call(self.retry)

    def exchange(self, request: Request, receive: Callable[[Answer], T], call: Call) -> T:
        """Send a request and receive its answer, with retries.

        If the server refuses it as not authorized, and `auth` has something newer, it is sent once more.

        Parameters
        ----------
        request : Request
            The request to send.
        receive : callable
            Receives the body of a success. It runs inside the attempt: what it raises decides about a retry.
        call : Call
            The operation that this belongs to.

        Raises
        ------
        StoreError
            What the request makes of an error status; a TransportError or an AnswerError.
        """
        slots = self.lanes.of(write=not request.is_read)

        def once(exchange: Exchange) -> T:
            hold = threading.Lock()
            try:
                with hold:
                    exchange.take(slots, hold)
                    mark = slots.begin(call)
                    try:
                        result = self._once(request, receive, call, exchange)
                    except StoreError as error:
                        slots.fail(mark, error, call)
                        raise
                    slots.end(mark, exchange.moved, call)
                    return result
            finally:
                call.give_back(hold)

        try:
            return call.attempt(once, retry_answers=request.is_read)
        except ForbiddenError as error:
            if self.auth is None or not self.auth.refresh(error):
                if advice := _why_missing(self.auth):
                    error.args = (f"{error}; {advice}",)
                raise
        return call.attempt(once, retry_answers=request.is_read)

    def _once(self, request: Request, receive: Callable[[Answer], T], call: Call, exchange: Exchange) -> T:
        sender = self._open_sender(request.action)
        with sender.new_line() as line, call.cutting(line.cut) as left:
            try:
                result = self._converse(request, receive, sender, left, exchange)
                if line.is_cut:  # what ended there may have been taken for the end of the answer
                    call.remaining()
            except StoreError as error:
                found = _ended(call, error)
                raise found if request.repeatable else _not_to_be_repeated(found) from error.__cause__
        return result

    def _converse(
        self, request: Request, receive: Callable[[Answer], T], sender: Sender, left: float, exchange: Exchange
    ) -> T:
        (connect, silence), auth = self._settings.timeout, self._settings.auth
        timeout = (min(connect, left), min(silence, left))
        body = None if request.upload is None else Body(request.upload, exchange.sent, timeout[1])
        _log.debug("%s %s%s", request.method, self.url, request.path)
        with translated(request.action, self.url, answered=self._has_answered and self._lasting):
            added = NOTHING if auth is None else auth.apply(request)
            headers = {**request.headers, **added.headers}
            outgoing = Outgoing(request.method, _target(request, added), body, headers, added.secrets)
            received = sender.send(outgoing, timeout)
        self._has_answered = True
        answer = Answer(received, request.action, exchange.received, self._settings.max_document)
        try:
            answer.check_framing()
            if answer.status in request.accepts:
                if body is not None and body.left:
                    raise _too_early(request, answer.status, body)
                return receive(answer)
            text = b""
            if request.method == "HEAD":  # the text that it may announce does not come
                answer.finish()
            else:
                with contextlib.suppress(AnswerError):  # of a page that cannot be decoded the status remains
                    text = _without(added, answer.read(ERROR_TEXT_LIMIT))
        finally:
            answer.close()
        raise self._meaning_of(request, answer, text)

    def _meaning_of(self, request: Request, answer: Answer, text: bytes) -> StoreError:
        """Return the error for a status that the request does not accept."""
        if answer.status >= 400:
            reason = text.decode("utf-8", "replace").strip()
            return request.refused(self.url + request.path, answer.status, answer.headers, reason)
        where = answer.headers.get("Location")
        expected = " or ".join(map(str, sorted(request.accepts)))
        return AnswerError(
            f"{request.action}: expected status {expected} and found {answer.status}"
            + (f" to {without_secrets(where)}; is a proxy or a login page in between?" if where else ""),
            content_type=answer.headers.get("Content-Type", ""),
            first_bytes=text[:200],
        )

    def _open_sender(self, action: str) -> Sender:
        """Return the sender of this process."""
        with self._locks[os.getpid()]:
            if self._closed:
                raise ClosedError(f"connect: the connection to {self.url} is closed")
            if self._sender is None or self._process != os.getpid():
                session = self._settings.session
                if session is not None and self._process != os.getpid():
                    self._inherited = without_sockets(session)
                self._process = os.getpid()
                with translated(action, self.url):
                    self._sender = self._new_sender()
            return self._sender

    def _new_sender(self) -> Sender:
        session, verify = self._settings.session, self._settings.verify
        if session is not None:
            return GivenSender(self.url, session, verify)
        return OwnSender(self.url, PatientAdapter(self.timeout[1], max(POOL_SIZE, self.concurrency)), verify)


def connected(server: str, given: Mapping[str, Any]) -> Connection:
    """Return a new connection with what the user gives for it.

    Parameters
    ----------
    server : str
        The url of the server.
    given : mapping
        Arguments of `Connection`, and ``token``; None for what is not given.

    Raises
    ------
    TypeError
        If a token is given together with ``auth``.
    """
    arguments = {name: value for name, value in given.items() if value is not None}
    asking = only_auth("connect", arguments.pop("token", None), arguments.pop("auth", None))
    return Connection(server, auth=asking, **arguments)


@contextlib.contextmanager
def opening(
    url: str, given: Connection | None, beside: Mapping[str, object], connect: Callable[[], Connection]
) -> Iterator[Connection]:
    """Give the connection over which something is opened: a given one, or a new one, which is closed if that fails.

    Parameters
    ----------
    url : str
        Of the server.
    given : Connection or None
        What the user gives.
    beside : mapping
        What the user gives for a new connection; None for what is not given.
    connect : callable
        Makes a connection.

    Raises
    ------
    AddressError
        If the given connection goes to another server.
    TypeError
        If an argument is given together with a connection.
    """
    if given is not None:
        names = [name for name, value in beside.items() if value is not None]
        if names:
            raise TypeError(f"open: {', '.join(names)} belong to the connection, which is given")
        arguments.instance_of(given, Connection, "open")
        if given.url != url:
            raise AddressError(f"open: the connection goes to {given.url}, the url to {url}")
        yield given
        return
    connection = connect()
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _lanes_of(settings: Settings) -> Lanes:
    """Return the slots of a connection; a session keeps so many connections of its own open."""
    return Lanes(settings.concurrency, MOST if settings.session is None else DEFAULT_POOLSIZE)


def _target(request: Request, added: Additions) -> str:
    if not (request.query or added.query):
        return request.path
    return f"{request.path}?{_encoded(*request.query.items(), *added.query.items())}"


@functools.lru_cache
def _encoded(*words: tuple[str, str]) -> str:
    """Return a query; the later one of two words with one name counts."""
    return urllib.parse.urlencode(dict(words))


def _without(added: Additions, text: bytes) -> bytes:
    """Return the page of an error without the secrets of the request: some servers repeat its url or its token."""
    for value in added.headers.values():
        if isinstance(value, Secret):
            text = text.replace(value.rpartition(" ")[2].encode(), HIDDEN.encode())
    for secret in added.secrets.items():
        parameter = urllib.parse.urlencode([secret]).encode()
        text = text.replace(parameter, parameter.partition(b"=")[0] + f"={HIDDEN}".encode())
    return text


def _why_missing(auth: Auth | None) -> str:
    """Say why an `Auth` has no secrets, if it has left them in another process."""
    if not getattr(auth, "left_behind", False):
        return ""
    kind = type(auth).__name__
    return f"no token was sent to this process: {kind}(..., pickle_secrets=True) sends it to other processes"


def _too_early(request: Request, status: int, body: Body) -> AnswerError:
    """Return the error for a success that cannot be one."""
    error = AnswerError(f"{request.action}: the answer {status} came before the last {body.left} bytes were sent")
    return error if request.is_read else error.as_uncertain()


def _ended(call: Call, error: StoreError) -> StoreError:
    """Return why a call has ended, if it has, in place of what its attempt found there."""
    try:
        call.remaining()
    except TransportError as reason:
        return error if isinstance(error, RefusedError) else reason
    return error


def _not_to_be_repeated(error: StoreError) -> StoreError:
    """Let only be tried again what has not happened on the server."""
    if isinstance(error, TransportError):
        return error if error.unreached else error.as_uncertain()
    if isinstance(error, BusyError) and not error.unstarted:
        return error.with_facts(retryable=False) if error.status == 429 else error.as_uncertain()
    return error


def _two_timeouts(timeout: object) -> tuple[float, float]:
    match timeout:
        case (int() | float() as connect, int() | float() as silence) if connect > 0 and silence > 0:
            return connect, silence
        case int() | float() as both if both > 0:
            return both, both
    raise ValueError(f"connection: timeout is seconds to connect and of silence, above 0, not {brief(timeout)}")
