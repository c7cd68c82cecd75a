"""Tokens: no failure brings one into an error, a traceback, a log or a pickle, and no other server gets one."""

from __future__ import annotations

import http.client
import pickle
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_plus

import pytest
import requests
import urllib3
from conformance_stores import in_pieces
from numpy.typing import NDArray
from scripted import ScriptedServer, answer
from tracebacks import told

import pyvolume
from mockserver import Fault, MockServer
from pyvolume.dvid import Identity, general
from pyvolume.errors import AnswerError, ForbiddenError, StoreError, TransportError
from pyvolume.model.secret import Secret
from pyvolume.transport.answer import Answer
from pyvolume.transport.auth import Additions
from pyvolume.transport.bearer import Bearer
from pyvolume.transport.request import Request, Upload

BEARER, ADMIN = "b3arer-of-mine", "adm1n&token"
SECRETS = (BEARER, ADMIN, "adm1n%26token")
IDENTITY = Identity("anna", token=BEARER, admin_token=ADMIN)
ONCE = pyvolume.RetryPolicy(patience=0)
HTML = "Content-Type: text/html"
ECHO = b"no such thing: POST /api/repos?u=anna&admintoken=adm1n%26token"


def create(connection: pyvolume.Connection) -> bytes:
    """Send one request that both tokens go with."""
    request = Request("create", "POST", "/api/repos", upload=Upload.of(b"a body"), privileged=True)
    return connection.exchange(request, Answer.read, connection.new_call())


def found_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


