"""The DataStore's endpoints: how documents are asked for, and how empty answers are received."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pyvolume.calls.call import Call
from pyvolume.errors import AddressError
from pyvolume.hpc.documents import DatasetInfo, dataset_info
from pyvolume.hpc.refusals import refusal
from pyvolume.hpc.schemas import SCHEMAS
from pyvolume.model import arguments
from pyvolume.transport.answer import Answer
from pyvolume.transport.connection import Connection
from pyvolume.transport.request import Request, Upload


def dataset_path(uuid: str) -> str:
    """Return the path of a dataset.

    Raises
    ------
    AddressError
        If the uuid cannot be one: a slash leads to something else on the server.
    """
    arguments.text(uuid, "open", "a uuid")
    if uuid in {"", ".", ".."} or "/" in uuid:
        raise AddressError(f"open: expected the uuid of a dataset and found {arguments.brief(uuid)}")
    return f"/datasets/{quote(uuid, safe='')}"


def get_document(
    connection: Connection, action: str, path: str, schema: str, *, call: Call | None = None
) -> dict[str, Any]:
    """Ask for a JSON document, and check it against a schema.

    Raises
    ------
    StoreError
        If the server does not give it.
    MetadataError
        If it breaks the schema.
    """
    arguments.instance_of(connection, Connection, action)
    request = Request(action, "GET", path, refusal=refusal)
    document: dict[str, Any] = connection.exchange(request, Answer.read_json, call or connection.new_call())
    SCHEMAS.validate(schema, document, action)
    return document


def read_info(connection: Connection, uuid: str, call: Call | None = None) -> DatasetInfo:
    """Ask the server what a dataset is; one request."""
    document = get_document(connection, f"open dataset {uuid}", dataset_path(uuid), "hpc-dataset-1", call=call)
    return dataset_info(document, uuid)


def get_text(connection: Connection, action: str, path: str) -> str:
    """Ask for a text."""
    data = connection.exchange(Request(action, "GET", path, refusal=refusal), Answer.read, connection.new_call())
    return data.decode("utf-8", "replace")


def post(
    connection: Connection, action: str, path: str, body: str, content_type: str, *, repeatable: bool = False
) -> str:
    """Send a text, and return the text of the answer. The server refuses bodies without a content type."""
    request = Request(
        action,
        "POST",
        path,
        upload=Upload.of(body.encode()),
        headers={"Content-Type": content_type},
        repeatable=repeatable,
        refusal=refusal,
    )
    return connection.exchange(request, Answer.read, connection.new_call()).decode("utf-8", "replace")


def delete(connection: Connection, action: str, path: str) -> None:
    """Delete what a path names."""
    request = Request(action, "DELETE", path, repeatable=False, refusal=refusal)
    connection.exchange(request, Answer.read_nothing, connection.new_call())
