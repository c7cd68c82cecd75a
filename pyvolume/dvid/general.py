"""Calls about a DVID server as a whole, under the names of pydvid."""

from __future__ import annotations

import uuid as uuids
from typing import Any

from pyvolume.calls.lost import once
from pyvolume.dvid.auth import sends, token_advice
from pyvolume.dvid.client import get_document, post_document, text_of
from pyvolume.dvid.schemas import SCHEMAS
from pyvolume.dvid.versions.graph import Uuid
from pyvolume.dvid.versions.lookup import read_info, read_repos
from pyvolume.errors import ExistsError, ForbiddenError, NotFoundError
from pyvolume.transport.connection import Connection

__all__ = ["create_repo", "get_repos_info", "get_server_info", "get_server_types"]


def get_server_info(connection: Connection) -> dict[str, str]:
    """Return what the server says of itself; all values are text."""
    info: dict[str, str] = get_document(connection, "ask for server info", "/api/server/info", "dvid-server-info-1")
    return info


def get_server_types(connection: Connection) -> dict[str, str]:
    """Return the instance types that are in use on the server, with the url of each; none on an empty one."""
    types: dict[str, str] = get_document(connection, "ask for types", "/api/server/types", "dvid-server-types-1")
    return types


def get_repos_info(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return the server's document about each repository, by the uuid of its root.

    Raises
    ------
    ForbiddenError
        If the server shows none without a valid token, and instances are there.
    """
    return read_repos(connection)


def create_repo(
    connection: Connection,
    alias: str,
    description: str = "",
    root: str | None = None,
    *,
    duplicate_alias: bool = False,
) -> Uuid:
    """Create a repository; nothing can delete it over HTTP.

    Servers since June 2026 ask for their admin token, see `Identity`. One request, and another one that looks whether
    the alias is free.

    Parameters
    ----------
    connection : Connection
        To the server.
    alias, description : str
        Name of the repository, and a text about it.
    root : str, optional
        The uuid of its first version, 32 hexadecimal digits; drawn at random if not given.
    duplicate_alias : bool
        Create it even if another repository has this alias. Both must be named by their uuid then.

    Returns
    -------
    Uuid
        The uuid of its first version.

    Raises
    ------
    ForbiddenError
        If the admin token is missing or wrong.
    ExistsError
        If the alias or the uuid is taken.
    TransportError
        If no answer arrived, and no such repository is there.
    """
    uuid = uuids.uuid4().hex if root is None else root
    document = {"alias": alias, "description": description, "root": uuid}
    action = f"create repository {alias!r}"
    SCHEMAS.validate("dvid-create-repo-1", document, action)
    if not duplicate_alias:
        _check_alias(connection, alias, action)

    def create() -> Uuid:
        try:
            body = post_document(connection, action, "/api/repos", document, privileged=True)
        except ForbiddenError as error:
            # the server says the same of a missing token, of a wrong one, and if it is read-only
            if "admin" in error.reason:
                advice = token_advice("admin_token", sent=sends(connection.auth, "admin_token"))
                error.args = (f"{action}: {advice}; or it is read-only ({error.reason})",)
            raise
        return Uuid(text_of(action, body, "root"))

    # only a uuid that was drawn here tells whose repository is there
    return once(create, lambda: Uuid(uuid) if root is None and _exists(connection, uuid) else None)


def _check_alias(connection: Connection, alias: str, action: str) -> None:
    try:
        taken = [uuid for uuid, each in read_repos(connection, action).items() if alias and each.get("Alias") == alias]
    except ForbiddenError:  # the server does not show its repositories to this user
        return
    if taken:
        raise ExistsError(
            f"{action}: the server has a repository of this alias, {taken[0][:8]}; "
            "require_repo returns it, duplicate_alias=True creates another one",
            action=action,
        )


def _exists(connection: Connection, uuid: str) -> bool:
    try:
        read_info(connection, uuid, "look for the new repository")
    except NotFoundError:
        return False
    return True
