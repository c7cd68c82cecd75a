"""The direct path from the socket into the array, its traps and its fallback."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import unquote_plus

import numpy as np
import pytest
import requests
import urllib3
from numpy.typing import NDArray
from scripted import ScriptedServer, answer, chunked

import pyvolume
from pyvolume.calls.call import Call
from pyvolume.codecs import raw
from pyvolume.dvid import general
from pyvolume.errors import AnswerError, ForbiddenError, StoreError, TransportError
from pyvolume.transport.adapter import SECRET_QUERY
from pyvolume.transport.answer import Answer, Received
from pyvolume.transport.request import Request, Upload, default_refusal

OCTETS = "Content-Type: application/octet-stream"
VOXELS = np.asfortranarray(np.random.default_rng(0).integers(0, 256, (1, 30, 20, 50), "uint8"))
BODY = VOXELS.tobytes("F")
COMMIT = Request("commit", "POST", "/commit", upload=Upload.of(b"{}"), repeatable=False)
QUICK = pyvolume.RetryPolicy(patience=0.2, interval=0.001)
PATIENT = pyvolume.RetryPolicy(patience=60, interval=0.001)
"""For what succeeds in the end: a busy machine takes its time."""


def read(connection: pyvolume.Connection, out: NDArray[Any] | None = None) -> NDArray[Any]:
    out = np.zeros_like(VOXELS) if out is None else out

    def receive(received: Answer) -> None:
        received.expect(VOXELS.nbytes, "application/octet-stream")
        raw.decode_into(received, out)
        received.finish()

    connection.exchange(Request("read", "GET", "/voxels"), receive, Call(connection.retry))
    return out


def same(actual: object, expected: object) -> None:
    np.testing.assert_array_equal(actual, expected, strict=True)


GOOD = {
    "with a length": answer(BODY, OCTETS),
    "chunked": chunked(BODY, OCTETS),
    "in one chunk": chunked(BODY, OCTETS, size=10**6),
    "compressed by a proxy": answer(gzip.compress(BODY), OCTETS, "Content-Encoding: gzip"),
    "compressed and chunked": chunked(gzip.compress(BODY), OCTETS, "Content-Encoding: gzip"),
    "compressed, in capitals": answer(gzip.compress(BODY), OCTETS, "Content-Encoding: GZIP"),
    "compressed in parts": answer(
        gzip.compress(BODY[:99]) + gzip.compress(BODY[99:]), OCTETS, "Content-Encoding: gzip"
    ),
    "deflated": chunked(zlib.compress(BODY), OCTETS, "Content-Encoding: deflate"),
    "deflated without a head": answer(zlib.compress(BODY)[2:-4], OCTETS, "Content-Encoding: deflate"),
    "not compressed at all": answer(BODY, OCTETS, "Content-Encoding: Identity"),
    "type in capitals": answer(BODY, "Content-Type: Application/Octet-Stream; Charset=UTF-8"),
}

COMPRESSED = {"gzip": gzip.compress(BODY), "deflate": zlib.compress(BODY)}
CUTS = [1, 5, 12, 100, len(COMPRESSED["gzip"]) // 2, -30, -9, -8, -4, -1]
"""Where compressed bodies are cut: in the head, in the data, and in the checksum behind them."""


@pytest.mark.parametrize("framing", GOOD)
def test_every_framing_gives_the_voxels_and_keeps_the_connection(framing: str) -> None:
    with (
        ScriptedServer([GOOD[framing]] * 3) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
    ):
        for _ in range(3):
            same(read(connection), VOXELS)
        assert server.connections == 1


def test_a_body_that_ends_with_the_connection_is_read() -> None:
    head = f"HTTP/1.0 200 OK\r\n{OCTETS}\r\n\r\n".encode()
    with (
        ScriptedServer([head + BODY, answer(BODY, OCTETS)], closing=[0]) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
    ):
        same(read(connection), VOXELS)
        same(read(connection), VOXELS)


def test_strided_memory_is_filled() -> None:
    out = np.zeros((2, 60, 20, 50), "uint8")[:1, ::2]
    with ScriptedServer([chunked(BODY, OCTETS)]) as server, pyvolume.Connection(server.url) as connection:
        same(read(connection, out), VOXELS)


BAD: dict[str, tuple[bytes, type[StoreError]]] = {
    "short length": (answer(BODY[:-1], OCTETS), AnswerError),
    "long length": (answer(BODY + b"x", OCTETS), AnswerError),
    "short, chunked": (chunked(BODY[:-1], OCTETS), AnswerError),
    "long, chunked": (chunked(BODY + b"x", OCTETS), AnswerError),
    "short, compressed": (answer(gzip.compress(BODY[:-1]), OCTETS, "Content-Encoding: gzip"), AnswerError),
    "long, compressed": (answer(gzip.compress(BODY + b"x"), OCTETS, "Content-Encoding: gzip"), AnswerError),
    "another type": (answer(BODY, "Content-Type: text/html"), AnswerError),
    "no type": (answer(BODY), AnswerError),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", AnswerError),
    "broken off": (answer(BODY[:-100], OCTETS, length=len(BODY)), TransportError),
    "broken off, chunked": (chunked(BODY, OCTETS)[:-500], TransportError),
    "broken compression": (answer(b"\x1f\x8b" + BODY[:100], OCTETS, "Content-Encoding: gzip"), TransportError),
    "another compression": (answer(BODY, OCTETS, "Content-Encoding: br"), AnswerError),
    "compressed twice": (
        answer(gzip.compress(gzip.compress(BODY)), OCTETS, "Content-Encoding: gzip, gzip"),
        AnswerError,
    ),
    "no http": (b"hello\r\n\r\n", TransportError),
    "a length that is no number": (answer(BODY, OCTETS, "Content-Length: 0x10"), AnswerError),
    "a length with a sign": (
        b"HTTP/1.1 200 OK\r\nContent-Length: +60000\r\n" + OCTETS.encode() + b"\r\n\r\n" + BODY,
        AnswerError,
    ),
    "a length of strange digits": (
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n" + OCTETS.encode() + b"\r\n\r\n" + BODY,
        AnswerError,
    ),
    "two lengths": (answer(BODY, OCTETS, "Content-Length: 7"), TransportError),
    "an unknown transfer coding": (answer(BODY, OCTETS, "Transfer-Encoding: gzip, chunked"), AnswerError),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_is_retried_and_the_next_one_counts(fault: str) -> None:
    bad, _ = BAD[fault]
    with (
        ScriptedServer([bad, answer(BODY, OCTETS)], closing=[0]) as server,
        pyvolume.Connection(server.url, retry=PATIENT) as connection,
    ):
        same(read(connection), VOXELS)


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_for_ever_is_an_error_of_its_kind(fault: str) -> None:
    bad, kind = BAD[fault]
    with (
        ScriptedServer([bad] * 2000, closing=range(2000)) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(kind) as caught,
    ):
        read(connection)
    assert type(caught.value) is kind


@pytest.mark.parametrize("receive", ["read", "read_into"])
@pytest.mark.parametrize("framing", [answer, chunked])
@pytest.mark.parametrize("coding", COMPRESSED)
@pytest.mark.parametrize("cut", [0, *CUTS])
def test_what_is_cut_inside_its_compression_is_read_again(
    cut: int, coding: str, framing: Callable[..., bytes], receive: str
) -> None:
    whole = COMPRESSED[coding]
    bad, good = (framing(body, OCTETS, f"Content-Encoding: {coding}") for body in (whole[:cut], whole))

    def received(each: Answer) -> bytes:
        if receive == "read":
            return each.read()
        out = bytearray(len(BODY))
        each.read_into(memoryview(out))
        each.finish()
        return bytes(out)

    with ScriptedServer([bad, good, *[bad] * 2000]) as server:
        request = Request("read", "GET", "/key")
        with pyvolume.Connection(server.url, retry=QUICK) as connection:
            assert connection.exchange(request, received, Call(QUICK)) == BODY
            assert len(server.heads) == 2
            with pytest.raises(StoreError):
                connection.exchange(request, received, Call(pyvolume.RetryPolicy(patience=0)))


def test_the_status_remains_of_an_error_page_that_cannot_be_decoded() -> None:
    page = answer(b"\x00", "Content-Encoding: br", status="403 Forbidden")
    with (
        ScriptedServer([page]) as server,
        pyvolume.Connection(server.url) as connection,
        pytest.raises(ForbiddenError),
    ):
        read(connection)


def test_a_head_of_compressed_data_needs_no_data() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n"
    with ScriptedServer([head]) as server, pyvolume.Connection(server.url) as connection:
        connection.exchange(Request("look", "HEAD", "/key"), Answer.finish, Call(QUICK))


def test_an_answer_error_carries_the_numbers() -> None:
    with (
        ScriptedServer([answer(BODY[:-1], OCTETS)] * 2) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(AnswerError) as caught,
    ):
        read(connection)
    assert (caught.value.expected, caught.value.found) == (30000, 29999)


def test_a_page_instead_of_voxels_is_shown() -> None:
    page = answer(b"<html>Please log in</html>", "Content-Type: text/html; charset=utf-8")
    with (
        ScriptedServer([page] * 2) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(AnswerError, match=r"text/html.*Please log in.*proxy"),
    ):
        read(connection)


def test_a_refused_port_fails_at_once() -> None:
    with ScriptedServer([]) as server:
        url = server.url
    waits: list[pyvolume.RetryWait] = []
    with (
        pyvolume.Connection(url, retry=pyvolume.RetryPolicy(on_wait=waits.append)) as connection,
        pytest.raises(TransportError, match="is the server running"),
    ):
        read(connection)
    assert not waits


def test_a_host_without_a_name_fails_at_once() -> None:
    waits: list[pyvolume.RetryWait] = []
    with (
        pyvolume.Connection("nowhere.invalid:8000", retry=pyvolume.RetryPolicy(on_wait=waits.append)) as connection,
        pytest.raises(TransportError, match="cannot connect"),
    ):
        read(connection)
    assert not waits


def test_an_upload_may_take_longer_than_connecting() -> None:
    body = np.zeros(32 << 20, "uint8")
    go = threading.Event()
    timer = threading.Timer(0.5, go.set)
    timer.start()
    with (
        ScriptedServer([answer(b"")], slow_start=go) as server,
        pyvolume.Connection(server.url, timeout=(0.2, 10), retry=pyvolume.RetryPolicy(patience=0)) as connection,
    ):
        upload = Upload(body.nbytes, lambda: raw.encode(body, body.dtype))
        connection.exchange(Request("write", "POST", "/voxels", upload=upload), Answer.read, connection.new_call())
        assert len(server.bodies[0]) == body.nbytes
    timer.join()


@pytest.mark.parametrize("bad", ["no http", "broken off"])
def test_what_must_not_be_repeated_is_sent_once(bad: str) -> None:
    with (
        ScriptedServer([BAD[bad][0], answer(b"")], closing=[0]) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(TransportError, match="may have been carried out") as caught,
    ):
        connection.exchange(COMMIT, Answer.read, connection.new_call())
    assert (len(server.heads), caught.value.uncertain, caught.value.retryable) == (1, True, False)


def test_what_must_not_be_repeated_is_repeated_after_busy() -> None:
    def refuse(request: Request, status: int, headers: Mapping[str, str], text: str) -> StoreError:
        return default_refusal(request, status, headers, text).with_facts(unstarted=True)

    busy = answer(b"come again", status="503 Service Unavailable")
    commit = dataclasses.replace(COMMIT, refusal=refuse)
    with (
        ScriptedServer([busy, busy, answer(b"done")]) as server,
        pyvolume.Connection(server.url, retry=PATIENT) as connection,
    ):
        assert connection.exchange(commit, Answer.read, connection.new_call()) == b"done"


@pytest.mark.parametrize("status", ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"])
def test_what_must_not_be_repeated_is_not_after_a_gateway_gave_up(status: str) -> None:
    with (
        ScriptedServer([answer(b"", status=status), answer(b"done")]) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(StoreError) as caught,
    ):
        connection.exchange(COMMIT, Answer.read, connection.new_call())
    assert (len(server.heads), caught.value.uncertain) == (1, True)


def test_an_interrupted_wait_leaves_the_connection_usable() -> None:
    def interrupt(_: pyvolume.RetryWait) -> None:
        raise KeyboardInterrupt

    busy = answer(b"come again", status="503 Service Unavailable")
    policy = pyvolume.RetryPolicy(interval=1000, max_interval=1000, on_wait=interrupt)
    with (
        ScriptedServer([busy, answer(BODY, OCTETS)]) as server,
        pyvolume.Connection(server.url, retry=policy) as connection,
    ):
        with pytest.raises(KeyboardInterrupt):
            read(connection)
        same(read(connection), VOXELS)


def test_a_cut_body_is_read_again_from_its_start() -> None:
    cut = answer(bytes(len(BODY) - 100), OCTETS, length=len(BODY))
    with (
        ScriptedServer([cut, answer(BODY, OCTETS)], closing=[0]) as server,
        pyvolume.Connection(server.url, retry=PATIENT) as connection,
    ):
        same(read(connection), VOXELS)


@pytest.mark.parametrize("reply", [answer(b'{"root": "abc"}'), BAD["no http"][0]], ids=["success", "failure"])
def test_the_admin_token_is_sent_and_shows_nowhere(reply: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    shown = ""
    with (
        ScriptedServer([reply, answer(b"{}", status="404 Not Found")], closing=[0]) as server,
        pyvolume.Connection(
            server.url, auth=pyvolume.dvid.Identity(admin_token="a secret&"), retry=QUICK
        ) as connection,
    ):
        try:
            general.create_repo(connection, "alias", duplicate_alias=True)
        except StoreError as error:
            shown = "".join(traceback.format_exception(error)) + repr(connection)
    assert "admintoken=a+secret%26" in server.heads[0]
    assert "secret" not in caplog.text + shown


def test_another_http_library_behind_requests_is_read_by_its_public_interface() -> None:
    library = urllib3.HTTPResponse(io.BytesIO(BODY), preload_content=False)
    head = Received(200, {"Content-Type": "application/octet-stream"}, library)
    received = Answer(head, "read", lambda count: None)
    out = np.zeros_like(VOXELS)
    received.expect(out.nbytes, "application/octet-stream")
    raw.decode_into(received, out)
    received.finish()
    same(out, VOXELS)


INTERIM = {
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "processing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
    "several": b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" * 3,
}


@pytest.mark.parametrize("cut", [9, 20, -2, -4])
def test_a_head_that_breaks_off_is_no_answer(cut: int) -> None:
    """http.client takes the end of the connection for the end of the head, and the write for done."""
    head = b"HTTP/1.1 200 OK\r\nDate: today\r\n\r\n"
    with (
        ScriptedServer([head[:cut]], closing=[0]) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(TransportError, match="may have been carried out"),
    ):
        connection.exchange(COMMIT, Answer.read, connection.new_call())


@pytest.mark.parametrize("own", [True, False], ids=["own session", "given session"])
@pytest.mark.parametrize("broken", ["no colon", "Server : spaced", "HTTP/1.1 200 OK"])
def test_a_head_with_a_line_that_is_no_header_is_no_answer(broken: str, own: bool) -> None:
    """Python's parser of headers leaves out all that follows: here it is where the value ends."""
    bad = chunked(b"value", OCTETS).replace(b"OK\r\n", f"OK\r\n{broken}\r\n".encode(), 1)
    with (
        ScriptedServer([bad, chunked(b"value", OCTETS)], closing=[0]) as server,
        requests.Session() as session,
        pyvolume.Connection(server.url, retry=QUICK, session=None if own else session) as connection,
    ):
        assert connection.exchange(Request("read", "GET", "/key"), Answer.read, connection.new_call()) == b"value"


