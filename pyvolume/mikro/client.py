"""The catalogue: how an operation of GraphQL is sent, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyvolume.calls.call import Call
from pyvolume.errors import AnswerError, RefusedError, UnsupportedError
from pyvolume.mikro import documents
from pyvolume.mikro.refusals import is_of_another_schema, refused
from pyvolume.model.secret import Secret
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload

GENERATION = 2
"""The generation of servers that is spoken here."""

SECRETS = frozenset({"accessKey", "secretKey", "sessionToken"})
"""The fields of answers that hold keys of the object store."""


def ask(
    connection: Connection,
    action: str,
    document: str,
    variables: Mapping[str, Any] | None = None,
    *,
    call: Call | None = None,
    changes: bool = False,
) -> Any:
    """Send an operation with one root field, and return what the field has.

    Parameters
    ----------
    connection : Connection
        To the catalogue.
    action : str
        What the user wanted, as errors say it.
    document : str
        One of `pyvolume.mikro.documents`.
    variables : mapping, optional
        Values of JSON.
    call : Call, optional
        The operation of the user; by default one of its own.
    changes : bool
        Whether it changes something: then it is not repeated after a lost answer.

    Raises
    ------
    UnsupportedError
        If the server is of another generation.
    StoreError
        If it does not answer, or refuses.
    """
    try:
        data = send(connection, action, document, variables, call=call, changes=changes)
    except RefusedError as error:
        if is_of_another_schema(error):
            check_generation(connection, action)
        raise
    if len(data) != 1:
        raise AnswerError(f"{action}: expected one field in the answer and found {', '.join(data) or 'none'}")
    return next(iter(data.values()))


def send(
    connection: Connection,
    action: str,
    document: str,
    variables: Mapping[str, Any] | None = None,
    *,
    call: Call | None = None,
    changes: bool = False,
) -> Mapping[str, Any]:
    """Send an operation, and return its data, see `ask`."""
    body = json.dumps({"query": document, "variables": variables or {}}).encode()
    request = Request(
        action,
        "POST",
        "/graphql",
        upload=Upload.of(body),
        headers={"Content-Type": "application/json"},
        repeatable=not changes,
        reads=not changes,
    )

    def receive(answer: Answer) -> Mapping[str, Any]:
        found = answer.read_json()
        if not isinstance(found, Mapping) or not {"data", "errors"} & found.keys():
            raise AnswerError(f"{action}: expected an answer of GraphQL and found another document")
        if found.get("errors"):
            raise refused(request, found["errors"])
        if not isinstance(found["data"], Mapping):
            raise AnswerError(f"{action}: expected an object as the data of the answer")
        hidden: Mapping[str, Any] = _hidden(found["data"])
        return hidden

    return connection.exchange(request, receive, call or connection.new_call())


def _hidden(value: Any) -> Any:
    """Return a value of an answer with its keys as `Secret`: tracebacks with local variables do not show them."""
    if isinstance(value, list):
        return [_hidden(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: Secret(each) if name in SECRETS and isinstance(each, str) else _hidden(each)
        for name, each in value.items()
    }


def generation_of(connection: Connection, action: str = "connect") -> int:
    """Ask which generation a server is; one request."""
    found = send(connection, action, documents.GENERATION)
    if found.get("later") is not None:
        return 3
    return GENERATION if found.get("next") is not None else 1


def check_generation(connection: Connection, action: str) -> int:
    """Ask which generation a server is, and refuse others than `GENERATION`.

    Raises
    ------
    UnsupportedError
    """
    found = generation_of(connection, action)
    if found != GENERATION:
        what = "an older" if found < GENERATION else "a newer"
        raise UnsupportedError(
            f"{action}: {connection.url} is {what} Mikro, of generation {found}, and pyvolume speaks generation "
            f"{GENERATION}"
        )
    return found
