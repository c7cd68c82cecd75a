"""Sending one request: straight through urllib3, or through the session of a user."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any, Protocol

import requests
import urllib3
from requests.cookies import MockRequest, MockResponse, get_cookie_header

from pyvolume.model.secret import Secret
from pyvolume.transport.adapter import SECRET_QUERY, PatientAdapter
from pyvolume.transport.answer import Received
from pyvolume.transport.cookies import few_cookies
from pyvolume.transport.line import FoundLine, Line
from pyvolume.transport.request import Body

HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"pyvolume requests/{requests.__version__}"}


UNCHANGED = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/?-]*")
"""A path and a query without anything that is, or has to be, percent-encoded."""

SENT_AT_ONCE = 1 << 16
"""Bytes that requests sends at once: it takes the limit for connecting as the time for all of them."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One attempt at a request, as it is sent.

    Parameters
    ----------
    method : str
        The HTTP method.
    target : str
        What follows the url of the server: path and query, percent-encoded.
    body : Body, optional
        The body to send.
    added : mapping
        Headers of the request, and of whoever asks.
    secrets : mapping
        More parameters of the query, which go into the request line only when it is sent.
    """

    method: str
    target: str
    body: Body | None
    added: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of this request alone."""
        if self.body is not None:
            return {"Content-Length": str(len(self.body)), **self.added}
        return {**self.added} if self.method in {"GET", "HEAD"} else {"Content-Length": "0", **self.added}


class Sender(Protocol):
    """What sends requests to one server; safe to share between threads."""

    def new_line(self) -> Line:
        """Return the line of the attempt that this thread begins."""

    def send(self, outgoing: Outgoing, timeout: tuple[float, float]) -> Received:
        """Send a request, and receive the head of its answer."""

    def close(self) -> None:
        """Close the sockets that are its own."""


class OwnSender:
    """Sends through urllib3.

    What requests makes of the environment (proxy, authorities, netrc) is looked up once; for each request it would cost
    more than a small answer.

    Parameters
    ----------
    url : str
        The url of the server.
    adapter : PatientAdapter
        The adapter that opens the connections.
    verify : bool or str
        Check certificates; a path names the authorities to trust.
    """

    def __init__(self, url: str, adapter: PatientAdapter, verify: bool | str) -> None:
        self._session = requests.Session()
        self._session.cookies = few_cookies()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        template = self._session.prepare_request(requests.Request("GET", url, headers=HEADERS))
        settings = _settings(self._session, url, verify)
        self._lines = adapter.lines
        pool: Any = adapter.get_connection_with_tls_context(template, **settings)
        adapter.cert_verify(pool, url, settings["verify"], settings["cert"])  # type: ignore[no-untyped-call]
        # behind a proxy the request line holds the whole url
        base = adapter.request_url(template, settings["proxies"]).rstrip("/")
        self._front, self._prefix = _in_two(base)
        self._url, self._template, self._pool, self._retries = url, template, pool, adapter.max_retries
        # a .netrc file can have given a password
        self._headers = {"Host": _host_of(template), **{name: Secret(text) for name, text in template.headers.items()}}

    def new_line(self) -> Line:
        self._lines.line = line = Line()
        return line

    def send(self, outgoing: Outgoing, timeout: tuple[float, float]) -> Received:
        headers = outgoing.headers
        given = {name.lower() for name in headers}
        headers = {name: value for name, value in self._headers.items() if name.lower() not in given} | headers
        if self._session.cookies:
            cookie = get_cookie_header(self._session.cookies, self._asked(outgoing))  # type: ignore[no-untyped-call]
            headers |= {"Cookie": Secret(cookie)} if cookie else {}
        if outgoing.secrets:
            headers[SECRET_QUERY] = Secret(urllib.parse.urlencode(outgoing.secrets))
        parts = outgoing.method, self._front + _encoded(self._prefix + outgoing.target), outgoing.body, headers
        raw = self._pool.ask_idle(*parts, silence=timeout[1]) or self._pool.urlopen(
            *parts,
            self._retries,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
            preload_content=False,
            decode_content=False,
        )
        if "Set-Cookie" in raw.headers:
            answer, asked = MockResponse(raw.headers), MockRequest(self._asked(outgoing))
            self._session.cookies.extract_cookies(answer, asked)  # type: ignore[arg-type]
        return Received(raw.status, raw.headers, raw)

    def _asked(self, outgoing: Outgoing) -> requests.PreparedRequest:
        """Return what the rules for cookies look at."""
        asked = self._template.copy()
        asked.url = self._url + outgoing.target
        return asked

    def close(self) -> None:
        self._session.close()