@pytest.mark.parametrize("interim", INTERIM)
def test_interim_answers_are_skipped(interim: str) -> None:
    answers = [INTERIM[interim] + answer(bytes([number]) * len(BODY), OCTETS) for number in range(1, 5)]
    with ScriptedServer(answers) as server, pyvolume.Connection(server.url, retry=QUICK) as connection:
        assert [np.unique(read(connection)).tolist() for _ in answers] == [[1], [2], [3], [4]]
        assert server.connections == 1


def test_an_error_behind_an_interim_answer_is_an_error() -> None:
    refused = INTERIM["early hints"] + answer(b"no", status="403 Forbidden")
    with (
        ScriptedServer([refused]) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(ForbiddenError),
    ):
        connection.exchange(COMMIT, Answer.read, connection.new_call())


@pytest.mark.parametrize("interim", ["continue", "processing"])
def test_interim_answers_without_end_are_an_error(interim: str) -> None:
    with (
        ScriptedServer([INTERIM[interim] * 5000] * 1000, closing=range(1000)) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
        pytest.raises(TransportError, match="interim"),
    ):
        read(connection)


def test_a_given_session_that_takes_an_interim_answer_for_the_final_one_is_told() -> None:
    hinted = INTERIM["early hints"] + answer(BODY, OCTETS)
    with (
        requests.Session() as session,
        ScriptedServer([hinted] * 1000) as server,
        pyvolume.Connection(server.url, retry=QUICK, session=session) as connection,
        pytest.raises(TransportError, match="interim"),
    ):
        read(connection)


