"""What goes wrong in the libraries below, as errors of this package."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

import requests
import urllib3

from pyvolume.errors import TransportError

HOPELESS = (
    urllib3.exceptions.SSLError,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.ProxySchemeUnsupported,
    requests.exceptions.SSLError,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)
"""A TLS handshake that fails, an impossible url, a library that is missing: time mends none of them."""

FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""What these libraries raise."""

UNREACHED = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
"""No connection came about: nothing listens, there is no such host, or it is silent."""


class translated:  # noqa: N801 - it is used as a function, and a class costs less for each request
    """Turn what goes wrong inside of the block, in requests, urllib3 and http.client, into a TransportError.

    Its cause is the innermost error: those of the libraries around it hold urls. Errors of this package pass.

    Parameters
    ----------
    action, url : str
        For messages.
    answered : bool
        Whether the server has answered before: then one that refuses connections may be starting again.
    """

    __slots__ = ("_action", "_answered", "_url")

    def __init__(self, action: str, url: str = "the server", *, answered: bool = True) -> None:
        self._action, self._url, self._answered = action, url, answered

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, FAILURES) and not isinstance(error, TransportError):  # that is an OSError too
            chain = list(_chain(error))
            raise _meaning_of(chain, self._action, self._url, self._answered) from chain[-1]


def _meaning_of(chain: list[BaseException], action: str, url: str, answered: bool) -> TransportError:
    found = str(chain[-1]) or type(chain[-1]).__name__
    if _has(chain, urllib3.exceptions.ProxyError):
        hosts = [f"{each.conn.host}:{each.conn.port}" for each in chain if hasattr(each, "conn")]
        where = " ".join(["the proxy", *hosts[:1]])
        return TransportError(f"{action}: cannot connect to {where} in front of {url} ({found})", unreached=True)
    if _has(chain, *HOPELESS) and not _has(chain, ssl.SSLEOFError):
        # an error of TLS can come when the request has been sent, too
        unreached = not _has(chain, ssl.SSLError) or _has(chain, ssl.SSLCertVerificationError)
        return TransportError(f"{action}: cannot connect to {url} ({found})", unreached=unreached)
    if _has(chain, *UNREACHED):
        may_come = answered or not _has(chain, urllib3.exceptions.NewConnectionError)
        message = f"{action}: cannot connect to {url}, is the server running? ({found})"
        return TransportError(message, retryable=may_come, unreached=True)
    return TransportError(f"{action}: no usable answer arrived: {found}", retryable=True)


def _has(chain: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(each, kinds) for each in chain)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what caused it, through the ways in which requests and urllib3 wrap."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = [current.__cause__, getattr(current, "reason", None), *current.args, current.__context__]
        current = next((each for each in inner if isinstance(each, BaseException)), None)
