"""Names of other libraries that the transport relies on, and that their documentation does not promise.

The transport was made with requests 2.34.2, urllib3 2.8.0 and Python 3.11. When a test fails here after an update, read
in the change log of the library what has taken the place of the name, and change the module that the test names.
"""

from __future__ import annotations

import http.client
import inspect
import socket
from importlib.metadata import version

import pytest
import urllib3
from requests.adapters import HTTPAdapter

VERSIONS = f"requests {version('requests')}, urllib3 {version('urllib3')}"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("get_connection_with_tls_context", ["request", "verify", "proxies", "cert"]),
        ("cert_verify", ["conn", "url", "verify", "cert"]),
        ("request_url", ["request", "proxies"]),
        ("init_poolmanager", ["connections", "maxsize"]),
        ("proxy_manager_for", ["proxy"]),
    ],
)
def test_the_adapter_of_requests_has_the_methods_that_the_senders_use(name: str, parameters: list[str]) -> None:
    method = getattr(HTTPAdapter, name, None)
    assert method is not None, f"{VERSIONS}: transport/senders.py or adapter.py needs HTTPAdapter.{name}"
    assert set(parameters) <= set(inspect.signature(method).parameters)


def test_a_pool_manager_lets_its_pools_be_replaced() -> None:
    manager = urllib3.PoolManager()
    assert set(manager.pool_classes_by_scheme) == {"http", "https"}, f"{VERSIONS}: see transport/adapter.py"


def test_a_response_of_urllib3_keeps_the_one_of_http_client() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        behind = http.client.HTTPResponse(ours)
        behind.begin()
        with urllib3.HTTPResponse(behind, preload_content=False) as response:
            # without it, bodies are still received, but copied once more: see transport/answer.py
            assert getattr(response, "_fp", None) is behind, f"{VERSIONS}: transport/answer.py reads from _fp"
            assert response.read() == b"ok"