class EarlyServer(ScriptedServer):
    """Answers when it has the head of a request and its first byte, and then reads on or closes the connection.

    When it has `nbytes` of the body, it answers once more.
    """

    def __init__(self, reply: bytes, *, reads_on: bool, nbytes: int = -1, final: bytes = b"") -> None:
        self.answered = threading.Event()
        self.ended = threading.Event()
        self.body_bytes = 0
        self._reply = reply
        self._nbytes = nbytes
        self._final = final
        self.reads_on = reads_on
        super().__init__([reply])

    def _answer(self, stream: BinaryIO) -> bool:
        assert self._current is not None
        while stream.readline() not in {b"\r\n", b""}:
            pass
        self.body_bytes += len(stream.read(1))
        self._current.sendall(self._reply)
        self.answered.set()
        with contextlib.suppress(ConnectionError):
            while self.reads_on and self.body_bytes != self._nbytes and (data := self._current.recv(1 << 16)):
                self.body_bytes += len(data)
            self._current.sendall(self._final)
        self._answers.clear()
        self.ended.set()
        return False


def upload_around(server: EarlyServer, nbytes: int) -> Upload:
    """Return an upload whose second part is made when the server has answered."""

    def chunks() -> Iterator[memoryview]:
        yield memoryview(b"1")
        assert server.answered.wait(20)
        if not server.reads_on:
            assert server.ended.wait(20)
        yield from [memoryview(bytes(1 << 16))] * ((nbytes - 1) >> 16)
        yield memoryview(bytes((nbytes - 1) & 0xFFFF))

    return Upload(nbytes, chunks)