class GivenSender:
    """Sends through the session of a user: whatever is set there applies.

    requests takes an interim answer (status 1xx) for the final one. It is refused here, with its connection closed.

    Parameters
    ----------
    url : str
        The url of the server.
    session : requests.Session
        The user's session.
    verify : bool or str
        Check certificates; a path names the authorities to trust.
    """

    def __init__(self, url: str, session: requests.Session, verify: bool | str) -> None:
        self._url = url
        self._session = session
        # requests looks through every environment variable, for each request
        self._settings = _settings(session, url, verify)

    def new_line(self) -> Line:
        return FoundLine()

    def send(self, outgoing: Outgoing, timeout: tuple[float, float]) -> Received:
        url, secrets = self._url + outgoing.target, dict(outgoing.secrets)
        request = requests.Request(outgoing.method, url, headers=HEADERS, params=secrets)
        prepared = self._session.prepare_request(request)
        if outgoing.body is not None:
            outgoing.body.most = SENT_AT_ONCE
        prepared.body = outgoing.body  # type: ignore[assignment]
        prepared.headers.update(outgoing.headers)
        response = self._session.send(prepared, stream=True, allow_redirects=False, timeout=timeout, **self._settings)
        if 100 <= response.status_code < 200:
            response.raw.close()
            raise http.client.HTTPException(
                f"interim answer {response.status_code}, which the given session takes for the final one; "
                "a connection without session= skips it"
            )
        try:
            _check_head(getattr(getattr(response.raw, "_original_response", None), "msg", None))
        except http.client.HTTPException:
            response.raw.close()
            raise
        return Received(response.status_code, response.headers, response.raw)

    def close(self) -> None:
        """Do nothing: the session stays the user's."""


def _in_two(base: str) -> tuple[str, str]:
    """Return the server of a url, empty where there is none, and the path."""
    parts = urllib3.util.parse_url(base)
    return (parts._replace(path=None).url if parts.host else ""), parts.path or ""


def _encoded(target: str) -> str:
    """Return a path and a query as urllib3 sends them over a new connection: what it changes is percent-encoded."""
    if UNCHANGED.fullmatch(target):
        return target
    return urllib3.util.parse_url(f"http://host{target.replace('#', '%23')}").request_uri


def _host_of(request: requests.PreparedRequest) -> str:
    """Return the value of the header ``Host``; a zone of IPv6 means nothing to the server (RFC 6874)."""
    return re.sub(r"%[^\]]*", "", urllib.parse.urlsplit(str(request.url)).netloc.rpartition("@")[2])


def _settings(session: requests.Session, url: str, verify: bool | str) -> dict[str, Any]:
    # requests lets REQUESTS_CA_BUNDLE win over a session's authorities, but not over these
    chosen = None if verify is True else verify
    settings = session.merge_environment_settings(url, {}, None, chosen, None)
    proxies = {name: Secret(proxy) for name, proxy in settings["proxies"].items()}  # a proxy's url can hold a password
    return {"proxies": proxies, "verify": settings["verify"], "cert": settings["cert"]}


def without_sockets(session: requests.Session) -> list[object]:
    """Let a session in a process made by fork open sockets of its own, and return those of its parent, to be kept.

    On a shared socket one process would receive the answers of the other. Closing what is inherited could wait for a
    lock that another thread held at the moment of the fork.
    """
    inherited: list[object] = []
    for adapter in session.adapters.values():
        if isinstance(adapter, requests.adapters.HTTPAdapter):
            inherited += [adapter.poolmanager, adapter.proxy_manager]
            adapter.__setstate__(adapter.__getstate__())  # type: ignore[attr-defined]
    return inherited


def _check_head(headers: object) -> None:
    """Refuse the headers of http.client if a line among them is none.

    Its parser takes such a line for the end of the head, and leaves out the length that may follow.

    Raises
    ------
    http.client.HTTPException
    """
    if any(isinstance(each, MissingHeaderBodySeparatorDefect) for each in getattr(headers, "defects", ())):
        raise http.client.HTTPException("a head with a line that is no header")
