"""Rules of access: tokens, read-only servers, web pages of other origins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from urllib.parse import urlsplit

from mockserver.dvid.tokens import read_token
from mockserver.dvid.wire import gojson
from mockserver.http.messages import Answer, Refused, Request

METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS"})
PLAIN_HEADERS = frozenset({"origin", "accept", "content-type", "x-requested-with"})

Header = tuple[str, str]


@dataclass(frozen=True)
class Policy:
    """The rules of access of a server.

    Parameters
    ----------
    admin_token : str, optional
        Token of the administrator. Without one, anybody may create repositories, like on DVID 1.0.0.
    read_only : bool
        True if only the administrator may change anything.
    jwt_secret : str, optional
        With a secret, requests for repositories and versions need a token signed with it.
    cors : tuple of str
        Origins whose web pages may send requests, ``*`` for all. With `jwt_secret`, domains such as ``janelia.org``.
    """

    admin_token: str | None = field(default=None, repr=False)
    read_only: bool = False
    jwt_secret: str | None = field(default=None, repr=False)
    cors: tuple[str, ...] = ()

    def is_admin(self, query: Mapping[str, str], _: Message) -> bool:
        """Return whether a request carries the admin token."""
        return self.admin_token is not None and query.get("admintoken") == self.admin_token

    def check_writable(self, request: Request) -> None:
        """Refuse changes to a read-only server."""
        if self.read_only and not request.admin and request.method.lower() not in {"get", "head"}:
            # DVID misspells it.
            raise Refused("Server in read-only mode and will only accept GET and HEAD requestcs")

    def check_user(self, request: Request) -> None:
        """Refuse a request without a valid token; the admin token does not replace it."""
        if self.jwt_secret is None:
            return
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Refused("JWT required via Authorization in request header")
        user = read_token(token.strip(), self.jwt_secret).get("user")
        if not isinstance(user, str):
            raise Refused(f"user {gojson.show(user)} is not a simple string")

    def shows_all(self, request: Request) -> bool:
        """Return whether this client may see the list of repositories."""
        if request.admin:
            return True
        try:
            self.check_user(request)
        except Refused:
            return False
        return True

    @property
    def _any_origin(self) -> bool:
        return "*" in self.cors and self.jwt_secret is None

    def preflight(self, request: Request) -> Answer | None:
        """Answer the CORS preflight of a browser; None for other requests."""
        wanted = request.headers.get("Access-Control-Request-Method", "")
        if not (self.cors and wanted and request.method == "OPTIONS") or self._any_origin:
            return None
        vary = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
        headers = [("Vary", name) for name in vary]
        names = [word.strip() for word in request.headers.get("Access-Control-Request-Headers", "").split(",")]
        names = [name for name in names if name]
        allowed = PLAIN_HEADERS if self.jwt_secret is None else {"origin", "authorization"}
        if (
            wanted.upper() in METHODS
            and {name.lower() for name in names} <= allowed
            and (ours := self._origin(request))
        ):
            headers += [*ours, ("Access-Control-Allow-Methods", wanted.upper())]
            if names:
                headers.append(("Access-Control-Allow-Headers", ", ".join(name.title() for name in names)))
        return Answer(204, headers=tuple(headers))

    def for_origin(self, request: Request, answer: Answer) -> Answer:
        """Add the CORS headers to an answer."""
        if not self.cors:
            return answer
        if self._any_origin:
            headers = [("Access-Control-Allow-Origin", "*")]
        else:
            headers = [("Vary", "Origin"), *(self._origin(request) if request.method in METHODS else ())]
        return replace(answer, headers=(*answer.headers, *headers))

    def _origin(self, request: Request) -> list[Header]:
        origin = request.headers.get("Origin", "")
        if not origin or not self.allows(origin):
            return []
        credentials = [] if self.jwt_secret is None else [("Access-Control-Allow-Credentials", "true")]
        return [("Access-Control-Allow-Origin", origin), *credentials]

    def allows(self, origin: str) -> bool:
        """Return whether web pages of an origin may ask."""
        if self._any_origin:
            return True
        if self.jwt_secret is None:
            return origin.lower() in {known.lower() for known in self.cors}
        words = urlsplit(origin).netloc.rpartition("@")[2].partition(":")[0].split(".")
        return len(words) > 1 and ".".join(words[-2:]) in self.cors
