"""Cookies of a server, of which only so many are kept."""

from __future__ import annotations

import http.cookiejar
from typing import Any

from requests.cookies import RequestsCookieJar

MOST = 50
"""Cookies that are kept for one server, as many as RFC 6265 wants at least."""

MOST_TEXT = 1 << 14
"""Characters of all their names and values: servers refuse requests with longer heads."""


class _Few(http.cookiejar.DefaultCookiePolicy):
    """Refuses cookies that would make all of them too many or too long."""

    def __init__(self, jar: RequestsCookieJar) -> None:
        super().__init__()
        self._jar = jar

    def set_ok(self, cookie: http.cookiejar.Cookie, request: Any) -> bool:
        """Whether a cookie is kept."""
        place = cookie.domain, cookie.path, cookie.name
        others = [each for each in self._jar if (each.domain, each.path, each.name) != place]
        text = sum(len(each.name) + len(each.value or "") for each in (*others, cookie))
        return len(others) < MOST and text <= MOST_TEXT and super().set_ok(cookie, request)


def few_cookies() -> RequestsCookieJar:
    """Return a jar for the cookies of one server, however many it sends."""
    jar = RequestsCookieJar()
    jar.set_policy(_Few(jar))
    return jar