NBYTES = 1 << 26
EARLY = {
    "own session, server reads on": (True, True),
    "own session, server closes": (True, False),
    "given session, server closes": (False, False),
}


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("case", EARLY)
def test_a_success_before_the_end_of_the_upload_is_none(case: str, repeatable: bool) -> None:
    own, reads_on = EARLY[case]
    with (
        requests.Session() as session,
        EarlyServer(answer(b""), reads_on=reads_on) as server,
        pyvolume.Connection(server.url, retry=QUICK, session=None if own else session) as connection,
    ):
        request = Request("write", "POST", "/", upload=upload_around(server, NBYTES), repeatable=repeatable)
        with pytest.raises(AnswerError, match=r"came before the last \d+ bytes were sent") as caught:
            connection.exchange(request, Answer.read, connection.new_call())
        assert caught.value.uncertain
        assert server.ended.wait(20)
        assert server.body_bytes < NBYTES
        assert server.connections == 1


def test_a_refusal_before_the_end_of_the_upload_ends_it_and_its_connection() -> None:
    with (
        EarlyServer(answer(b"no", status="403 Forbidden"), reads_on=True) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
    ):
        with pytest.raises(ForbiddenError):
            connection.exchange(
                Request("write", "POST", "/", upload=upload_around(server, NBYTES)), Answer.read, connection.new_call()
            )
        assert server.ended.wait(20)
        assert server.body_bytes < NBYTES


