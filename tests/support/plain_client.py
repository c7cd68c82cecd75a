"""A client that knows nothing but http.client: asks the mock server on one connection that is kept alive."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mockserver import MockServer


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class PlainClient:
    server: MockServer
    connection: http.client.HTTPConnection

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        self.connection.request(method, path, body=data)
        answer = self.connection.getresponse()
        return Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())

    def at(self, method: str, path: str, body: Any = None) -> Reply:
        """Ask about the root version."""
        return self.ask(method, f"/api/node/{self.server.uuid}/{path}", body)

    def document(self, path: str) -> Any:
        return json.loads(self.at("GET", path).body)


@contextmanager
def talking_to(server: MockServer) -> Iterator[PlainClient]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        yield PlainClient(server, connection)
    finally:
        connection.close()
