"""JSON web tokens signed with a shared secret, checked and complained about as DVID does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from mockserver.dvid.wire import gojson
from mockserver.http.messages import Refused

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
NOT_SECRET = re.compile("(RS|PS|ES)(256|384|512)|EdDSA|none")


def make_token(secret: str, claims: Mapping[str, Any]) -> str:
    """Return a token of these claims."""
    head = f"{_pack(_json({'alg': 'HS256', 'typ': 'JWT'}))}.{_pack(_json(claims))}"
    return f"{head}.{_sign(head, secret, 'HS256')}"


def read_token(token: str, secret: str) -> dict[str, Any]:
    """Return the claims of a token.

    Raises
    ------
    Refused
        With DVID's words, if it is malformed, signed with another secret, expired or not valid yet.
    """
    try:
        return _read(token, secret)
    except Refused as refused:
        raise Refused(f"error parsing JWT: {refused}") from None


def _read(token: str, secret: str) -> dict[str, Any]:
    parts = token.split(".")
    if len(parts) != 3:
        raise Refused("token contains an invalid number of segments")
    algorithm = _object(parts[0], "map[string]interface {}").get("alg")
    claims = _object(parts[1], "jwt.MapClaims")
    if not isinstance(algorithm, str):
        raise Refused("signing method (alg) is unspecified.")
    if algorithm not in HASHES and not NOT_SECRET.fullmatch(algorithm):
        raise Refused("signing method (alg) is unavailable.")
    # A wrong signature is the last complaint that DVID finds, and of several it shows the last.
    if problem := _signature_problem(token, secret, algorithm) or _time_problem(claims, time.time()):
        raise Refused(problem)
    return claims


def _signature_problem(token: str, secret: str, algorithm: str) -> str | None:
    if algorithm == "none":
        return "'none' signature type is not allowed"
    if algorithm not in HASHES:
        return "key is of invalid type"
    head, _, signature = token.rpartition(".")
    good = hmac.compare_digest(signature.encode(), _sign(head, secret, algorithm).encode())
    return None if good else "signature is invalid"


def _time_problem(claims: Mapping[str, Any], now: float) -> str | None:
    """Return what is wrong with the times; one that is no number is wrong."""
    begins, issued, expires = (claims.get(name) for name in ("nbf", "iat", "exp"))
    if not (begins is None or (isinstance(begins, float | int) and now >= begins)):
        return "Token is not valid yet"
    if not (issued is None or (isinstance(issued, float | int) and now >= issued)):
        return "Token used before issued"
    if not (expires is None or (isinstance(expires, float | int) and (expires == 0 or now <= expires))):
        return "Token is expired"
    return None


def _object(part: str, go_type: str) -> dict[str, Any]:
    value = gojson.decode(_unpack(part))
    if not isinstance(value, dict | None):
        raise Refused(f"json: cannot unmarshal {gojson.kind(value)} into Go value of type {go_type}")
    return value or {}


def _unpack(part: str) -> bytes:
    wrong = re.search("[^A-Za-z0-9_-]", part)
    if wrong or len(part) % 4 == 1:
        # The last, incomplete group is where Go stops.
        raise Refused(f"illegal base64 data at input byte {wrong.start() if wrong else len(part) - 1}")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _sign(head: str, secret: str, algorithm: str) -> str:
    return _pack(hmac.new(secret.encode(), head.encode(), HASHES[algorithm]).digest())
