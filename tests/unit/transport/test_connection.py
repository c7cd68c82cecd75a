"""Connection: addresses, tokens, sessions, pickling; against a tiny server that remembers what it was asked."""

from __future__ import annotations

import contextvars
import copy
import logging
import pickle
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from pyvolume import Connection, RetryPolicy
from pyvolume.calls.call import Call
from pyvolume.errors import (
    AddressError,
    AnswerError,
    ClosedError,
    ForbiddenError,
    RefusedError,
    StoreError,
    TransportError,
)
from pyvolume.transport.answer import Answer
from pyvolume.transport.auth import Additions
from pyvolume.transport.bearer import Bearer
from pyvolume.transport.request import Request, Upload
from pyvolume.transport.urls import normalised_url, without_secrets

ONCE = RetryPolicy(patience=0)
SECRETS = ("t0ken-of-mine", "adm1n-token")


class Web:
    """A server that answers `b"voxels"` to everything, but for what `answers` says of a path."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.clients: set[Any] = set()
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.token = ""
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
                if web.token and self.headers.get("Authorization") != f"Bearer {web.token}":
                    status, body = 401, b"expired"
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


@dataclass(frozen=True)
class Given:
    """Adds what it is given; secrets only to what is privileged."""

    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def apply(self, request: Request, /) -> Additions:
        return Additions(self.query, self.headers, self.secrets if request.privileged else {})

    def refresh(self, _refused: RefusedError, /) -> bool:
        return False


SECRETIVE = Given(headers={"Authorization": f"Bearer {SECRETS[0]}"}, secrets={"key": SECRETS[1]})


class Refreshing:
    """Has a list of tokens, and takes the next one when the server refuses the last."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)

    def apply(self, _request: Request, /) -> Additions:
        return Additions(headers={"Authorization": f"Bearer {self._tokens[0]}"})

    def refresh(self, _refused: RefusedError, /) -> bool:
        self._tokens = self._tokens[1:] or self._tokens
        return True


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
            ("HTTP://EXAMPLE.org:80", "http://example.org"),
            ("HTTPS://example.org:443/Dvid", "https://example.org/Dvid"),
            ("http://example.org:443", "http://example.org:443"),
            ("https://example.org:80", "https://example.org:80"),
            ("http://example.org:/", "http://example.org"),
            ("http://[::A]:80", "http://[::a]"),
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
            ("host/a/../b", "path"),
            ("host/%2e/b", "path"),
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
    began = time.monotonic()
    with pytest.raises(TransportError, match=r"read: no usable answer arrived: .*timed out"):
        get(connect(timeout=(30, 0.1)), "/silent")
    assert time.monotonic() - began < 10


def test_the_deadline_ends_silence_too(connect: Callable[..., Connection]) -> None:
    connection = connect(timeout=(5, 60), retry=RetryPolicy(patience=0, deadline=0.1))
    with pytest.raises(TransportError):
        get(connection, "/silent")


def test_a_path_in_the_address_stands_before_every_path(web: Web) -> None:
    with Connection(f"{web.url}/proxy/dvid/", retry=ONCE) as connection:
        get(connection, "/api/server/info")
    assert web.last_path.startswith("/proxy/dvid/api/server/info")


class TestRequests:
    def test_what_auth_adds_to_the_query_is_sent(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(auth=Given({"u": "me & you", "app": "script"})), query={"throttle": "on"})
        assert web.last_path == "/voxels?throttle=on&u=me+%26+you&app=script"

    def test_nothing_is_told_where_nothing_is_given(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect())
        assert web.last_path == "/voxels"

    def test_an_encoded_path_is_sent_as_it_is(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(), "/api/node/:master~1/gr%C3%A4y%2F8")
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
            get(connect(auth=Given({"u": "me"})), "/missing")
        assert getattr(raised.value, "url", "") == f"{web.url}/missing"


