"""Instances: made once, although the answer is lost, and found by name and type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyvolume.dvid.address import check_name, segment
from pyvolume.dvid.client import get_document, post_document
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.dvid.versions import changes
from pyvolume.errors import AnswerError, ExistsError, NotFoundError, UnsupportedError
from pyvolume.transport.connection import Connection


def create(connection: Connection, uuid: str, document: Mapping[str, str], schema: str) -> None:
    """Create an instance in an open version.

    The name does not tell whose instance is there after a lost answer, so it is looked up before as well.

    Raises
    ------
    MetadataError
        For a name that could not be reached.
    ExistsError
        If the repository has an instance of this name.
    LockedError
        If the version is committed.
    TransportError
        If no answer arrived, and no such instance was there when looked for afterwards.
    """
    name = document["dataname"]
    action = f"create {name}"
    check_name(name)
    SCHEMAS.validate(schema, document, action)

    def look() -> str | None:
        try:
            found: str = read_info(connection, uuid, name, action)["Base"]["TypeName"]
        except NotFoundError:
            return None
        return found

    def ask() -> str:
        body = post_document(connection, action, f"/api/repo/{segment(uuid)}/instance", document)
        if b'"result"' not in body:
            raise AnswerError(f"{action}: expected a result and found {body[:200]!r}", first_bytes=body[:200])
        return document["typename"]

    if look() is not None:
        raise ExistsError(f"{action}: the name is taken, the repository has an instance of this name", action=action)
    changes.once(ask, lambda: found if (found := look()) == document["typename"] else None)


def find(connection: Connection, uuid: str, name: str, typename: str, schema: str = "dvid-info-1") -> dict[str, Any]:
    """Return the answer of ``/info`` of an instance of this type.

    Raises
    ------
    NotFoundError
        If there is no instance of this name.
    UnsupportedError
        If it is of another type.
    """
    action = f"open {name}"
    document = read_info(connection, uuid, name, action)
    found = document["Base"]["TypeName"]
    if found != typename:
        raise UnsupportedError(f"{action}: expected an instance of type {typename} and found {found}")
    SCHEMAS.validate(schema, document, action)
    return document


def read_info(connection: Connection, uuid: str, name: str, action: str) -> dict[str, Any]:
    """Return the answer of ``/info`` of an instance."""
    path = f"/api/node/{segment(uuid)}/{segment(name)}/info"
    document: dict[str, Any] = get_document(connection, action, path, "dvid-info-1")
    return document
