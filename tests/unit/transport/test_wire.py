"""Answers on a socket, however they arrive, and heads of requests."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from pyvolume.model.secret import Secret
from pyvolume.transport.wire import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_INTERIM,
    RECEIVED_AT_ONCE,
    Fields,
    Incoming,
    WireAnswer,
    head_of,
    length_of,
)

OK = b"HTTP/1.1 200 OK\r\n"
BODY = bytes(range(256)) * 256


@contextmanager
def arriving(data: bytes, step: int = 1 << 30, *, ends: bool = True) -> Iterator[Incoming]:
    """Let bytes arrive, so many at a time; with `ends` the connection then ends."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with suppress(BrokenPipeError):  # nobody receives what is behind a fault
            for at in range(0, len(data), step):
                theirs.sendall(data[at : at + step])
            if ends:
                theirs.shutdown(socket.SHUT_WR)

    with ours, theirs:
        ours.settimeout(20)
        thread = threading.Thread(target=send)
        thread.start()
        yield Incoming(ours)
        ours.shutdown(socket.SHUT_RD)
        thread.join()


def received(incoming: Incoming, closed: list[None], *, method: str = "GET", is_last: bool = False) -> WireAnswer:
    return WireAnswer(incoming, method, is_last=is_last, close=lambda: closed.append(None))


@pytest.mark.parametrize("step", [1, 3, 1 << 30])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_head_may_arrive_in_parts(end: bytes, step: int) -> None:
    head = end.join([b"HTTP/1.1 200 OK", b"A:  b ", b"content-LENGTH: 5", b"A: c", b"Long: one", b"  two", b"", b""])
    closed: list[None] = []
    with arriving(head + b"hello", step) as incoming:
        answer = received(incoming, closed)
        assert (answer.status, answer.version_string) == (200, "HTTP/1.1")
        assert dict(answer.headers) == {"a": "b, c", "content-length": "5", "long": "one two"}
        assert answer.headers["Content-Length"] == "5"
        assert answer.headers.get_all("A") == ["b", "c"]
        assert answer.headers.get("B", "none") == "none"
        assert answer.read(100) == b"hello"
        assert (answer.isclosed(), closed) == (True, [])


@pytest.mark.parametrize("step", [1000, RECEIVED_AT_ONCE, 1 << 30])
@pytest.mark.parametrize("part", [1 << 12, 40_000, len(BODY)])
def test_a_body_with_a_length_fills_views(part: int, step: int) -> None:
    closed: list[None] = []
    with arriving(OK + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY, step) as incoming:
        answer = received(incoming, closed)
        out = bytearray(len(BODY) + part)
        for at in range(0, len(out), part):
            expected = max(0, min(part, len(BODY) - at))
            assert answer.readinto(memoryview(out)[at : at + part]) == expected
        assert bytes(out[: len(BODY)]) == BODY
        assert (closed, answer.length_remaining) == ([], 0)