FAILURES: dict[str, bytes] = {
    "closed": b"",
    "no http": b"garbage\r\n\r\n",
    "the request itself": b"POST /?admintoken=adm1n%26token HTTP/1.1\r\nAuthorization: Bearer b3arer-of-mine\r\n\r\n",
    "a bad line with the token": b"HTTP/1.1 200 OK\r\nno header: Bearer b3arer-of-mine\r\n\r\n",
    "a bad status with the token": b"HTTP/1.1 200Bearer\tb3arer-of-mine\r\n\r\n",
    "half a head with the token": b"HTTP/1.1 200 OK\r\nSet-Cookie: b3arer-of-mine",
    "half an answer": answer(b"{", length=100),
    "not JSON": answer(b"<html>", HTML),
    "no root": answer(b"{}"),
    "refused": answer(b"requires admin privileges (admintoken or DSG admin)", status="400 Bad Request"),
    "forbidden": answer(b"no", status="403 Forbidden"),
    "a page that repeats the url": answer(ECHO, HTML, status="500 Internal Server Error"),
    "a redirect that repeats the url": answer(
        ECHO, "Location: https://host/api/repos?u=anna&admintoken=adm1n%26token", status="307 Temporary Redirect"
    ),
    "too many interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200,
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_tells_a_token(failure: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with (
        ScriptedServer([FAILURES[failure], answer(b"", status="404 Not Found")], closing=[0]) as server,
        pyvolume.Connection(server.url, auth=IDENTITY, retry=ONCE) as connection,
        pytest.raises(StoreError) as caught,
    ):
        general.create_repo(connection, "alias", duplicate_alias=True)
    assert found_in(unquote_plus(server.heads[0])) == [BEARER, ADMIN]
    assert found_in(told(caught.value, everywhere=True) + caplog.text) == []
    assert found_in(str(pickle.dumps(caught.value))) == []


@pytest.mark.parametrize("proxy", ["", f"http://me:{BEARER}@NOBODY", f"gopher://me:{BEARER}@NOBODY"])
def test_a_refused_port_tells_no_token(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", proxy.replace("NOBODY", nobody))
    url = "http://far.example" if proxy else nobody
    with (
        pyvolume.Connection(url, auth=IDENTITY, retry=ONCE) as connection,
        pytest.raises(TransportError) as caught,
    ):
        general.create_repo(connection, "alias", duplicate_alias=True)
    assert found_in(told(caught.value, everywhere=False)) == []


class Interrupting:
    """A socket that is interrupted when it sends what holds some text."""

    def __init__(self, connected: socket.socket, text: bytes) -> None:
        self._connected = connected
        self._text = text

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)

    def _look_at(self, data: Any) -> Any:
        if self._text in bytes(data):
            raise KeyboardInterrupt
        return data

    def sendall(self, data: Any) -> None:
        self._connected.sendall(self._look_at(data))

    def send(self, data: Any) -> int:
        return self._connected.send(self._look_at(data))


@pytest.mark.parametrize("part", [b"POST", b"body"])
def test_an_interrupted_upload_tells_no_token(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = urllib3.util.connection.create_connection

    def interrupting(*args: Any, **kwargs: Any) -> Any:
        return Interrupting(connect(*args, **kwargs), part)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", interrupting)
    with (
        ScriptedServer([answer(b"")]) as server,
        pyvolume.Connection(server.url, auth=IDENTITY, retry=ONCE) as connection,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        create(connection)
    assert found_in(told(caught.value, everywhere=True)) == []


OPENS: dict[str, Callable[[str], object]] = {
    "refused": lambda url: pyvolume.open(f"dvid://{url}/:master/gray", token=BEARER),
    "no such option": lambda url: pyvolume.open(f"dvid://{url}/:master/gray", token=BEARER, tolken=1),
    "no such form": lambda _: pyvolume.open("nothing", token=BEARER),
    "two identities": lambda url: pyvolume.open(
        f"dvid://{url}/:master/gray", token=BEARER, connection=pyvolume.Connection(url)
    ),
    "a line break": lambda _: Identity(token=f"{BEARER}\n"),
    "an admin token with a line break": lambda _: Identity(admin_token=f"{ADMIN}\n"),
    "a letter that no header holds": lambda url: pyvolume.open(f"dvid://{url}/:master/gray", token=f"{BEARER}→"),
    "a bearer with a line break": lambda _: Bearer(f"{BEARER}\n"),
    "a header of another library": lambda _: Additions(headers={"X-Key": Secret(f"{BEARER}\n")}),
}


@pytest.mark.parametrize("how", OPENS)
def test_no_call_that_takes_a_token_tells_it(how: str) -> None:
    with (
        ScriptedServer([answer(b"JWT required", status="400 Bad Request")]) as server,
        pytest.raises((StoreError, ValueError, TypeError)) as caught,
    ):
        OPENS[how](server.url)
    assert found_in(told(caught.value, everywhere=False)) == []


@pytest.fixture
def elsewhere() -> Iterator[ScriptedServer]:
    with ScriptedServer([answer(b"{}")]) as server:
        yield server


@pytest.mark.parametrize("own", [True, False], ids=["own session", "given session"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_token_to_another_server(status: int, own: bool, elsewhere: ScriptedServer) -> None:
    reply = answer(b"", f"Location: {elsewhere.url}/api/repos", status=f"{status} Moved")
    with (
        ScriptedServer([reply]) as server,
        requests.Session() as session,
        pyvolume.Connection(server.url, auth=IDENTITY, retry=ONCE, session=None if own else session) as connection,
        pytest.raises(AnswerError, match=f"{status} to {elsewhere.url}"),
    ):
        create(connection)
    assert (elsewhere.connections, len(server.heads)) == (0, 1)


def test_what_http_client_prints_to_debug_holds_no_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with (
        ScriptedServer([answer(b"{}")]) as server,
        pyvolume.Connection(server.url, auth=IDENTITY) as connection,
    ):
        create(connection)
        assert found_in(server.heads[0]) == [BEARER, "adm1n%26token"]
    assert found_in(capsys.readouterr().out) == []


def test_a_proxy_is_asked_with_the_whole_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(b'{"root": "ab"}')]) as proxy:
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("http_proxy", proxy.url)
        with pyvolume.Connection("far.example:8000/dvid", auth=IDENTITY, retry=ONCE) as connection:
            assert general.create_repo(connection, "alias", duplicate_alias=True) == "ab"
    line = "POST http://far.example:8000/dvid/api/repos?u=anna&app=pyvolume&admintoken=adm1n%26token HTTP/1.1"
    assert proxy.heads[0].splitlines()[0] == line


def test_a_proxy_of_https_sees_no_token(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with ScriptedServer([answer(b"", status="403 Forbidden")]) as proxy:
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("https_proxy", proxy.url)
        with (
            pyvolume.Connection("https://far.example", auth=IDENTITY, retry=ONCE) as connection,
            pytest.raises(TransportError) as caught,
        ):
            general.create_repo(connection, "alias", duplicate_alias=True)
    assert [head.split()[:2] for head in proxy.heads] == [["CONNECT", "far.example:443"]]
    assert found_in("".join(proxy.heads) + told(caught.value, everywhere=True) + caplog.text) == []


def test_what_holds_tokens_shows_none() -> None:
    with ScriptedServer([]) as server, pyvolume.dvid.Server(pyvolume.Connection(server.url, auth=IDENTITY)) as dvid:
        shown = [IDENTITY, IDENTITY.apply(Request("", "POST", "/", privileged=True)), dvid, dvid.connection, dvid.repos]
        assert found_in(f"{shown!r} {list(map(str, shown))}") == []
        assert found_in(str([pickle.dumps(each) for each in (IDENTITY, dvid.connection)])) == []


@pytest.fixture
def volume(array: NDArray[Any]) -> Iterator[pyvolume.Volume]:
    """Give a volume that was opened with a token, moved in several pieces at once, whose server refuses voxels."""
    with (
        MockServer({"gray": array}, auth="token") as server,
        pyvolume.Connection(server.url, auth=Identity(token=server.token()), retry=ONCE) as connection,
    ):
        server.faults.add(Fault("error", status=403, path=".*/raw/.*", times=None))
        volume = pyvolume.dvid.VoxelsAccessor(connection, server.uuid, "gray")
        yield in_pieces(volume, volume.nbytes // 8)


def token_in(text: str) -> bool:
    """Whether the head that all tokens of the mock server have is in a text."""
    return "eyJ" in text


def test_a_volume_and_its_failures_tell_no_token(volume: pyvolume.Volume) -> None:
    with pytest.raises(ForbiddenError) as caught:
        volume[...]
    with pytest.raises(ForbiddenError) as written:
        volume[:, 1:5] = 0
    assert not token_in(told(caught.value, everywhere=True) + told(written.value, everywhere=True))
    assert not token_in(f"{volume!r} {volume} {volume.store!r} {volume.describe()} {volume._repr_html_()}")
    assert not token_in(str(pickle.dumps(volume)))