class TestTokens:
    def test_the_token_is_sent_as_bearer(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(auth=Bearer(SECRETS[0])))
        assert web.last_headers["Authorization"] == f"Bearer {SECRETS[0]}"

    def test_a_netrc_file_does_not_override_the_token(
        self, web: Web, connect: Callable[..., Connection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password other\n")
        monkeypatch.setenv("NETRC", str(netrc))
        get(connect())
        assert web.last_headers["Authorization"].startswith("Basic ")
        get(connect(auth=Bearer(SECRETS[0])))
        assert web.last_headers["Authorization"] == f"Bearer {SECRETS[0]}"

    @pytest.mark.parametrize(
        ("privileged", "path"),
        [(True, f"/voxels?key={SECRETS[1]}"), (False, "/voxels")],
    )
    def test_a_secret_goes_only_with_what_auth_gives_it_to(
        self, web: Web, connect: Callable[..., Connection], privileged: bool, path: str
    ) -> None:
        get(connect(auth=SECRETIVE), privileged=privileged)
        assert web.last_path == path

    def test_a_secret_is_quoted(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(auth=Given(secrets={"key": "a secret&"})), privileged=True)
        assert web.last_path == "/voxels?key=a+secret%26"

    def test_tokens_are_not_in_the_repr(self) -> None:
        text = repr(Connection("localhost:8000", auth=SECRETIVE))
        assert text == "<Connection http://localhost:8000>"

    def test_tokens_are_not_in_logs_and_errors(
        self, web: Web, connect: Callable[..., Connection], caplog: pytest.LogCaptureFixture
    ) -> None:
        web.answers["/missing"] = (404, {}, b"404 page not found\n")
        connection = connect(auth=SECRETIVE)
        with caplog.at_level(logging.DEBUG), pytest.raises(StoreError) as raised:
            get(connection, "/missing", privileged=True)
        told = caplog.text + "".join(traceback.format_exception(raised.value)) + repr(vars(raised.value))
        assert [secret for secret in SECRETS if secret in told] == []

    def test_tokens_are_not_in_the_error_of_a_refused_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        connection = Connection(f"127.0.0.1:{port}", auth=SECRETIVE, retry=ONCE)
        with connection, pytest.raises(TransportError) as raised:
            get(connection, privileged=True)
        told = "".join(traceback.format_exception(raised.value))
        assert [secret for secret in SECRETS if secret in told] == []


class TestRefreshing:
    """A token that expires, and is renewed once for each request that the server refuses."""

    def test_a_new_token_is_sent_after_a_refusal(self, web: Web, connect: Callable[..., Connection]) -> None:
        web.token = "new"
        auth = Refreshing("old", "new")
        assert get(connect(auth=auth)) == b"voxels"
        assert [headers["Authorization"] for _, headers in web.asked] == ["Bearer old", "Bearer new"]

    def test_a_second_refusal_is_raised(self, web: Web, connect: Callable[..., Connection]) -> None:
        web.token = "another"
        with pytest.raises(ForbiddenError):
            get(connect(auth=Refreshing("old", "new")))
        assert len(web.asked) == 2

    def test_a_write_is_sent_again_too(self, web: Web, connect: Callable[..., Connection]) -> None:
        web.token = "new"
        connection = connect(auth=Refreshing("old", "new"))
        request = Request("write", "POST", "/voxels", upload=Upload.of(b"abc"), repeatable=False)
        assert connection.exchange(request, Answer.read, connection.new_call()) == b"voxels"

    def test_what_cannot_be_renewed_is_raised_at_once(self, web: Web, connect: Callable[..., Connection]) -> None:
        web.token = "new"
        with pytest.raises(ForbiddenError):
            get(connect(auth=Bearer("old")))
        assert len(web.asked) == 1


class TestRequestFields:
    def test_headers_are_sent(self, web: Web, connect: Callable[..., Connection]) -> None:
        get(connect(), headers={"Content-Type": "application/json"})
        assert web.last_headers["Content-Type"] == "application/json"

    def test_a_redirect_can_be_the_answer(self, web: Web, connect: Callable[..., Connection]) -> None:
        web.answers["/dataset"] = (307, {"Location": "http://example.org:9000/"}, b"")
        connection = connect()
        request = Request("open", "GET", "/dataset", accepts=frozenset({307}))
        where = connection.exchange(request, lambda answer: answer.headers["Location"], connection.new_call())
        assert where == "http://example.org:9000/"

    def test_a_success_that_is_not_expected_is_refused(self, connect: Callable[..., Connection]) -> None:
        with pytest.raises(AnswerError, match="206"):
            get(connect(), accepts=frozenset({206}))

    @pytest.mark.parametrize(("method", "reads", "asked"), [("GET", None, 2), ("POST", None, 1), ("POST", True, 2)])
    def test_what_reads_is_repeated_after_a_wrong_answer(
        self, method: str, reads: bool | None, asked: int, web: Web, connect: Callable[..., Connection]
    ) -> None:
        web.answers["/voxels"] = (200, {}, b"no JSON")
        connection = connect(retry=RetryPolicy(interval=0))
        with pytest.raises(AnswerError):
            connection.exchange(Request("ask", method, "/voxels", reads=reads), Answer.read_json, connection.new_call())
        assert len(web.asked) == asked


class TestElsewhere:
    def test_a_path_of_the_same_host_gets_the_secrets(self, web: Web, connect: Callable[..., Connection]) -> None:
        with connect(auth=Bearer(SECRETS[0])).at(f"{web.url}/prefix") as other:
            get(other)
        assert (web.last_path, web.last_headers.get("Authorization")) == ("/prefix/voxels", f"Bearer {SECRETS[0]}")

    def test_another_host_gets_no_secrets(self, web: Web) -> None:
        with requests.Session() as session:
            session.auth = ("me", SECRETS[1])
            connection = Connection("example.org", auth=Bearer(SECRETS[0]), session=session, retry=ONCE)
            with connection, connection.at(web.url) as other:
                get(other)
        assert "Authorization" not in web.last_headers

    def test_another_host_gets_them_if_asked_for(self, web: Web) -> None:
        connection = Connection("example.org", auth=Bearer(SECRETS[0]), retry=ONCE)
        with connection, connection.at(web.url, auth=connection.auth) as other:
            get(other)
        assert web.last_headers["Authorization"] == f"Bearer {SECRETS[0]}"

    def test_policy_and_slots_are_shared(self, web: Web, connect: Callable[..., Connection]) -> None:
        connection = connect(concurrency=1, retry=RetryPolicy(deadline=0.2))
        with connection.at(f"{web.url}/prefix") as other:

            def read_elsewhere(_: Answer) -> None:
                contextvars.Context().run(get, other)  # as another operation, which this one does not wait for

            with pytest.raises(TransportError, match="deadline"):
                connection.exchange(Request("read", "GET", "/voxels"), read_elsewhere, Call(RetryPolicy()))


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
            get(connect(session=session, auth=Bearer(SECRETS[0]), verify=False, timeout=7))
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

    @pytest.mark.parametrize(("length", "kept"), [(100, 50), (4000, 5)], ids=["many", "long"])
    def test_cookies_without_end_are_not_kept(
        self, web: Web, connect: Callable[..., Connection], length: int, kept: int
    ) -> None:
        connection = connect()
        web.answers["/login"] = (200, {"Set-Cookie": "first=1"}, b"")
        get(connection, "/login")
        for number in range(80):
            web.answers["/evil"] = (200, {"Set-Cookie": f"c{number}={'x' * length}"}, b"")
            get(connection, "/evil")
        web.answers["/evil"] = (200, {"Set-Cookie": f"first={'x' * 20_000}"}, b"")
        get(connection, "/evil")
        web.answers["/login"] = (200, {"Set-Cookie": "first=2"}, b"")
        get(connection, "/login")
        get(connection, "/voxels")
        sent = web.last_headers["Cookie"].split("; ")
        assert (len(sent), "first=2" in sent) == (kept, True)

    def test_the_parameters_of_a_given_session_apply(self, web: Web, connect: Callable[..., Connection]) -> None:
        with requests.Session() as session:
            session.params = {"key": "mine"}
            get(connect(session=session, auth=Given({"u": "me"})))
        assert sorted(web.last_path.partition("?")[2].split("&")) == ["key=mine", "u=me"]


class TestClosing:
    def test_a_closed_connection_refuses_to_be_used(self, web: Web, connect: Callable[..., Connection]) -> None:
        with connect() as connection:
            get(connection)
        with pytest.raises(ClosedError, match=f"the connection to {web.url} is closed"):
            get(connection)

    def test_closing_twice_does_no_harm(self, connect: Callable[..., Connection]) -> None:
        connection = connect()
        connection.close()
        connection.close()
        assert repr(connection).endswith(" closed>")


class TestPickling:
    def test_the_configuration_travels(self) -> None:
        retry = RetryPolicy(patience=7, interval=2, deadline=100)
        connection = Connection("host/x", timeout=(1, 2), retry=retry, auth=Given({"u": "me"}), verify="ca.pem")
        other = pickle.loads(pickle.dumps(connection))
        names = ("url", "timeout", "retry", "auth", "concurrency")
        assert [getattr(other, name) for name in names] == [getattr(connection, name) for name in names]

    @pytest.mark.parametrize("pickle_secrets", [False, True])
    def test_a_token_travels_only_if_asked_for(
        self, pickle_secrets: bool, web: Web, connect: Callable[..., Connection]
    ) -> None:
        data = pickle.dumps(connect(auth=Bearer(SECRETS[0], pickle_secrets=pickle_secrets)))
        with pickle.loads(data) as other:
            get(other)
        found = (SECRETS[0].encode() in data, "Authorization" in web.last_headers)
        assert found == (pickle_secrets, pickle_secrets)

    @pytest.mark.parametrize("pickle_secrets", [False, True])
    def test_a_refusal_says_how_a_token_travels(
        self, pickle_secrets: bool, web: Web, connect: Callable[..., Connection]
    ) -> None:
        web.token = "another"
        connection = connect(auth=Bearer(SECRETS[0], pickle_secrets=pickle_secrets))
        with pickle.loads(pickle.dumps(connection)) as other, pytest.raises(ForbiddenError) as caught:
            get(other)
        assert ("Bearer(..., pickle_secrets=True)" in str(caught.value)) != pickle_secrets

    def test_on_wait_and_session_do_not_travel(self) -> None:
        with requests.Session() as session:
            connection = Connection("host", session=session, retry=RetryPolicy(on_wait=lambda _: None))
            other = pickle.loads(pickle.dumps(connection))
        assert other.retry == RetryPolicy()

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_a_copy_in_the_process_keeps_everything(
        self, copied: Callable[[Connection], Connection], web: Web, connect: Callable[..., Connection]
    ) -> None:
        retry = RetryPolicy(on_wait=lambda _: None)
        with requests.Session() as session:
            session.headers["X-Session"] = "mine"
            original = connect(auth=Bearer(SECRETS[0]), session=session, retry=retry)
            with copied(original) as other:
                get(other)
            get(original)  # closing the copy has closed the copy only
        assert other.retry == retry
        assert (web.last_headers["Authorization"], web.last_headers["X-Session"]) == (f"Bearer {SECRETS[0]}", "mine")

    def test_the_copy_of_a_used_connection_connects_anew(self, web: Web, connect: Callable[..., Connection]) -> None:
        connection = connect()
        get(connection)
        with pickle.loads(pickle.dumps(connection)) as other:
            assert get(other) == b"voxels"
        assert len(web.clients) == 2

    def test_the_copy_of_a_closed_connection_is_open(self, connect: Callable[..., Connection]) -> None:
        connection = connect()
        connection.close()
        with pickle.loads(pickle.dumps(connection)) as other:
            assert get(other) == b"voxels"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:secret@host/path", "http://…@host/path"),
        ("dvid://https://me:secret@host/path", "dvid://https://…@host/path"),
        ("me:sec/secret@host", "…@host"),
        ("htp://host/path", "htp://host/path"),
        ("host/a?roi=nose&token=secret", "host/a?roi=…&token=…"),
        ("host/a?secret", "host/a?…"),
        ("host/a?", "host/a?"),
        ("host/a#secret", "host/a#…"),
        ("host/a?b=secret#secret", "host/a?b=…#…"),
        ("host/" + "long/" * 100 + "end", "host/" + "long/" * 100 + "end"),
        ("", ""),
    ],
)
def test_a_message_shows_every_part_of_a_url_but_no_secret(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


@pytest.mark.parametrize("address", ["host:8000?admintoken=secret", "me:sec/secret@host", "http://me:secret@host:x"])
def test_an_address_with_a_secret_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(AddressError) as caught:
        Connection(address)
    assert "secret" not in str(caught.value)
