"""Bodies of answers that were recorded from a real DVID."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from pathlib import Path

RECORDS = Path(__file__).parents[1] / "contract" / "dvid.jsonl"


def body_of(name: str) -> bytes:
    """Return the body of the answer in the exchange of this name."""
    for line in RECORDS.read_text().splitlines():
        exchange = json.loads(line)
        if exchange["name"] == name:
            body = exchange["response"]["body"]
            return body["text"].encode() if "text" in body else zlib.decompress(b64decode(body["zlib64"]))
    raise LookupError(name)