def test_an_interim_answer_does_not_end_an_upload() -> None:
    with (
        EarlyServer(INTERIM["early hints"], reads_on=True, nbytes=1 << 18, final=answer(b"done")) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
    ):
        request = Request("write", "POST", "/", upload=upload_around(server, 1 << 18))
        assert connection.exchange(request, Answer.read, connection.new_call()) == b"done"


SURPLUS = {
    "bytes": b"more",
    "another answer": answer(b"\xff" * len(BODY), OCTETS),
    "half an answer": answer(b"\xff" * len(BODY), OCTETS)[:-2000],
}


@pytest.mark.parametrize("surplus", SURPLUS)
def test_a_connection_with_bytes_behind_the_answer_is_not_used_again(surplus: str) -> None:
    answers = [answer(BODY, OCTETS) + SURPLUS[surplus], answer(BODY, OCTETS)]
    with ScriptedServer(answers, closing=[0]) as server, pyvolume.Connection(server.url, retry=QUICK) as connection:
        same(read(connection), VOXELS)
        same(read(connection), VOXELS)
        assert server.connections == 2


def test_bytes_behind_an_answer_in_the_buffer_of_its_reader_end_the_connection() -> None:
    small = answer(b"[]", "Content-Type: application/json")
    with (
        ScriptedServer([small + b"HTTP/1.1 200 OK\r\nContent-Le", small, small]) as server,
        pyvolume.Connection(server.url, retry=QUICK) as connection,
    ):
        for _ in range(2):
            request = Request("ask", "GET", "/document")
            assert connection.exchange(request, Answer.read_json, connection.new_call()) == []
        assert server.connections == 2


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a b", "/a%20b"),
        ("/é", "/%C3%A9"),
        ('/a"<{|^`', "/a%22%3C%7B%7C%5E%60"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%zz", "/a%25zz"),
        ("/a#b", "/a%23b"),
        ("/a~(b)*;c=d:@", "/a~(b)*;c=d:@"),
    ],
)
def test_a_path_is_the_same_over_a_new_connection_and_over_an_idle_one(path: str, sent: str) -> None:
    with ScriptedServer([answer(b"")] * 2) as server, pyvolume.Connection(f"{server.url}/base") as connection:
        for _ in range(2):
            request = Request("ask", "GET", path, query={"key": "a value"})
            connection.exchange(request, Answer.read, connection.new_call())
        assert server.connections == 1
    assert {head.partition("\r\n")[0] for head in server.heads} == {f"GET /base{sent}?key=a+value HTTP/1.1"}


