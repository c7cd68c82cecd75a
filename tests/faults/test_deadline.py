"""A deadline, or a cancelled call, ends an attempt wherever it waits, and its connection at once."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
import requests
from dripping import LONGEST, DrippingServer
from numpy.typing import NDArray

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.codecs import raw
from pyvolume.errors import StoreError, TransportError
from pyvolume.transport.answer import Answer
from pyvolume.transport.request import Request, Upload

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = b"Content-Length: 1000000\r\n\r\n"

READ = Request("read", "GET", "/")
WRITE = Request("write", "POST", "/", upload=Upload(1 << 28, lambda: [memoryview(bytes(1 << 20))] * 256))
COMMIT = Request("commit", "POST", "/", upload=Upload.of(b"{}"), repeatable=False)


def receive_voxels(answer: Answer) -> NDArray[Any]:
    voxels = np.zeros((1, 100, 100, 100), "uint8", "F")
    answer.expect(voxels.nbytes, "application/octet-stream")
    raw.decode_into(answer, voxels)
    return voxels


class Case(NamedTuple):
    """What a server sends, and what is asked of it."""

    first: bytes
    drop: bytes
    request: Request = READ
    receive: Callable[[Answer], object] = Answer.read
    scheme: str = "http"
    proxied: bool = False


CASES = {
    "silence": Case(b"", b""),
    "status line": Case(b"HTTP/1.1 200 O", b"K"),
    "head": Case(OK + b"X-A: ", b"a"),
    "lines of the head": Case(OK, b"X-A: a\r\n" * 3),
    "document": Case(OK + LONG, b" "),
    "voxels": Case(OK + LONG, b" ", receive=receive_voxels),
    "chunks": Case(CHUNKED, b"1\r\nx\r\n"),
    "chunks of voxels": Case(CHUNKED, b"1\r\nx\r\n", receive=receive_voxels),
    "name of a chunk": Case(CHUNKED + b"2;", b"a"),
    "trailers": Case(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "error page": Case(b"HTTP/1.1 500 Oops\r\n" + LONG, b"x"),
    "interim answers": Case(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "handshake": Case(b"\x16\x03\x03\x40\x00\x02\x00\x3f\x00", b"\x00", scheme="https"),
    "proxy": Case(b"HTTP/1.1 200 OK\r\nX-A: ", b"a", scheme="https", proxied=True),
    "upload that nobody reads": Case(b"", b"", request=WRITE),
    "answer to a commit": Case(OK + b"X-A: ", b"a", request=COMMIT),
}  # fmt: skip


class Outcome(NamedTuple):
    """What a client found, and whether its server saw the end of the connection."""

    error: StoreError | None
    left: bool


@contextlib.contextmanager
def attempted(case: Case, own: bool, deadline: float | None) -> Iterator[tuple[DrippingServer, Call, list[Outcome]]]:
    """Ask in a thread of its own; the outcome is there at the end."""
    policy = pyvolume.RetryPolicy(patience=1000, deadline=deadline)
    found: list[Outcome] = []
    with DrippingServer(case.first, case.drop, reads=case.scheme == "http" or case.proxied) as server:
        call = Call(policy)

        def ask() -> None:
            error = None
            url = f"{case.scheme}://{'example.invalid' if case.proxied else server.address}"
            with (
                requests.Session() as session,
                pyvolume.Connection(url, session=None if own else session, timeout=1000) as connection,
            ):
                try:
                    connection.exchange(case.request, case.receive, call)
                except StoreError as raised:
                    error = raised
            # the library of a given session may let the system send the rest of a body, with the end behind it
            sees_the_end = own or case.request is not WRITE
            found.append(Outcome(error, server.left.wait(LONGEST) if sees_the_end else True))

        with pytest.MonkeyPatch.context() as patch:
            if case.proxied:
                patch.setenv("https_proxy", f"http://{server.address}")
            thread = threading.Thread(target=ask, daemon=True)
            thread.start()
            yield server, call, found
            thread.join(LONGEST)


each_case = pytest.mark.parametrize("name", CASES)
each_session = pytest.mark.parametrize("own", [True, False], ids=["own session", "given session"])


@each_session
@each_case
def test_a_deadline_ends_what_drips_for_ever(name: str, own: bool) -> None:
    with attempted(CASES[name], own, 0.3) as (_, _, found):
        pass
    (outcome,) = found
    assert isinstance(outcome.error, TransportError)
    # the limit for silence and the alarm of the deadline are over at the same time
    assert re.search("the deadline of 0.3 s has passed|timed out .*gave up after 1 attempts", str(outcome.error))
    assert outcome.error.uncertain == (CASES[name].request is COMMIT)
    assert outcome.left


@each_session
@each_case
def test_a_cancelled_call_closes_its_connection(name: str, own: bool) -> None:
    with attempted(CASES[name], own, None) as (server, call, found):
        assert server.dripping.wait(LONGEST)
        call.cancel()
    (outcome,) = found
    assert isinstance(outcome.error, TransportError)
    assert "cancelled" in str(outcome.error)
    assert outcome.left


def test_what_is_given_up_does_not_arrive_later() -> None:
    """The system has all of the body, and the server nothing yet: a write of that kind could overwrite a newer one."""
    nbytes, sent = 1 << 18, threading.Event()

    def chunks() -> Iterator[memoryview]:
        yield memoryview(bytes(nbytes))
        sent.set()

    call, arrived = Call(pyvolume.RetryPolicy(patience=0)), 0
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pyvolume.Connection(url, timeout=1000) as connection, ThreadPoolExecutor(1) as pool:
            request = Request("write", "POST", "/", upload=Upload(nbytes, chunks))
            write = pool.submit(connection.exchange, request, Answer.read, call)
            with listener.accept()[0] as accepted:
                assert sent.wait(LONGEST)
                call.cancel()
                assert isinstance(write.exception(LONGEST), TransportError)
                accepted.settimeout(LONGEST)
                with contextlib.suppress(ConnectionResetError):
                    while data := accepted.recv(1 << 16):
                        arrived += len(data)
    assert arrived < nbytes
