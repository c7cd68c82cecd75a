"""Site: which web pages may send requests to a server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import Message

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The names under which a browser on this machine asks a server that listens on it."""


def _none(_: str) -> bool:
    """Allow no origin."""
    return False


@dataclass(frozen=True)
class Site:
    """The names of a server, and the origins whose pages may ask it.

    A browser sends the requests of any page: it names the page in ``Origin``, and under ``Host`` the name that was
    made to point to this machine (DNS rebinding). Other clients send no ``Origin``, and name the server as it is.

    Parameters
    ----------
    names : frozenset of str
        Hosts without a port, in small letters.
    allows : callable
        Whether pages of another origin may ask.
    """

    names: frozenset[str] = LOCAL
    allows: Callable[[str], bool] = _none

    @classmethod
    def of(cls, more: Iterable[str], allows: Callable[[str], bool] = _none) -> Site:
        """Make a site with more names than the local ones.

        Raises
        ------
        ValueError
            If one is no name of a host.
        """
        hosts = list(more)
        for host in hosts:
            if not re.fullmatch(r"[\w.-]+(:\d+)?|\[[\da-fA-F:.]+\](:\d+)?", host):
                raise ValueError(f"expected the name of a host, as box.example.org, and found {host!r}")
        return cls(LOCAL | {_name(host) for host in hosts}, allows)

    def why_refused(self, headers: Message) -> str | None:
        """Say why a request is refused; None if it is not."""
        hosts = headers.get_all("Host", [])
        for host in hosts:
            if _name(host) not in self.names:
                known = ", ".join(sorted(self.names))
                return f"Host: expected one of {known} and found {host}; --allowed-host or allowed_hosts= adds a name"
        own = {f"{scheme}://{host.lower()}" for host in hosts for scheme in ("http", "https")}
        for origin in filter(None, headers.get_all("Origin", [])):
            if origin.lower() not in own and not self.allows(origin):
                return f"Origin: web pages of {origin} may not send requests; --cors or cors= allows an origin"
        return None


def _name(host: str) -> str:
    """Return a host without its port."""
    name, colon, port = host.strip().lower().rpartition(":")
    return name if colon and not port.endswith("]") else host.strip().lower()
