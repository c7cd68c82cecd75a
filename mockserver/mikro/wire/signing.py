"""Signature version 4 of S3, as the store checks it."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from urllib.parse import parse_qsl, quote

from mockserver.http.messages import Request

PATTERN = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)"
)

MOST_SKEW = 900
"""Seconds by which the clocks of client and server may differ."""

UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Signature:
    """What the header of a signed request says.

    Parameters
    ----------
    access_key, day, region : str
        Who has signed, and for what.
    names : str
        The headers that are signed.
    value : str
        The signature.
    stamp : str
        When it was signed.
    """

    access_key: str
    day: str
    region: str
    names: str
    value: str
    stamp: str

    def is_right(self, request: Request, secret: str) -> bool:
        """Whether the holder of a secret has made the signature for this request."""
        scope = f"{self.day}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(_canonical(request, self.names).encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", self.stamp, scope, digest])
        key = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), self.value)

    def is_late(self) -> bool:
        """Whether the clock of the client differs too much."""
        when = datetime.strptime(self.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return abs((datetime.now(UTC) - when).total_seconds()) > MOST_SKEW


def signature_of(headers: Message) -> Signature | None:
    """Read the header of a signed request; None if it is not signed."""
    found = PATTERN.fullmatch(headers.get("Authorization", ""))
    stamp = headers.get("x-amz-date", "")
    if found is None or not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
        return None
    access_key, day, region, names, value = found.groups()
    return Signature(access_key, day, region, names, value, stamp)


def _canonical(request: Request, names: str) -> str:
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(request.target.raw_query, keep_blank_values=True)
    )
    lines = [request.method, request.target.raw_path, "&".join(f"{name}={value}" for name, value in pairs)]
    lines += [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names.split(";")]
    return "\n".join([*lines, "", names, request.headers.get("x-amz-content-sha256", "")])
