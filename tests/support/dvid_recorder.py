"""Makes exchanges with a real DVID and keeps them, as the recordings in tests/contract hold them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = "a" * 32
KEPT_HEADERS = ("content-type", "content-length", "transfer-encoding", "content-encoding", "connection")
RANGE_HEADERS = ("accept-ranges", "content-range")

Body = bytes | str | dict[str, Any] | list[Any] | None


def pack(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("ascii")
        if len(data) < 20_000 and b"\0" not in data:
            return {"text": text}
    except UnicodeDecodeError:
        pass
    return {
        "zlib64": base64.b64encode(zlib.compress(data, 9)).decode(),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def section(path: str, body: bytes | None) -> str:
    """Which part of a server an exchange needs: core, roi, keyvalue or labels."""
    text = path + (body or b"")[:200].decode("latin1")
    if any(word in text for word in ("seg", "copy", "label")):
        return "labels"
    if any(word in text for word in ("region", "nope")):
        return "roi"
    return "keyvalue" if "/kv/" in text or '"kv"' in text else "core"


class Recorder:
    def __init__(self, url: str, token: str, path: Path, section: str | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 80)
        self.token = token
        self.path = path
        self.section = section
        self.rows: list[dict[str, Any]] = []

    def __call__(self, name: str, method: str, path: str, body: Body = None) -> bytes:
        if isinstance(body, dict | list):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.request(method, path.replace("TOKEN", self.token), body=body)
        return self._finish(name, connection, (method, path, body))

    def part(self, name: str, path: str, wanted: str) -> None:
        """Ask for a range of bytes."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.request("GET", path, headers={"Range": wanted})
        self._finish(name, connection, ("GET", path, None), kept=KEPT_HEADERS + RANGE_HEADERS)
        self.rows[-1]["request"]["headers"] = {"Range": wanted}

    def hold(self, name: str, path: str, body: bytes, meanwhile: Callable[[Recorder], object]) -> None:
        """Send half of a POST, make the exchanges of `meanwhile(self)`, then send the rest."""
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        connection.putrequest("POST", path.replace("TOKEN", self.token))
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        half = len(body) // 2
        connection.send(body[:half])
        time.sleep(0.5)  # until the server has taken its slot
        rows, self.rows = self.rows, []
        meanwhile(self)
        inside, self.rows = self.rows, rows
        connection.send(body[half:])
        self._finish(name, connection, ("POST", path, body), holds=len(inside))
        self.rows += inside

    def _finish(
        self,
        name: str,
        connection: http.client.HTTPConnection,
        asked: tuple[str, str, bytes | None],
        *,
        kept: tuple[str, ...] = KEPT_HEADERS,
        **extra: int,
    ) -> bytes:
        method, path, body = asked
        answer = connection.getresponse()
        data = answer.read()
        headers = {k.lower(): v for k, v in answer.getheaders() if k.lower() in kept}
        connection.close()
        self.rows.append({
            "name": name,
            "section": self.section or section(path, body),
            **extra,
            "request": {"method": method, "path": path, "body": None if body is None else pack(body)},
            "response": {"status": answer.status, "headers": headers, "body": pack(data)},
        })
        return data

    def save(self) -> None:
        with self.path.open("w") as file:
            for row in self.rows:
                file.write(without_place(json.dumps(row), self.address[1]) + "\n")


def without_place(line: str, port: int) -> str:
    """Put a fixed address and folder in place of the recording's own, so that recordings are alike."""
    line = re.sub(rf"(localhost|127\.0\.0\.1):{port}", r"\1:8000", line)
    line = re.sub(r'http://[^/"]+/api/help', "http://localhost:8000/api/help", line)
    return re.sub(r'(badger @ |write logs @ )/[^"\\]*/', r"\1/data/", line)
