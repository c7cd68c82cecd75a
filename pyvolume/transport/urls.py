"""Addresses of HTTP servers."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request

from pyvolume.errors import AddressError
from pyvolume.model import arguments

HIDDEN = "…"
"""Stands for what can be secret."""

DEFAULT_PORTS = {"http": 80, "https": 443}
"""The port of a url that names none, by scheme."""


def normalised_url(address: str) -> str:
    """Return an HTTP address as a url: equal urls become the same text, as far as scheme, host and port go.

    The scheme and the host are in small letters, the port is left out where it is that of the scheme, and there is no
    slash at the end.

    Raises
    ------
    AddressError
        For another scheme, a missing host, a bad port, a path with ``..``, a query, or a password in the url.

    Examples
    --------
    >>> normalised_url("LOCALHOST:8000/")
    'http://localhost:8000'
    >>> normalised_url("HTTPS://Example.org:443/dvid")
    'https://example.org/dvid'
    """
    arguments.text(address, "address", "'host:port' or a url")
    url = address if "://" in address else f"http://{address}"
    shown = without_secrets(address)
    if "@" in url:
        raise AddressError(
            f"address: a url holds no user and password; give a token, or a session with its own auth, for {shown!r}"
        )
    try:
        parts = urllib.parse.urlsplit(url)
        port = "" if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    except ValueError:
        raise AddressError(f"address: malformed url {shown!r}, expected 'host:port' or a url") from None
    if parts.scheme not in {"http", "https"}:
        raise AddressError(f"address: expected http or https and found {parts.scheme!r} in {shown!r}")
    if not parts.hostname or any(c.isspace() for c in url):
        raise AddressError(f"address: expected 'host:port' or a url and found {shown!r}")
    if parts.query or parts.fragment:
        raise AddressError(f"address: expected no query and no fragment in {shown!r}")
    if any(part in {".", ".."} for part in urllib.parse.unquote(parts.path).split("/")):
        raise AddressError(f"address: expected a path without '.' and '..' in {shown!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a normalised url: where secrets may go.

    Examples
    --------
    >>> origin("http://localhost/prefix")
    ('http', 'localhost', 80)
    """
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


def is_proxied(url: str) -> bool:
    """Whether the environment names a proxy for requests to a normalised url."""
    scheme, host, port = origin(url)
    named = {scheme, "all"} & urllib.request.getproxies().keys()
    return bool(named) and not urllib.request.proxy_bypass(f"{host}:{port}")


def without_secrets(address: str) -> str:
    """Return an address for a message: every part of it shows, but for what can be secret.

    Examples
    --------
    >>> without_secrets("http://me:secret@host/path?token=secret&x#secret")
    'http://…@host/path?token=…&…#…'
    """
    rest, hash_sign, fragment = address.partition("#")
    base, question_mark, query = rest.partition("?")
    scheme, at, place = base.rpartition("@")
    shown = re.match(r"(?:[a-z][\w+.-]*://)*", scheme, re.ASCII | re.IGNORECASE)
    words = [f"{name}{equals}{HIDDEN}" if equals else HIDDEN for name, equals, _ in map(_parted, query.split("&"))]
    before = f"{shown[0] if shown else ''}{HIDDEN}@" if at else ""
    return f"{before}{place}{question_mark}{'&'.join(words) if query else ''}{hash_sign}{HIDDEN if fragment else ''}"


def words_of(query: str) -> dict[str, str]:
    """Return the words of the query of a volume's url, with their values.

    Raises
    ------
    AddressError
        For a word that is given several times: nobody knows which value is meant.
    """
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    words = dict(pairs)
    if len(pairs) > len(words):
        twice = next(word for word in words if [name for name, _ in pairs].count(word) > 1)
        raise AddressError(f"open: expected each word of a query once and found {twice!r} several times")
    return words


def _parted(word: str) -> tuple[str, str, str]:
    return word.partition("=")