def test_a_header_of_the_user_takes_the_place_of_one_with_the_same_name() -> None:
    headers = {"host": "data.example.org", "USER-AGENT": "mine"}
    with ScriptedServer([answer(b"")] * 2) as server, pyvolume.Connection(server.url) as connection:
        for given in (headers, {}):
            request = Request("ask", "GET", "/", headers=given)
            connection.exchange(request, Answer.read, connection.new_call())
    first, second = ([line for line in head.lower().splitlines() if "host:" in line] for head in server.heads)
    assert (first, second) == (["host: data.example.org"], [f"host: {server.url.partition('//')[2]}"])
    assert server.heads[0].lower().count("user-agent") == 1


def test_an_answer_that_is_refused_leaves_nothing_for_the_next_request() -> None:
    bad = b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"
    late = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    with (
        ScriptedServer([bad + late, answer(b"right")]) as server,
        pyvolume.Connection(server.url, retry=pyvolume.RetryPolicy(patience=0)) as connection,
    ):
        with pytest.raises(StoreError):
            connection.exchange(Request("ask", "GET", "/"), Answer.read, connection.new_call())
        assert connection.exchange(Request("ask", "GET", "/"), Answer.read, connection.new_call()) == b"right"
        assert server.connections == 2


def test_the_admin_token_cannot_be_drawn_out_by_a_name() -> None:
    reply = answer(b"", "Content-Type: text/plain")
    names = ("REDACTED-BY-PYVOLUME", SECRET_QUERY, "admintoken")
    with (
        ScriptedServer([reply] * len(names)) as server,
        pyvolume.Connection(
            server.url, auth=pyvolume.dvid.Identity(admin_token="a secret&"), retry=QUICK
        ) as connection,
    ):
        for name in names:
            request = Request("ask", "GET", f"/{name}", query={name: name}, headers={"X-Name": name})
            connection.exchange(request, Answer.read, connection.new_call())
    assert [name for name, head in zip(names, server.heads, strict=True) if name not in head] == []
    assert not any("secret&" in unquote_plus(head) for head in server.heads)
