"""Connection: addresses, tokens, sessions, pickling; against a tiny server that remembers what it was asked."""

from __future__ import annotations

import logging
import pickle
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from pyvolume import Connection, RetryPolicy
from pyvolume.errors import AddressError, AnswerError, StoreError, TransportError
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload
from pyvolume.transport.urls import normalised_url

ONCE = RetryPolicy(patience=0)
SECRETS = ("t0ken-of-mine", "adm1n-token")


class Web:
    """A server that answers `b"voxels"` to everything, but for what `answers` says of a path."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.clients: set[Any] = set()
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.released = threading.Event()
        self.hung_up = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(web) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.asked.append((self.path, dict(self.headers)))
                web.clients.add(self.client_address)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                if path == "/silent":
                    web.released.wait(20)
                status, headers, body = web.answers.get(path, (200, {}, b"voxels"))
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def finish(self) -> None:
                super().finish()
                web.hung_up.set()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler

    @property
    def last_headers(self) -> dict[str, str]:
        return self.asked[-1][1]

    @property
    def last_path(self) -> str:
        return self.asked[-1][0]

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


@pytest.fixture
def connect(web: Web) -> Iterator[Callable[..., Connection]]:
    """Make connections to the server that are closed in the end."""
    made: list[Connection] = []

    def new(**options: Any) -> Connection:
        made.append(Connection(web.url, **({"retry": ONCE} | options)))
        return made[-1]

    yield new
    for connection in made:
        connection.close()


def get(connection: Connection, path: str = "/voxels", **options: Any) -> bytes:
    return connection.exchange(Request("read", "GET", path, **options), Answer.read, connection.new_call())


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "url"),
        [
            ("localhost:8000", "http://localhost:8000"),
            ("localhost", "http://localhost"),
            ("127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("http://localhost:8000/", "http://localhost:8000"),
            ("https://example.org", "https://example.org"),
            ("https://example.org/dvid/one/", "https://example.org/dvid/one"),
            ("HTTP://EXAMPLE.org:80", "http://example.org:80"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("[::1]:8000", "http://[::1]:8000"),
        ],
    )
    def test_an_address_becomes_a_url_without_a_slash_at_its_end(self, address: str, url: str) -> None:
        assert Connection(address).url == url

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("", "expected 'host:port' or a url and found ''"),
            ("http://", "expected 'host:port' or a url"),
            (":8000", "expected 'host:port' or a url"),
            ("my host:8000", "expected 'host:port' or a url"),
            ("host:8000\n", "expected 'host:port' or a url"),
            ("ftp://host", "expected http or https and found 'ftp'"),
            ("dvid://http://host", "expected http or https and found 'dvid'"),
            ("host:port", "malformed url"),
            ("host:99999", "malformed url"),
            ("http://[::1", "malformed url"),
            ("host:8000?u=me", "expected no query and no fragment"),
            ("host:8000#part", "expected no query and no fragment"),
        ],
    )
    def test_another_address_is_refused_with_a_reason(self, address: str, message: str) -> None:
        with pytest.raises(AddressError, match=message):
            Connection(address)

    @pytest.mark.parametrize("address", ["me:secret@host:8000", "https://me:secret@host/x", "ftp://me:secret@host"])
    def test_a_password_is_refused_and_not_repeated(self, address: str) -> None:
        with pytest.raises(AddressError, match="a url holds no user and password; give a token") as raised:
            normalised_url(address)
        assert "secret" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(("timeout", "both"), [(7, (7, 7)), (0.5, (0.5, 0.5)), ((5, 120), (5, 120))])
def test_timeout_is_one_number_or_connect_and_silence(timeout: Any, both: tuple[float, float]) -> None:
    assert Connection("localhost", timeout=timeout).timeout == both


@pytest.mark.parametrize("timeout", [0, -1, (5, 0), (0, 5), float("nan")])
def test_a_timeout_that_would_never_or_at_once_pass_is_refused(timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout is seconds to connect and of silence, above 0"):
        Connection("localhost", timeout=timeout)


def test_silence_ends_an_attempt(connect: Callable[..., Connection]) -> None:
    with pytest.raises(TransportError, match=r"read: no usable answer arrived: .*timed out"):
        get(connect(timeout=(5, 0.1)), "/silent")


def test_the_deadline_ends_silence_too(connect: Callable[..., Connection]) -> None:
    connection = connect(timeout=(5, 60), retry=RetryPolicy(patience=0, deadline=0.1))
    with pytest.raises(TransportError):
        get(connection, "/silent")


def test_a_path_in_the_address_stands_before_every_path(web: Web) -> None:
    with Connection(f"{web.url}/proxy/dvid/", retry=ONCE) as connection:
        get(connection, "/api/server/info")
    assert web.last_path.startswith("/proxy/dvid/api/server/info")


class TestRequests:
    def test_user_and_app_are_told_to_the_server(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(user="me & you", app="script"), query={"throttle": "on"})
        assert web.last_path == "/voxels?throttle=on&u=me+%26+you&app=script"

    def test_nothing_is_told_where_nothing_is_given(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(app=None))
        assert web.last_path == "/voxels"

    def test_an_encoded_path_is_sent_as_it_is(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(app=None), "/api/node/:master~1/gr%C3%A4y%2F8")
        assert web.last_path == "/api/node/:master~1/gr%C3%A4y%2F8"

    def test_no_compression_is_asked_for(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect())
        assert web.last_headers["Accept-Encoding"] == "identity"

    def test_an_upload_has_a_length_and_is_not_chunked(self, web: Web, connect: Callable[..., Connection]) -> None:
        connection = connect()
        request = Request("write", "POST", "/voxels", upload=Upload(6, lambda: [memoryview(b"abc")] * 2))
        connection.exchange(request, Answer.read, connection.new_call())
        assert (web.last_headers["Content-Length"], "Transfer-Encoding" in web.last_headers) == ("6", False)

    def test_requests_share_one_connection(self, web: Web, connect: Callable[..., Connection]) -> None:
        connection = connect()
        web.answers["/missing"] = (404, {}, b"404 page not found\n")
        for path in ("/voxels", "/missing", "/voxels"):
            try:
                get(connection, path)
            except StoreError:
                continue
        assert len(web.clients) == 1

    def test_threads_share_a_connection(self, connect: Callable[..., Connection]) -> None:
        connection = connect()
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda n: get(connection, f"/voxels/{n}"), range(40)))
        assert results == [b"voxels"] * 40

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, web: Web, connect: Callable[..., Connection], status: int) -> None:
        web.answers["/voxels"] = (status, {"Location": "http://login.example.org/"}, b"")
        with pytest.raises(AnswerError, match=f"status 200 and found {status} to http://login.example.org/"):
            get(connect())
        assert {path.partition("?")[0] for path, _ in web.asked} == {"/voxels"}

    def test_an_error_names_the_url_without_its_query(self, web: Web, connect: Callable[..., Connection]) -> None:
        web.answers["/missing"] = (404, {}, b"404 page not found\n")
        with pytest.raises(StoreError) as raised:
            get(connect(user="me"), "/missing")
        assert getattr(raised.value, "url", "") == f"{web.url}/missing"


class TestTokens:
    def test_the_token_is_sent_as_bearer(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(token=SECRETS[0]))
        assert web.last_headers["Authorization"] == f"Bearer {SECRETS[0]}"

    def test_a_netrc_file_does_not_override_the_token(
        self, web: Web, connect: Callable[..., Connection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password other\n")
        monkeypatch.setenv("NETRC", str(netrc))
        get(connect())
        assert web.last_headers["Authorization"].startswith("Basic ")
        get(connect(token=SECRETS[0]))
        assert web.last_headers["Authorization"] == f"Bearer {SECRETS[0]}"

    @pytest.mark.parametrize(
        ("wants_admin", "path"),
        [(True, f"/voxels?app=pyvolume&admintoken={SECRETS[1]}"), (False, "/voxels?app=pyvolume")],
    )
    def test_the_admin_token_goes_with_what_wants_it_only(
        self, web: Web, connect: Callable[..., Connection], wants_admin: bool, path: str
    ) -> None:
        get(connect(admin_token=SECRETS[1]), wants_admin=wants_admin)
        assert web.last_path == path

    def test_tokens_are_not_in_the_repr(self) -> None:
        text = repr(Connection("localhost:8000", token=SECRETS[0], admin_token=SECRETS[1]))
        assert text == "<Connection http://localhost:8000>"

    def test_tokens_are_not_in_logs_and_errors(
        self, web: Web, connect: Callable[..., Connection], caplog: pytest.LogCaptureFixture
    ) -> None:
        web.answers["/missing"] = (404, {}, b"404 page not found\n")
        connection = connect(token=SECRETS[0], admin_token=SECRETS[1])
        with caplog.at_level(logging.DEBUG), pytest.raises(StoreError) as raised:
            get(connection, "/missing", wants_admin=True)
        told = caplog.text + "".join(traceback.format_exception(raised.value)) + repr(vars(raised.value))
        assert [secret for secret in SECRETS if secret in told] == []

    def test_tokens_are_not_in_the_error_of_a_refused_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        connection = Connection(f"127.0.0.1:{port}", token=SECRETS[0], admin_token=SECRETS[1], retry=ONCE)
        with connection, pytest.raises(TransportError) as raised:
            get(connection, wants_admin=True)
        told = "".join(traceback.format_exception(raised.value))
        assert [secret for secret in SECRETS if secret in told] == []


class TestSession:
    class Spied(requests.Session):
        def __init__(self) -> None:
            super().__init__()
            self.closed = False
            self.headers["X-Mine"] = "yes"

        def close(self) -> None:
            self.closed = True
            super().close()

    def test_a_given_session_is_used(self, web: Web, connect: Callable[..., Connection]) -> None:
        with self.Spied() as session:
            get(connect(session=session))
        assert web.last_headers["X-Mine"] == "yes"

    def test_the_authentication_of_a_given_session_applies(self, web: Web, connect: Callable[..., Connection]) -> None:
        with self.Spied() as session:
            session.auth = ("me", "password")
            get(connect(session=session))
        assert web.last_headers["Authorization"].startswith("Basic ")

    def test_the_hooks_of_a_given_session_are_called(self, connect: Callable[..., Connection]) -> None:
        seen: list[int] = []
        with self.Spied() as session:
            session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
            assert get(connect(session=session)) == b"voxels"
        assert seen == [200]

    def test_the_adapters_of_a_given_session_send(self, connect: Callable[..., Connection]) -> None:
        class Counting(HTTPAdapter):
            sent = 0

            def send(self, *args: Any, **kwargs: Any) -> requests.Response:
                self.sent += 1
                return super().send(*args, **kwargs)

        with self.Spied() as session:
            session.mount("http://", adapter := Counting())
            get(connect(session=session))
        assert adapter.sent == 1

    def test_a_given_session_is_not_closed(self, connect: Callable[..., Connection]) -> None:
        with self.Spied() as session:
            connection = connect(session=session)
            get(connection)
            connection.close()
            assert not session.closed

    def test_a_given_session_is_not_changed(self, connect: Callable[..., Connection]) -> None:
        def settings(session: requests.Session) -> dict[str, Any]:
            names = ("auth", "params", "verify", "cert", "trust_env", "stream", "max_redirects", "proxies")
            state = {name: getattr(session, name) for name in names}
            return state | {"headers": dict(session.headers), "adapters": dict(session.adapters)}

        with self.Spied() as session:
            before = settings(session)
            get(connect(session=session, token=SECRETS[0], verify=False, timeout=7))
            assert settings(session) == before

    def test_the_sockets_of_its_own_session_are_closed(self, web: Web, connect: Callable[..., Connection]) -> None:
        connection = connect()
        get(connection)
        connection.close()
        assert web.hung_up.wait(20)


class TestEnvironment:
    def test_the_proxy_of_the_environment_is_asked(
        self, web: Web, connect: Callable[..., Connection], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("http_proxy", web.url)
        with Connection("http://far.example:8000/dvid", retry=ONCE) as connection:
            web.answers["http://far.example:8000/dvid/voxels"] = (200, {}, b"by proxy")
            assert get(connection) == b"by proxy"

    @pytest.mark.parametrize("own", [True, False], ids=["own session", "given session"])
    def test_a_cookie_of_the_server_comes_back(self, own: bool, web: Web, connect: Callable[..., Connection]) -> None:
        web.answers["/login"] = (200, {"Set-Cookie": "balancer=7; Path=/voxels"}, b"")
        with requests.Session() as session:
            connection = connect(session=None if own else session)
            get(connection, "/login")
            get(connection, "/voxels")
            sent = web.last_headers.get("Cookie")
            get(connection, "/other")
            assert (sent, web.last_headers.get("Cookie")) == ("balancer=7", None)

    def test_the_parameters_of_a_given_session_apply(self, web: Web, connect: Callable[..., Connection]) -> None:
        with requests.Session() as session:
            session.params = {"key": "mine"}
            get(connect(session=session, user="me", app=None))
        assert sorted(web.last_path.partition("?")[2].split("&")) == ["key=mine", "u=me"]


class TestClosing:
    def test_a_closed_connection_refuses_to_be_used(self, web: Web, connect: Callable[..., Connection]) -> None:
        with connect() as connection:
            get(connection)
        with pytest.raises(ValueError, match=f"the connection to {web.url} is closed"):
            get(connection)

    def test_closing_twice_does_no_harm(self, connect: Callable[..., Connection]) -> None:
        connection = connect()
        connection.close()
        connection.close()
        assert repr(connection).endswith(" closed>")


class TestPickling:
    def test_the_configuration_travels(self) -> None:
        retry = RetryPolicy(patience=7, interval=2, deadline=100)
        connection = Connection("host/x", timeout=(1, 2), retry=retry, user="me", app="script", verify="ca.pem")
        copy = pickle.loads(pickle.dumps(connection))
        names = ("url", "timeout", "retry", "user", "app", "verify")
        assert [getattr(copy, name) for name in names] == [getattr(connection, name) for name in names]

    @pytest.mark.parametrize(("pickle_token", "kept"), [(False, (None, None)), (True, SECRETS)])
    def test_tokens_travel_only_if_asked_for(self, pickle_token: bool, kept: tuple[str | None, ...]) -> None:
        connection = Connection("host", token=SECRETS[0], admin_token=SECRETS[1], pickle_token=pickle_token)
        copy = pickle.loads(pickle.dumps(connection))
        assert (copy.token, copy.admin_token) == kept

    def test_tokens_are_not_in_the_bytes(self) -> None:
        data = pickle.dumps(Connection("host", token=SECRETS[0], admin_token=SECRETS[1]))
        assert [secret for secret in SECRETS if secret.encode() in data] == []

    def test_on_wait_and_session_do_not_travel(self) -> None:
        with requests.Session() as session:
            connection = Connection("host", session=session, retry=RetryPolicy(on_wait=lambda _: None))
            copy = pickle.loads(pickle.dumps(connection))
        assert (copy.session, copy.retry) == (None, RetryPolicy())

    def test_the_copy_of_a_used_connection_connects_anew(self, web: Web, connect: Callable[..., Connection]) -> None:
        connection = connect()
        get(connection)
        with pickle.loads(pickle.dumps(connection)) as copy:
            assert get(copy) == b"voxels"
        assert len(web.clients) == 2

    def test_the_copy_of_a_closed_connection_is_open(self, connect: Callable[..., Connection]) -> None:
        connection = connect()
        connection.close()
        with pickle.loads(pickle.dumps(connection)) as copy:
            assert get(copy) == b"voxels"


@pytest.mark.parametrize("address", ["host:8000?admintoken=secret", "me:sec/secret@host", "http://me:secret@host:x"])
def test_an_address_with_a_secret_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(AddressError) as caught:
        Connection(address)
    assert "secret" not in str(caught.value)
