"""JSON web tokens signed with a shared secret; PyJWT makes and checks them, the error texts are DVID's."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from mockserver.dvid.wire import gojson
from mockserver.extras import extra
from mockserver.http.messages import Refused

HASHES = ("HS256", "HS384", "HS512")
OTHER_KEYS = re.compile("(RS|PS|ES)(256|384|512)|EdDSA")
COMPLAINTS = {
    "(nbf)": "Token is not valid yet",
    "(iat)": "Token used before issued",
    "(exp)": "Token is expired",
    "expired": "Token is expired",
}
"""DVID's text for what PyJWT's text contains; everything else is a wrong signature."""


def make_token(secret: str, claims: Mapping[str, Any]) -> str:
    """Return a token of these claims.

    Raises
    ------
    ImportError
        If PyJWT is not installed.
    """
    with extra("PyJWT"):
        import jwt
    return jwt.encode(dict(claims), secret, "HS256")


def read_token(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a token.

    Raises
    ------
    ImportError
        If PyJWT is not installed.
    Refused
        With DVID's text, if the token is malformed, signed with another secret, expired or not valid yet.
    """
    try:
        return _read(token, secret)
    except Refused as refused:
        raise Refused(f"error parsing JWT: {refused}") from None


def _read(token: str, secret: str) -> dict[str, Any]:
    with extra("PyJWT"):
        import jwt
    parts = token.split(".")
    if len(parts) != 3:
        raise Refused("token contains an invalid number of segments")
    algorithm = _object(parts[0], "map[string]interface {}").get("alg")
    claims = _object(parts[1], "jwt.MapClaims")
    _check_algorithm(algorithm)
    try:
        jwt.decode(
            token,
            secret,
            HASHES,
            options={
                "verify_exp": claims.get("exp") != 0,  # DVID reads 0 as "never"
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidTokenError as error:
        found = next((text for key, text in COMPLAINTS.items() if key in str(error)), "signature is invalid")
        raise Refused(found) from None
    return claims


def _check_algorithm(algorithm: object) -> None:
    if not isinstance(algorithm, str):
        raise Refused("signing method (alg) is unspecified.")
    if algorithm == "none":
        raise Refused("'none' signature type is not allowed")
    if OTHER_KEYS.fullmatch(algorithm):
        raise Refused("key is of invalid type")
    if algorithm not in HASHES:
        raise Refused("signing method (alg) is unavailable.")


def _object(part: str, go_type: str) -> dict[str, Any]:
    value = gojson.decode(_unpack(part))
    if not isinstance(value, dict | None):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type {go_type}")
    return value or {}


def _unpack(part: str) -> bytes:
    wrong = re.search("[^A-Za-z0-9_-]", part)
    if wrong or len(part) % 4 == 1:
        # Go stops at the last group if it is incomplete.
        raise Refused(f"illegal base64 data at input byte {wrong.start() if wrong else len(part) - 1}")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