BODIES = {
    "a length": (OK + b"Content-Length: 3\r\n\r\nabc", "GET", b"abc", False),
    "no length": (OK + b"\r\nabc", "GET", b"abc", True),
    "chunks": (OK + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET", b"abc", False),
    "the answer to HEAD": (OK + b"Content-Length: 3\r\n\r\n", "HEAD", b"", False),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", b"", False),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "GET", b"", False),
    "no content but a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "GET", b"", True),
    "no content but chunks": (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", b"", True),
    "nothing": (OK + b"Content-Length: 0\r\n\r\n", "GET", b"", False),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc", "GET", b"abc", False),
    "to be closed": (OK + b"Connection: Close\r\nContent-Length: 3\r\n\r\nabc", "GET", b"abc", True),
    "version 1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "GET", b"abc", True),
    "version 1.0, kept": (
        b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\nabc", "GET", b"abc", False,
    ),
    "bytes behind": (OK + b"Content-Length: 3\r\n\r\nabcd", "GET", b"abc", True),
    "bytes behind nothing": (OK + b"Content-Length: 0\r\n\r\nd", "GET", b"", True),
    "bytes behind chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nd", "GET", b"a", True),
    "behind interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na",
        "GET", b"a", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_every_body_ends_where_it_should_and_leaves_the_connection_as_it_should(kind: str) -> None:
    wire, method, body, is_closed = BODIES[kind]
    closed: list[None] = []
    with arriving(wire) as incoming:
        answer = received(incoming, closed, method=method)
        found = b"".join(iter(lambda: answer.read(2), b""))
        assert (found, answer.isclosed(), bool(closed)) == (body, True, is_closed)
        answer.close()
        assert len(closed) == is_closed


def test_an_answer_that_is_closed_too_early_closes_its_connection() -> None:
    closed: list[None] = []
    with arriving(OK + b"Content-Length: 3\r\n\r\nabc") as incoming:
        answer = received(incoming, closed)
        answer.close()
        answer.close()
        assert (closed, answer.read(3)) == ([None], b"")


def test_an_answer_that_was_not_given_back_closes_its_connection_although_it_has_ended() -> None:
    """Something is wrong with it: who has read it did not want it."""
    closed: list[None] = []
    returned: list[object] = []
    pool = SimpleNamespace(give_back=returned.append)
    for is_given_back in (False, True):
        with arriving(OK + b"Content-Length: 0\r\n\r\n") as incoming:
            answer = received(incoming, closed)
            answer.came_over("connection", pool)
            if is_given_back:
                answer.release_conn()
            answer.close()
            assert (closed, returned) == ([None], ["connection"] * is_given_back)


def test_odd_names_of_fields_are_received() -> None:
    with arriving(OK + b"X/Cache: hit\r\nX(a)[1]: b\r\nContent-Length: 0\r\n\r\n") as incoming:
        headers = received(incoming, []).headers
        assert (headers["x/cache"], headers["X(A)[1]"]) == ("hit", "b")


@pytest.mark.parametrize(
    "said", [b"GET /key?token=secret HTTP/1.1\r\nToken: secret\r\n\r\n", b"HTTP/1.1 200OK secret\r\n"]
)
def test_an_error_shows_little_of_what_is_no_answer(said: bytes) -> None:
    with arriving(said) as incoming, pytest.raises(http.client.BadStatusLine) as caught:
        received(incoming, [])
    assert "secret" not in repr(vars(caught.value)) + str(caught.value)


def test_the_last_answer_closes_its_connection() -> None:
    closed: list[None] = []
    with arriving(OK + b"Content-Length: 3\r\n\r\nabc") as incoming:
        assert received(incoming, closed, is_last=True).read(3) == b"abc"
        assert closed == [None]


def test_a_body_that_breaks_off_gives_what_has_come() -> None:
    closed: list[None] = []
    with arriving(OK + b"Content-Length: 5\r\n\r\nabc") as incoming:
        answer = received(incoming, closed)
        assert (answer.read(5), answer.isclosed(), closed) == (b"abc", True, [None])


BAD: dict[str, tuple[bytes, type[Exception]]] = {
    "nothing": (b"", http.client.RemoteDisconnected),
    "half a head": (OK + b"A: b\r\n", http.client.IncompleteRead),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", http.client.BadStatusLine),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", http.client.BadStatusLine),
    "a status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", http.client.BadStatusLine),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", http.client.BadStatusLine),
    "a line without a colon": (OK + b"hello\r\nContent-Length: 3\r\n\r\nabc", http.client.HTTPException),
    "a space in a name": (OK + b"Content Length: 3\r\n\r\nabc", http.client.HTTPException),
    "a line without a name": (OK + b": hello\r\n\r\n", http.client.HTTPException),
    "a space behind a name": (OK + b"Content-Length : 3\r\n\r\nabc", http.client.HTTPException),
    "a value that goes on from nothing": (OK + b" a: b\r\n\r\n", http.client.HTTPException),
    "several lengths": (OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", http.client.HTTPException),
    "too many fields": (OK + b"A: b\r\n" * (MAX_FIELDS + 1) + b"\r\n", http.client.HTTPException),
    "too long a head": (OK + b"A: " + b"b" * MAX_HEAD + b"\r\n\r\n", http.client.LineTooLong),
    "a head without an end": (OK + b"A: b\r\n" * MAX_HEAD, http.client.LineTooLong),
    "a first line without an end": (b"x" * 2 * MAX_HEAD, http.client.BadStatusLine),
    "interim answers only": (b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 2), http.client.HTTPException),
}


@pytest.mark.parametrize("step", [700, 1 << 30])
@pytest.mark.parametrize("fault", BAD)
def test_what_is_no_answer_is_an_error(fault: str, step: int) -> None:
    wire, kind = BAD[fault]
    with arriving(wire, step) as incoming, pytest.raises(kind):
        received(incoming, [])


def test_what_is_no_answer_is_not_waited_for() -> None:
    with (
        arriving(b"220 mail.example.org ESMTP\r\n", ends=False) as incoming,
        pytest.raises(http.client.BadStatusLine),
    ):
        received(incoming, [])


@pytest.mark.parametrize(
    ("text", "length"),
    [("5", 5), (" 5 ", 5), ("5, 5", 5), ("5, 6", None), ("-1", None), ("0x10", None), ("\xb2", None), ("", None),
     ("9" * 19, None)],
)  # fmt: skip
def test_a_length_is_digits(text: str, length: int | None) -> None:
    assert length_of(text) == length


def test_the_names_of_fields_are_counted_once() -> None:
    fields = Fields(["A: b", "a: c", "D: e"])
    assert (len(fields), list(fields), "A" in fields, "b" in fields) == (2, ["a", "d"], True, False)


def test_a_head_is_made_of_its_parts() -> None:
    assert (
        head_of("GET", "/a?b=c", {"Host": "d", "Key": Secret("é")})
        == b"GET /a?b=c HTTP/1.1\r\nHost: d\r\nKey: \xe9\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nB: c", {}),
        ("/é", {}),
        ("", {}),
        ("/", {"A": "secret\r\nB: c"}),
        ("/", {"A": "secret\nB: c"}),
        ("/", {"A": "secret\r"}),
        ("/", {"A b": "secret"}),
        ("/", {"A:": "secret"}),
        ("/", {"": "secret"}),
        ("/", {"A\r\nB": "secret"}),
        ("/", {"A": "secret €"}),
    ],
)
def test_a_head_that_would_say_more_is_refused_without_showing_it(target: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="request: a") as caught:
        head_of("GET", target, headers)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
