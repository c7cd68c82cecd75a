"""Answers in the form of the server's library: texts whose type is what the client accepts, and error pages."""

from __future__ import annotations

import html
import json
import uuid
from typing import Any

from mockserver.http.messages import JSON, OCTETS, Answer, Bytes, Request, octets

PLAIN = "text/plain;charset=UTF-8"
PAGE = "text/html;charset=UTF-8"
XML = "application/xml;charset=UTF-8"
NULL_POINTER = "java.lang.NullPointerException"

EMPTY = Answer()
"""A success without a body."""


class Failed(Exception):  # noqa: N818 - an answer of the protocol, not a fault of the program
    """Raised to answer with an error.

    Parameters
    ----------
    status : int
        The status.
    text : str
        The body.
    content_type : str, optional
        Its type; by default what the client accepts.
    """

    def __init__(self, status: int, text: str = "", content_type: str | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.content_type = status, text, content_type


class Crashed(Exception):  # noqa: N818
    """Raised where the code of the real server crashes: an error page.

    Parameters
    ----------
    problem : str
        What the page says.
    """

    def __init__(self, problem: str = NULL_POINTER) -> None:
        super().__init__(problem)


def empty_crash() -> Failed:
    """Return the error of a crash that the server answers with nothing."""
    return Failed(500, "", "text/plain")


def text(request: Request, status: int, body: str, content_type: str | None = None) -> Answer:
    """Answer with a text; without a type of its own it gets the one that the client accepts."""
    data = body.encode()
    return Answer(status, content_type or accepted(request), (data,), len(data))


def accepted(request: Request) -> str:
    """Return the type that a body without one gets."""
    wanted = request.headers.get("Accept", "*/*")
    return PLAIN if wanted == "text/plain" else OCTETS if wanted == "*/*" else wanted


def page(request: Request, problem: str) -> Answer:
    """Answer 500 with an error page, in the form that the client accepts."""
    details = f"{problem}Error id {uuid.uuid4()}-1"
    if "application/json" in request.headers.get("Accept", ""):
        data = json.dumps({"details": details, "stack": ""}, separators=(",", ":")).encode()
        return Answer(500, "application/json;charset=UTF-8", (data,), len(data))
    shown = html.escape(details, quote=False)
    data = f"<!doctype html>\n<title>Internal Server Error - {shown}</title>\n<h1>Internal Server Error</h1>\n".encode()
    return Answer(500, PAGE, (data,), len(data))


def not_allowed(*methods: str) -> Answer:
    """Answer 405 for a path that takes other methods."""
    return Answer(405, headers=(("Allow", ", ".join(methods)),) if methods else ())


def json_document(value: Any) -> Answer:
    """Answer 200 with a compact JSON document."""
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return octets((data,), len(data), JSON)


def body(data: Bytes, content_type: str = OCTETS) -> Answer:
    """Answer 200 with bytes."""
    return octets((data,), len(data), content_type)
