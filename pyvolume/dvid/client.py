"""DVID's endpoints: how documents are asked for, and how empty answers are received."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pyvolume.calls.call import Call
from pyvolume.dvid.refusals import refusal
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.errors import AnswerError, MetadataError
from pyvolume.model import arguments
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.documents import JsonReader
from pyvolume.transport.request import Request, Upload

T = TypeVar("T")


def get_document(
    connection: Connection, action: str, path: str, schema: str | None = None, *, call: Call | None = None
) -> Any:
    """Ask for a JSON document, and check it against a schema if one is named.

    Raises
    ------
    StoreError
        If the server does not give it.
    MetadataError
        If it breaks the schema.
    """
    arguments.instance_of(connection, Connection, action)
    request = Request(action, "GET", path, refusal=refusal)
    document = connection.exchange(request, Answer.read_json, call or connection.new_call())
    if schema is not None:
        SCHEMAS.validate(schema, document, action)
    return document


def get_entries(
    connection: Connection, action: str, path: str, receive: Callable[[Iterator[Any]], T], *, call: Call | None = None
) -> T:
    """Ask for a list in JSON, and receive its entries one after the other.

    Parameters
    ----------
    connection : Connection
        To the server.
    action, path : str
        As for `get_document`.
    receive : callable
        Takes the entries while they arrive. It runs inside the attempt, and again if that is repeated.
    call : Call, optional
        The operation that the request belongs to.

    Raises
    ------
    StoreError
        If the server does not give the list.
    MetadataError
        If an entry is too large.
    """
    arguments.instance_of(connection, Connection, action)
    request = Request(action, "GET", path, refusal=refusal)
    return connection.exchange(request, lambda answer: receive(answer.read_entries()), call or connection.new_call())


def post_document(
    connection: Connection,
    action: str,
    path: str,
    document: Any,
    *,
    repeatable: bool = False,
    privileged: bool = False,
) -> bytes:
    """Send a JSON document and return the body of the answer."""
    upload = Upload.of(json.dumps(document).encode())
    request = Request(
        action, "POST", path, upload=upload, repeatable=repeatable, privileged=privileged, refusal=refusal
    )
    try:
        return connection.exchange(request, Answer.read, connection.new_call())
    except MetadataError as error:  # the change is made, whatever the answer is
        raise AnswerError(*error.args) from None


def text_of(action: str, body: bytes, name: str) -> str:
    """Return a text that the answer to a change holds.

    Raises
    ------
    AnswerError
        If it does not hold it.
    """
    try:
        found = JsonReader(action, "", len(body)).document(body)[name]
    except (AnswerError, MetadataError, LookupError, TypeError):
        found = None
    if not isinstance(found, str) or not found:
        raise AnswerError(f"{action}: expected the {name} and found {body[:200]!r}", first_bytes=body[:200])
    return found


def post_empty(connection: Connection, action: str, path: str, document: Any, *, repeatable: bool = False) -> None:
    """Send a JSON document, which DVID acknowledges with an empty answer."""
    upload = Upload.of(json.dumps(document).encode())
    request = Request(action, "POST", path, upload=upload, repeatable=repeatable, refusal=refusal)
    connection.exchange(request, Answer.read_nothing, connection.new_call())
