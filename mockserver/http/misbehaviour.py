"""How a connection serves a request: normally, or with a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from mockserver.http.faults import Fault
from mockserver.http.messages import Answer, Bytes, Request
from mockserver.http.shared import Shared

SLOW_PIECES = 20
PAGE = "<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>\n"
ELSEWHERE = "http://127.0.0.1:9/elsewhere"
GARBAGE = b"HTTP/one.one OK 200 and so on\r\n\r\n"


class Channel(Protocol):
    """What a fault needs of a connection."""

    shared: Shared

    def carry_out(self, request: Request) -> Answer:
        """Return the answer of the API, and record the request."""

    def note(self, status: int | None) -> None:
        """Record the request; `status` is None if no answer is sent."""

    def send(self, answer: Answer) -> None:
        """Send an answer."""

    def wire(self, answer: Answer) -> Iterator[Bytes]:
        """Yield the bytes of an answer."""

    def send_pieces(self, pieces: Iterable[Bytes]) -> None:
        """Send bytes as they are."""

    def end(self) -> None:
        """Close the connection after this request."""

    def abort(self) -> None:
        """Reset the connection at once."""

    def wait_for_client(self) -> None:
        """Wait until the client disconnects, or until the server closes."""


Serve = Callable[[Channel, Request, Fault], None]


def serve(channel: Channel, request: Request, fault: Fault | None) -> None:
    """Answer a request, with a fault if there is one."""
    if fault is None:
        channel.send(channel.carry_out(request))
    else:
        WAYS[fault.kind](channel, request, fault)


def _instead(make: Callable[[Shared, Fault], Answer]) -> Serve:
    """Send another answer; the request is not carried out."""

    def way(channel: Channel, _: Request, fault: Fault) -> None:
        answer = make(channel.shared, fault)
        channel.note(answer.status)
        channel.send(answer)

    return way


def _without_answer(end: Callable[[Channel], None], *, carried_out: bool = False) -> Serve:
    """End the connection without an answer."""

    def way(channel: Channel, request: Request, _: Fault) -> None:
        if carried_out:
            channel.carry_out(request)
        else:
            channel.note(None)
        end(channel)

    return way


def _after_body(then: Callable[[Channel], None]) -> Serve:
    """Read the request, do not carry it out, and close the connection after `then`."""

    def way(channel: Channel, request: Request, _: Fault) -> None:
        channel.note(None)
        request.body.drain()
        channel.end()
        then(channel)

    return way


def _with_body(change: Callable[[Answer, Fault], Answer]) -> Serve:
    """Carry out the request and send its answer with another body."""

    def way(channel: Channel, request: Request, fault: Fault) -> None:
        channel.send(change(channel.carry_out(request), fault))

    return way


def _busy(shared: Shared, fault: Fault) -> Answer:
    return _with_retry_after(shared.error(503, shared.busy_text if fault.text is None else fault.text), fault)


def _error(shared: Shared, fault: Fault) -> Answer:
    return _with_retry_after(shared.error(fault.status, "injected fault" if fault.text is None else fault.text), fault)


def _with_retry_after(answer: Answer, fault: Fault) -> Answer:
    if fault.retry_after is None:
        return answer
    return replace(answer, headers=(*answer.headers, ("Retry-After", f"{fault.retry_after:g}")))


def _page(status: int) -> Answer:
    data = PAGE.encode()
    return Answer(status, "text/html", (data,), len(data))


def _redirect(_shared: Shared, _: Fault) -> Answer:
    return Answer(302, headers=(("Location", ELSEWHERE),))


def _refuse(channel: Channel, _: Request, fault: Fault) -> None:
    channel.note(503)
    channel.end()
    channel.send_pieces(channel.wire(_busy(channel.shared, fault)))


def _truncate(channel: Channel, request: Request, _: Fault) -> None:
    answer = channel.carry_out(request)
    body = b"".join(map(bytes, answer.parts)) or b"\n"
    request.body.drain()
    channel.end()
    whole = b"".join(map(bytes, channel.wire(replace(answer, parts=(body,), length=len(body)))))
    channel.send_pieces([whole[: len(whole) - (len(body) + 1) // 2]])


def _slow(channel: Channel, request: Request, fault: Fault) -> None:
    answer = channel.carry_out(request)
    request.body.drain()
    size = max(1, (answer.length or 65536) // SLOW_PIECES)
    for piece in _cut(channel.wire(answer), size):
        channel.send_pieces([piece])
        channel.shared.closing.wait(fault.pause)


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
    "html": _instead(lambda _shared, _fault: _page(200)),
    "redirect": _instead(_redirect),
    "refuse": _refuse,
    "reset": _without_answer(lambda channel: channel.abort()),
    "lost": _without_answer(lambda channel: channel.abort(), carried_out=True),
    "close": _after_body(lambda _: None),
    "stall": _after_body(lambda channel: channel.wait_for_client()),
    "garbage": _after_body(lambda channel: channel.send_pieces([GARBAGE])),
    "truncate": _truncate,
    "slow": _slow,
    "gateway": _with_body(lambda _, fault: _page(fault.status)),
    "short": _with_body(_short),
    "long": _with_body(_long),
}
