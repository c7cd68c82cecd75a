"""HTTP alone: another protocol can use it, with its own texts and its own framing."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from mockserver.http.faults import Fault, Faults
from mockserver.http.framing import Framing
from mockserver.http.messages import Answer, Request
from mockserver.http.server import Backend
from mockserver.http.shared import Shared


class Echo:
    """A protocol that answers with the body that it gets."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/number":
            return text_of(200, str(int(request.body.read())))
        if request.path == "/admin":
            return text_of(200, str(request.admin))
        return text_of(200, request.body.read().decode())


def text_of(status: int, text: str) -> Answer:
    data = text.encode()
    return Answer(status, "text/x-echo", (data,), len(data))


@pytest.fixture
def shared() -> Shared:
    return Shared(
        api=Echo(),
        error=text_of,
        busy_text="come back later",
        is_admin=lambda _, headers: headers.get("X-Admin") == "yes",
        framing=Framing(buffered=10, drained=100, linger_seconds=0.01, head=1000),
        faults=Faults(),
    )


@pytest.fixture
def backend(shared: Shared) -> Iterator[Backend]:
    backend = Backend(0, shared)
    yield backend
    backend.stop()


@pytest.fixture
def client(backend: Backend) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection(backend.url.removeprefix("http://"), timeout=30)
    yield client
    client.close()


def test_the_protocol_answers(client: http.client.HTTPConnection, shared: Shared) -> None:
    client.request("POST", "/", b"hello")
    assert client.getresponse().read() == b"hello"
    assert [(each.method, each.length, each.status) for each in shared.records.copy()] == [("POST", 5, 200)]


@pytest.mark.parametrize(("size", "length"), [(10, "10"), (11, None)])
def test_the_framing_decides_when_a_body_is_sent_in_chunks(
    client: http.client.HTTPConnection, size: int, length: str | None
) -> None:
    client.request("POST", "/", bytes(size))
    answer = client.getresponse()
    assert (len(answer.read()), answer.headers["Content-Length"]) == (size, length)


def test_a_fault_speaks_as_the_protocol_does(client: http.client.HTTPConnection, shared: Shared) -> None:
    shared.faults.add(Fault("busy"))
    client.request("GET", "/")
    answer = client.getresponse()
    assert (answer.status, answer.headers["Content-Type"], answer.read()) == (503, "text/x-echo", b"come back later")


@pytest.mark.parametrize("header", ["yes", "no"])
def test_the_protocol_says_who_is_an_administrator(client: http.client.HTTPConnection, header: str) -> None:
    client.request("GET", "/admin", headers={"X-Admin": header})
    assert client.getresponse().read() == str(header == "yes").encode()


@pytest.mark.parametrize(("size", "connection"), [(99, None), (100, "close")])
def test_the_framing_decides_how_much_of_a_body_is_read_to_keep_the_connection(
    client: http.client.HTTPConnection, shared: Shared, size: int, connection: str | None
) -> None:
    shared.faults.add(Fault("error"))
    client.request("POST", "/", bytes(size))
    assert client.getresponse().headers["Connection"] == connection


def test_an_error_of_the_protocol_is_an_answer(client: http.client.HTTPConnection, shared: Shared) -> None:
    for number, status in (("9" * 5000, 500), ("7", 200)):
        client.request("POST", "/number", number)
        answer = client.getresponse()
        assert (answer.status, answer.read() != b"") == (status, True)
    assert [each.status for each in shared.records.copy()] == [500, 200]
