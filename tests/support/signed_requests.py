"""Requests of S3 that are signed by hand."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping

NOTHING = hashlib.sha256(b"").hexdigest()


def signed(
    keys: Mapping[str, str], method: str, host: str, path: str, payload: str = NOTHING, minutes_late: float = 0
) -> dict[str, str]:
    """Return the headers of a request, signed by version 4 with the keys of a grant, in path style."""
    when = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes_late)
    stamp = f"{when:%Y%m%dT%H%M%SZ}"
    scope = f"{stamp[:8]}/{keys.get('region') or 'us-east-1'}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": payload, "x-amz-date": stamp}
    if keys["sessionToken"]:
        headers["x-amz-security-token"] = keys["sessionToken"]
    names = ";".join(sorted(headers))
    bare, _, query = path.partition("?")
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    lines = [method, bare, "&".join(f"{name}={value}" for name, value in pairs)]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers)] + ["", names, payload]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{keys['secretKey']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    who = f"Credential={keys['accessKey']}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {who}"}
