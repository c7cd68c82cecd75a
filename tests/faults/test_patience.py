"""What is waited for and what is not: a server that starts again, a dead proxy, a missing library, a slow line."""

from __future__ import annotations

import http.client
import importlib.util
import socket
import threading
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from scripted import ScriptedServer, answer, read_body, read_head

from pyvolume import Connection, RetryPolicy
from pyvolume.calls.call import Call, Exchange
from pyvolume.calls.retry import RetryWait
from pyvolume.errors import StoreError, TransportError
from pyvolume.transport.adapter import UNSENT_OPTION, PatientHTTPConnection
from pyvolume.transport.answer import WINDOW, Answer, Received
from pyvolume.transport.line import Lines
from pyvolume.transport.request import Body, Request, Upload

READ = Request("read", "GET", "/")
COMMIT = Request("commit", "POST", "/", upload=Upload.of(b"{}"), repeatable=False)
GOOD = answer(b"good")


class Restarting:
    """A server that stops after its first answer, and starts again while the client waits for the nth time."""

    def __init__(self, starts_at: int) -> None:
        self.waits: list[RetryWait] = []
        self.heads: list[str] = []
        self._starts_at = starts_at
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._serve(self._listener)

    def on_wait(self, wait: RetryWait) -> None:
        self.waits.append(wait)
        if len(self.waits) == self._starts_at:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._serve(self._listener)

    def _serve(self, listener: socket.socket) -> None:
        """Answer one request, and stop."""

        def work() -> None:
            with listener, listener.accept()[0] as accepted, accepted.makefile("rb") as stream:
                listener.close()
                head = read_head(stream)
                read_body(stream, head)  # a client refuses an answer that comes before the end of its request
                self.heads.append(head.decode())
                accepted.sendall(GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()


def ask(connection: Connection, request: Request = READ) -> bytes:
    return connection.exchange(request, Answer.read, Call(connection.retry))


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("request_again", [READ, COMMIT], ids=["read", "commit"])
def test_a_server_that_starts_again_is_waited_for(request_again: Request, own: bool) -> None:
    server = Restarting(starts_at=3)
    policy = RetryPolicy(interval=0.001, max_interval=0.001, on_wait=server.on_wait)
    with (
        requests.Session() as session,
        Connection(f"127.0.0.1:{server.port}", retry=policy, session=None if own else session) as connection,
    ):
        assert ask(connection) == b"good"
        server.thread.join(20)
        assert ask(connection, request_again) == b"good"
    assert len(server.waits) == 3
    assert len(server.heads) == 2  # what must not be repeated has been sent once


def test_a_server_that_does_not_come_back_is_an_error_in_the_end() -> None:
    server = Restarting(starts_at=-1)
    policy = RetryPolicy(patience=0.05, interval=0.001, on_wait=server.on_wait)
    with Connection(f"127.0.0.1:{server.port}", retry=policy) as connection:
        ask(connection)
        server.thread.join(20)
        with pytest.raises(TransportError, match="running"):
            ask(connection)
    assert server.waits


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        yield taken.getsockname()[1]


def never(wait: RetryWait) -> None:
    pytest.fail(f"waited after {wait.error}")


@pytest.mark.parametrize("request_once", [READ, COMMIT], ids=["read", "commit"])
def test_a_server_that_never_answered_is_not_waited_for(closed_port: int, request_once: Request) -> None:
    with (
        Connection(f"127.0.0.1:{closed_port}", retry=RetryPolicy(on_wait=never)) as connection,
        pytest.raises(TransportError) as caught,
    ):
        ask(connection, request_once)
    assert caught.value.unreached
    assert not caught.value.uncertain


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_named_and_not_waited_for(
    closed_port: int, scheme: str, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:secret@127.0.0.1:{closed_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    url, policy = f"{scheme}://example.invalid:8000", RetryPolicy(on_wait=never)
    with (
        requests.Session() as session,
        Connection(url, retry=policy, session=None if own else session) as connection,
        pytest.raises(TransportError, match=f"proxy 127.0.0.1:{closed_port}") as caught,
    ):
        ask(connection)
    assert "example.invalid:8000" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_proxy_that_dies_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Restarting(starts_at=-1)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    with Connection("http://example.invalid", retry=RetryPolicy(on_wait=never)) as connection:
        assert ask(connection) == b"good"
        proxy.thread.join(20)
        with pytest.raises(TransportError, match="proxy"):
            ask(connection)


@pytest.mark.skipif(importlib.util.find_spec("socks") is not None, reason="the library is there")
@pytest.mark.parametrize("own", [True, False])
def test_a_missing_library_is_not_waited_for(own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5h://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    url, policy = "http://example.invalid", RetryPolicy(on_wait=never)
    with (
        requests.Session() as session,
        Connection(url, retry=policy, session=None if own else session) as connection,
        pytest.raises(TransportError, match="SOCKS"),
    ):
        ask(connection)


@pytest.fixture
def silent() -> Iterator[int]:
    """Give a file descriptor from which nothing can be read."""
    one, other = socket.socketpair()
    with one, other:
        yield one.fileno()


class SlowSocket:
    """Takes few bytes at a time, and lists how long it may wait for each."""

    def __init__(self, most: int, silent: int) -> None:
        self.most = most
        self.fileno = lambda: silent
        self.timeout: float | None = None
        self.timeouts: list[float | None] = []
        self.received = b""

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def sendall(self, data: bytes) -> None:
        assert b"HTTP/1.1" in data, "of a body the timeout counts for each part, not for all of it"

    def send(self, data: memoryview) -> int:
        self.timeouts.append(self.timeout)
        self.received += bytes(data[: self.most])
        return min(self.most, len(data))


@pytest.mark.parametrize("most", [1, 300, 10_000])
def test_a_slow_line_is_not_silent_while_bytes_leave(most: int, silent: int) -> None:
    body, moved = bytes(range(256)) * 10, list[int]()
    line: Any = SlowSocket(most, silent)
    connection = PatientHTTPConnection("host", timeout=5, silence=120, lines=Lines())
    connection.sock = line
    views = [memoryview(body)[:1000], memoryview(body)[1000:]]
    upload = Body(Upload(len(body), lambda: views), moved.append, 30)
    connection.request("POST", "/", upload, {"Content-Length": str(len(body))})
    assert line.received == body
    assert line.timeouts == [30] * len([count for count in moved if count])
    assert sum(moved) == len(body)
    assert max(moved) <= most


@pytest.mark.skipif(UNSENT_OPTION is None, reason="this system has no such option")
@pytest.mark.parametrize(("silence", "unsent"), [(120, 1 << 22), (3, 3 << 16), (1e-6, 1)])
def test_the_system_holds_back_what_leaves_during_a_silence(silence: float, unsent: int) -> None:
    """The wait for the answer begins when the system has all of the body, however slowly it sends."""
    with ScriptedServer([GOOD]) as server, Connection(server.url) as connection:
        found: list[int] = []
        connect = PatientHTTPConnection.connect

        def connected(self: PatientHTTPConnection) -> None:
            self._silence = silence
            connect(self)
            self.sock.settimeout(120)
            assert UNSENT_OPTION is not None
            found.append(self.sock.getsockopt(socket.IPPROTO_TCP, UNSENT_OPTION))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PatientHTTPConnection, "connect", connected)
            ask(connection)
    assert found == [unsent]


def test_a_cancelled_call_sends_nothing_of_a_body(silent: int) -> None:
    line: Any = SlowSocket(10, silent)
    call = Call(RetryPolicy())
    call.cancel()
    connection = PatientHTTPConnection("host", silence=120, lines=Lines())
    connection.sock = line
    with pytest.raises(StoreError, match="cancelled"):
        connection.request("POST", "/", Body(Upload.of(b"x"), Exchange(call).sent, 30), {"Content-Length": "1"})
    assert line.received == b""


def test_cancelling_ends_an_upload_between_two_parts(silent: int) -> None:
    call = Call(RetryPolicy())

    def report(count: int) -> None:
        if count:
            call.cancel()
        call.remaining()

    line: Any = SlowSocket(10, silent)
    connection = PatientHTTPConnection("host", silence=120, lines=Lines())
    connection.sock = line
    with pytest.raises(StoreError, match="cancelled"):
        connection.request("POST", "/", Body(Upload.of(bytes(1000)), report, 30), {"Content-Length": "1000"})
    assert len(line.received) == 10


class Trickle(http.client.HTTPResponse):
    """An answer whose windows take as long as a test says, by the clock of the module."""

    def __init__(self, seconds: Iterable[float], clock: list[float]) -> None:
        self.fp: Any = None
        self.asked: list[int] = []
        self._seconds = iter(seconds)
        self._clock = clock

    def readinto(self, view: Any) -> int:
        self.asked.append(len(view))
        self._clock[0] += next(self._seconds, 0)
        return len(view)


def test_windows_grow_on_a_fast_line_and_begin_small_again_on_a_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, moved = [0.0], list[int]()
    monkeypatch.setattr("pyvolume.transport.answer.time", SimpleNamespace(monotonic=lambda: clock[0]))
    response = Trickle([0, 0, 0, 0.5, 2, 20, 0], clock)
    received = Answer(Received(200, {}, SimpleNamespace(_fp=response)), "read", moved.append)
    received.read_into(memoryview(bytearray(40 * WINDOW)))
    assert [n // WINDOW for n in response.asked] == [1, 2, 4, 8, 8, 1, 1, 2, 4, 8, 1]
    assert moved == response.asked


def test_a_given_session_sends_little_at_once() -> None:
    """requests takes the limit for connecting as the time for each part."""
    body = bytes(range(256)) * 1024
    sizes: list[int] = []

    class Listing(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            while part := request.body.read():  # type: ignore[union-attr]
                sizes.append(len(part))
            raise requests.ConnectionError("enough")

    moved: list[int] = []
    with requests.Session() as session, Connection("http://host", session=session) as connection:
        session.mount("http://", Listing())
        with pytest.raises(TransportError):
            connection.exchange(
                Request("write", "POST", "/", upload=Upload(len(body), lambda: [memoryview(body), memoryview(body)])),
                lambda received: moved.append(received.status),
                Call(RetryPolicy(patience=0)),
            )
    assert sizes == [1 << 16] * 8
