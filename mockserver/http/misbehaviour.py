"""How a connection serves a request: as it should, or with a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mockserver.dvid.throttle import busy_text
from mockserver.http.faults import Fault
from mockserver.http.messages import Answer, Bytes, Request, error

if TYPE_CHECKING:
    from mockserver.http.connection import Connection

SLOW_PIECES = 20
PAGE = "<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>\n"
ELSEWHERE = "http://127.0.0.1:9/elsewhere"

Serve = Callable[["Connection", Request, Fault], None]


def serve(connection: Connection, request: Request, fault: Fault | None) -> None:
    """Answer a request, with a fault if there is one."""
    if fault is None:
        connection.send(connection.carry_out(request))
    else:
        WAYS[fault.kind](connection, request, fault)


def _instead(make: Callable[[Fault], Answer]) -> Serve:
    """Send an answer without carrying out the request."""

    def way(connection: Connection, _: Request, fault: Fault) -> None:
        answer = make(fault)
        connection.note(answer.status)
        connection.send(answer)

    return way


def _instead_of_answer(carried_out: bool, end: Callable[[Connection], None]) -> Serve:
    """End the connection without an answer."""

    def way(connection: Connection, request: Request, _: Fault) -> None:
        if carried_out:
            connection.carry_out(request)
        else:
            connection.note(None)
        end(connection)

    return way


def _with_body(change: Callable[[Answer, Fault], Answer]) -> Serve:
    """Carry out the request and send an answer with another body."""

    def way(connection: Connection, request: Request, fault: Fault) -> None:
        connection.send(change(connection.carry_out(request), fault))

    return way


def _busy(fault: Fault) -> Answer:
    return _with_retry_after(error(503, busy_text() if fault.text is None else fault.text), fault)


def _error(fault: Fault) -> Answer:
    return _with_retry_after(error(fault.status, "injected fault" if fault.text is None else fault.text), fault)


def _with_retry_after(answer: Answer, fault: Fault) -> Answer:
    if fault.retry_after is None:
        return answer
    return replace(answer, headers=(*answer.headers, ("Retry-After", f"{fault.retry_after:g}")))


def _page(_: Fault) -> Answer:
    data = PAGE.encode()
    return Answer(200, "text/html", (data,), len(data))


def _redirect(_: Fault) -> Answer:
    return Answer(302, headers=(("Location", ELSEWHERE),))


def _refuse(connection: Connection, _: Request, fault: Fault) -> None:
    connection.note(503)
    connection.close_connection = True
    for piece in connection.wire(_busy(fault)):
        connection.connection.sendall(piece)


def _close(connection: Connection) -> None:
    connection.body.drain()
    connection.close_connection = True


def _stall(connection: Connection) -> None:
    connection.body.drain()
    connection.close_connection = True
    while connection.rfile.read1(65536):
        pass  # until the client goes away, or the server shuts the socket


def _garbage(connection: Connection) -> None:
    connection.body.drain()
    connection.close_connection = True
    connection.connection.sendall(b"HTTP/one.one OK 200 and so on\r\n\r\n")


def _truncate(connection: Connection, request: Request, _: Fault) -> None:
    answer = connection.carry_out(request)
    body = b"".join(map(bytes, answer.parts)) or b"\n"
    connection.body.drain()
    connection.close_connection = True
    whole = b"".join(map(bytes, connection.wire(replace(answer, parts=(body,), length=len(body)))))
    connection.connection.sendall(whole[: len(whole) - (len(body) + 1) // 2])


def _slow(connection: Connection, request: Request, fault: Fault) -> None:
    answer = connection.carry_out(request)
    connection.body.drain()
    size = max(1, (answer.length or 65536) // SLOW_PIECES)
    for piece in _cut(connection.wire(answer), size):
        connection.connection.sendall(piece)
        connection.backend.closing.wait(fault.pause)


def _cut(pieces: Iterable[Bytes], size: int) -> Iterator[Bytes]:
    for piece in pieces:
        for start in range(0, len(piece), size):
            yield memoryview(piece)[start : start + size]


def _short(answer: Answer, fault: Fault) -> Answer:
    body = b"".join(map(bytes, answer.parts))[: -fault.amount]
    return replace(answer, parts=(body,), length=len(body))


def _long(answer: Answer, fault: Fault) -> Answer:
    body = b"".join(map(bytes, answer.parts)) + bytes(fault.amount)
    return replace(answer, parts=(body,), length=len(body))


WAYS: Mapping[str, Serve] = {
    "busy": _instead(_busy),
    "error": _instead(_error),
    "html": _instead(_page),
    "redirect": _instead(_redirect),
    "refuse": _refuse,
    "reset": _instead_of_answer(False, lambda connection: connection.abort()),
    "lost": _instead_of_answer(True, lambda connection: connection.abort()),
    "close": _instead_of_answer(False, _close),
    "stall": _instead_of_answer(False, _stall),
    "garbage": _instead_of_answer(False, _garbage),
    "truncate": _truncate,
    "slow": _slow,
    "short": _with_body(_short),
    "long": _with_body(_long),
}
