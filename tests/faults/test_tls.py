"""Talking to a server over TLS."""

from __future__ import annotations

import http.server
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme
from scripted import ScriptedServer, answer

import pyvolume
from pyvolume.dvid import general
from pyvolume.errors import AnswerError, TransportError
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"DVID Version": "over TLS"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Send a value without a length, and end the connection as the path says."""
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"half a value")
        if self.path == "/meant":
            self.connection.unwrap()

    def do_PATCH(self) -> None:
        """Send a value, and behind it in the same record what looks like the next answer."""
        body = b"v" * 40_000
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        self.wfile.write(head % len(body) + body + head % 5 + b"wrong")

    def do_PUT(self) -> None:
        """Send a redirect to where the query says."""
        where = self.path.partition("to=")[2].partition("&")[0]
        self.send_response(308)
        self.send_header("Location", urllib.parse.unquote(where))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """A client that does not trust us is no error here."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def url(authority: trustme.CA) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with QuietServer(("localhost", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_authority_that_is_named_is_trusted_whatever_the_environment_says(
    authority: trustme.CA, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ssl.get_default_verify_paths().cafile or "/dev/null")
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with pyvolume.Connection(url, verify=str(bundle)) as connection:
        assert general.get_server_info(connection) == {"DVID Version": "over TLS"}


@pytest.mark.parametrize("own", [True, False], ids=["own session", "given session"])
def test_an_unknown_authority_is_refused_at_once(url: str, own: bool) -> None:
    waits: list[pyvolume.RetryWait] = []
    retry = pyvolume.RetryPolicy(patience=1, on_wait=waits.append)
    with (
        requests.Session() as session,
        pyvolume.Connection(url, retry=retry, session=None if own else session) as connection,
        pytest.raises(TransportError, match="certificate verify failed"),
    ):
        general.get_server_info(connection)
    assert waits == []


def test_a_value_without_a_length_ends_where_the_server_says_so(
    authority: trustme.CA, url: str, tmp_path: Path
) -> None:
    """Without a word that was meant to be the last one, the line has broken."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with pyvolume.Connection(url, verify=str(bundle), retry=pyvolume.RetryPolicy(patience=0)) as connection:

        def ask(path: str) -> bytes:
            return connection.exchange(Request("ask", "POST", path), Answer.read, connection.new_call())

        assert ask("/meant") == b"half a value"
        with pytest.raises(TransportError, match="EOF"):
            ask("/broken")


def test_a_connection_with_bytes_behind_the_answer_is_not_used_again(
    authority: trustme.CA, url: str, tmp_path: Path
) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with pyvolume.Connection(url, verify=str(bundle)) as connection:
        for _ in range(3):
            value = connection.exchange(Request("ask", "PATCH", "/"), Answer.read, connection.new_call())
            assert value == b"v" * 40_000


def test_no_redirect_takes_a_token_from_https_to_http(authority: trustme.CA, url: str, tmp_path: Path) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    identity = pyvolume.dvid.Identity(token="t0ken", admin_token="adm1n")
    with ScriptedServer([answer(b"{}")]) as plain:
        request = Request("create", "PUT", "/api/repos", {"to": f"{plain.url}/here"}, privileged=True)
        with (
            pyvolume.Connection(url, verify=str(bundle), auth=identity) as connection,
            pytest.raises(AnswerError, match=f"308 to {plain.url}/here"),
        ):
            connection.exchange(request, Answer.read, connection.new_call())
    assert plain.connections == 0
