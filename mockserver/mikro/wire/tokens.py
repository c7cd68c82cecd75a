"""Who a request comes from: static tokens, and JSON web tokens signed with RSA."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from mockserver.extras import extra
from mockserver.mikro.model.rows import Failed, Who

ORGANISATION = "static_org"
"""The organisation of a static token that names none."""

CLAIMS = ("sub", "iss", "iat", "client_id", "preferred_username", "roles", "scope")

EXTRA = "mock-mikro"


def static_users(tokens: Mapping[str, Mapping[str, Any]]) -> dict[str, Who]:
    """Return who each static token stands for."""
    return {
        token: Who(
            str(facts["sub"]),
            str(facts.get("active_org", ORGANISATION)),
            frozenset(facts.get("roles", ["admin"])),
        )
        for token, facts in tokens.items()
    }


def user_of(header: str | None, static: Mapping[str, Who], keys: Mapping[str, str]) -> Who:
    """Return who sends a header ``Authorization``.

    Parameters
    ----------
    header : str or None
        As sent.
    static : mapping
        Who static tokens stand for.
    keys : mapping
        The public keys, in PEM, by their ids.

    Raises
    ------
    Failed
        With the text of the real server.
    """
    if header is None:
        raise Failed("No Authorization header")
    word, _, token = header.partition(" ")
    if word != "Bearer" or not token or " " in token:
        raise Failed("Not a valid token")
    return static[token] if token in static else _of_claims(_claims(token, keys))


def _claims(token: str, keys: Mapping[str, str]) -> Mapping[str, Any]:
    with extra("PyJWT", EXTRA):
        import jwt
    try:
        head = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise Failed("Error decoding token header") from None
    if "kid" not in head:
        raise Failed("Missing kid in header")
    options: Any = {f"verify_{name}": False for name in ("exp", "iat", "nbf", "aud", "iss", "sub", "jti")}
    try:
        claims: Mapping[str, Any] = jwt.decode(token, keys[head["kid"]], ["RS256"], options=options)
    except (KeyError, jwt.InvalidTokenError):
        raise Failed("Error decoding token") from None
    return claims


def _of_claims(claims: Mapping[str, Any]) -> Who:
    now = time.time()
    if claims.get("exp", now) < now:
        raise Failed("Token has expired")
    if "exp" not in claims or claims.get("iat", 0) > now or claims.get("nbf", 0) > now:
        raise Failed("Token claims are invalid")
    if any(name not in claims for name in CLAIMS):
        raise Failed("Error decoding token")
    if not claims.get("active_org"):
        raise Failed("Token does not contain an active organization")
    return Who(f"{claims['sub']}", claims["active_org"], frozenset(claims["roles"]))
